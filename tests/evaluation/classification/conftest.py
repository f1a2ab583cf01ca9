"""Squares that rise or fall: no single frame tells which, and a mirror does not change it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.stream import VideoStream

from slic.datasets import Labels, read_labels
from slic.evaluation.classification import Problem, split_videos
from slic.models.encoder import EncoderConfig, VideoEncoder
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
def problem(catalog: Catalog, labels: Labels) -> Problem:
    """Return the problem of telling rise from fall."""
    return split_videos(catalog, labels, train="train", test="test")


def new_encoder(**overrides: object) -> VideoEncoder:
    """Return a tiny encoder whose running statistics are not those of a new one."""
    values = {
        "backbone": "r3d10", "width": 0.125, "hidden": 16, "embedding": 8, "frames": 8, "size": 32,
    } | overrides  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        encoder = VideoEncoder(EncoderConfig(**values))  # type: ignore[arg-type]
        encoder.features(torch.randn(4, 3, 8, 32, 32))
    return encoder.eval()


@pytest.fixture
def make_encoder() -> Callable[..., VideoEncoder]:
    """Return :func:`new_encoder`."""
    return new_encoder


@pytest.fixture
def encoder() -> VideoEncoder:
    """Return a tiny encoder."""
    return new_encoder()


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny encoder."""
    folder = tmp_path_factory.mktemp("encoder")
    new_encoder().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sum in the same order, hence with the same last bits, as the processes of one thread do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
