"""Videos of squares that rise or fall: no single frame, and no mirror, tells which."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.stream import VideoStream

from slic.clips.augmentation import Augmentation
from slic.datasets import Labels, read_labels
from slic.evaluation.base import LabelledSplit, split_by_labels
from slic.evaluation.classification import ClassificationTask, LinearTraining
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.videos.catalog import Catalog

WIDTH, HEIGHT = 64, 48
TRAIN, TEST = 16, 8


def write_square(path: Path, *, rises: bool, frames: int, rng: np.random.Generator) -> None:
    """Write a video of a bright square that moves two pixels a frame and comes round again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left, start = int(rng.integers(WIDTH - 16)), int(rng.integers(HEIGHT))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(frames):
            picture = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
            rows = (start + (-2 if rises else 2) * number + np.arange(14)) % HEIGHT
            picture[rows, left : left + 16] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 16 + 8 videos of 8 to 30 frames, with their labels in ``labels.csv``."""
    folder, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    lines = ["path,label,split"]
    for number in range(TRAIN + TEST):
        split, rises = "train" if number < TRAIN else "test", number % 2 == 0
        name = f"{split}/{number:02d}.mp4"
        write_square(folder / name, rises=rises, frames=int(rng.integers(8, 31)), rng=rng)
        lines.append(f"{name},{'rise' if rises else 'fall'},{split}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def catalog(squares: Path) -> Catalog:
    """Return the catalog of these videos."""
    return Catalog.from_folder(squares, progress=False)


@pytest.fixture(scope="session")
def labels(squares: Path) -> Labels:
    """Return their labels."""
    return read_labels(squares / "labels.csv")


@pytest.fixture(scope="session")
def split(catalog: Catalog, labels: Labels) -> LabelledSplit:
    """Return training and test videos with their labels."""
    return split_by_labels(catalog, labels)


@pytest.fixture(scope="session")
def task(split: LabelledSplit) -> ClassificationTask:
    """Return the task of telling rise from fall."""
    return ClassificationTask.from_split(split)


@pytest.fixture
def quick() -> LinearTraining:
    """Return five epochs of training a linear layer."""
    steady = Augmentation(area=(0.8, 1.0), jitter_probability=0.0, grey=0.0, blur=0.0)
    return LinearTraining(
        epochs=5, batch_size=8, learning_rate=1e-2, dropout=0.5, augmentation=steady
    )


def tiny_encoder_of(*, stride: int = 1, embedding: int = 8, **arguments: object) -> VideoEncoder:
    """Return a tiny encoder whose running statistics are not those of a new one."""
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125, **arguments},
        head=HeadSpec(hidden=16, embedding=embedding),
        clip=ClipSpec(frames=8, stride=stride, size=32),
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        encoder = VideoEncoder(config)
        encoder.features(torch.randn(4, 3, 8, 32, 32))
    return encoder.eval()


@pytest.fixture
def make_encoder() -> Callable[..., VideoEncoder]:
    """Return :func:`tiny_encoder_of`."""
    return tiny_encoder_of


@pytest.fixture
def encoder() -> VideoEncoder:
    """Return a tiny encoder."""
    return tiny_encoder_of()


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny encoder."""
    folder = tmp_path_factory.mktemp("encoder")
    tiny_encoder_of().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sum in the same order, hence with the same last bits, as the processes of one thread do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
