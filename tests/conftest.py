"""Fixtures: videos whose frames show their number, programs in a new process, the command."""

import fnmatch
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import av
import cv2
import hypothesis
import numpy as np
import pytest
from av.video.stream import VideoStream

if TYPE_CHECKING:
    from slic.models.encoder import VideoEncoder
    from slic.search import Index

hypothesis.settings.register_profile("no deadline", deadline=None)  # no test is about time
hypothesis.settings.load_profile("no deadline")

BITS = 8  # frames are numbered 0 to 255
MakeVideo = Callable[..., Path]

_UPRIGHT = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
_QUARTER_TURN = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4").tobytes()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch of `make soak`."""
    help_text = "run the fault campaign at full length, and the tests marked soak"
    parser.addoption("--soak", action="store_true", help=help_text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests marked soak without ``--soak``."""
    if not config.getoption("--soak"):
        for item in items:
            if item.get_closest_marker("soak"):
                item.add_marker(pytest.mark.skip(reason="a longer variant, for `make soak`"))


def tiny_encoder() -> "VideoEncoder":
    """Return an encoder with random weights, of 8 numbers and clips of 4 frames."""
    import torch

    from slic.models.backbones import ClipSpec
    from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

    torch.manual_seed(0)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=16, embedding=8),
        clip=ClipSpec(frames=4, stride=2, size=32),
    )
    return VideoEncoder(config).eval()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of reference data beside the repository."""
    folder = Path(__file__).resolve().parents[1] / ".." / "shared"
    if not folder.is_dir():
        pytest.skip("there is no shared folder beside this checkout")
    return folder.resolve()


@contextmanager
def being_nobody() -> Iterator[None]:
    """Run as a user without rights, because root may read and write everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(scope="session")
def nobody() -> Callable[[], AbstractContextManager[None]]:
    """Return :func:`being_nobody`."""
    return being_nobody


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user can enter; those of pytest are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def numbered_picture(number: int, *, width: int, height: int) -> np.ndarray:
    """Return an RGB picture that shows a number as vertical bars: white is 1, lowest bit left."""
    bits = [number >> bit & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 200 + 28, -(-width // BITS))[:width]
    picture = np.empty((height, width, 3), np.uint8)
    picture[...] = row[None, :, None]
    picture[: height // 4] = (170, 90, 40)  # reveals swapped channels and a picture upside down
    return picture


def read_number(picture: np.ndarray) -> int:
    """Return the number in a picture of `numbered_picture`."""
    height, width = picture.shape[:2]
    bar = width / BITS
    row = picture[height // 2 :].mean(axis=(0, 2))
    bits = [row[round((bit + 0.3) * bar) : round((bit + 0.7) * bar)].mean() for bit in range(BITS)]
    return sum(1 << bit for bit, value in enumerate(bits) if value > 128)


def write_video(
    path: Path,
    *,
    frames: int = 60,
    size: tuple[int, int] = (160, 120),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: int = 25,
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    quarter_turn: bool = False,
) -> Path:
    """Write a video of numbered pictures; ``times`` are presentation times in milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for number in range(frames):
            picture = numbered_picture(number, width=width, height=height)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if quarter_turn:
        _turn(path)
    return path


def _turn(path: Path) -> None:
    """Set a rotation of 90 degrees in the track header of an MP4 file."""
    data = path.read_bytes()
    place = data.index(_UPRIGHT, data.index(b"tkhd"))
    path.write_bytes(data[:place] + _QUARTER_TURN + data[place + len(_UPRIGHT) :])


def write_frames(
    folder: Path,
    *,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    name: str = "image_{:05d}.jpg",
) -> Path:
    """Write a folder of numbered pictures. File names count from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(frames):
        picture = numbered_picture(number, width=size[0], height=size[1])
        cv2.imwrite(str(folder / name.format(number + 1)), picture[..., ::-1])
    return folder


@pytest.fixture(scope="session")
def make_video() -> MakeVideo:
    """Return :func:`write_video`."""
    return write_video


@pytest.fixture(scope="session")
def make_frames() -> MakeVideo:
    """Return :func:`write_frames`."""
    return write_frames


@pytest.fixture(scope="session")
def shown_number() -> Callable[[np.ndarray], int]:
    """Return :func:`read_number`."""
    return read_number


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a process. The code is -n if signal n ended it."""

    code: int | None
    out: str
    err: str


class Running:
    """A program in a new process, forked from a server that has loaded torch."""

    def __init__(self, program: str, folder: Path) -> None:
        self.out, self.err = folder / f"{time.time_ns()}.out", folder / f"{time.time_ns()}.err"
        redirect = f"""
import multiprocessing, os
multiprocessing.set_start_method("fork", force=True)  # as in a normal process
for path, stream in (({str(self.out)!r}, 1), ({str(self.err)!r}, 2)):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
os.setsid()
"""
        context = multiprocessing.get_context("forkserver")
        self.process = context.Process(target=exec, args=(redirect + program, {}))
        self.process.start()
        assert self.process.pid is not None
        self.pid: int = self.process.pid

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and its children, as a terminal does."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """Kill the process, but not its children, with a signal that it cannot handle."""
        self.process.kill()

    def wait(self, seconds: float = 100) -> Ended:
        """Wait until the process has ended."""
        self.process.join(seconds)
        if (code := self.process.exitcode) is None:
            os.killpg(self.pid, 9)
        return Ended(code, self.out.read_text(), self.err.read_text())


Program = Callable[[str], Running]
WaitUntil = Callable[[Callable[[], bool], Running], None]


def until(reached: Callable[[], bool], running: Running) -> None:
    """Wait until a condition holds; it must hold before the program ends.

    There is no limit of time here: a busy machine is slow, and pytest ends a test that hangs.
    """
    while not reached():
        if not running.process.is_alive() and not reached():
            pytest.fail(f"the program ended too early: {running.err.read_text()}")
        time.sleep(0.002)


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """Return :func:`until`."""
    return until


Slic = Callable[..., Running]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Return a function that starts a program given as Python source."""
    # PyTorch imports the second one late, and each fork would spend a second of CPU time on that.
    preload = ["slic.sample.demo", "torch._dynamo", "faiss", "slic.search"]
    multiprocessing.get_context("forkserver").set_forkserver_preload(preload)
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = tmp_path_factory.mktemp("printed")
    return lambda text: Running(text, folder)


@pytest.fixture(scope="session")
def slic(program: Program) -> Slic:
    """Return a function that starts ``slic WORDS``; ``before`` is Python source to run first."""

    def start(*words: object, before: str = "") -> Running:
        main = f"from slic.cli import main\nmain({[str(word) for word in words]!r})"
        return program(f"{before}\n{main}")

    return start


Rows = Callable[..., np.ndarray]
Fill = Callable[..., "Index"]
Add = Callable[..., list[int]]


@pytest.fixture(scope="session")
def rows() -> Rows:
    """Return a function that draws unit vectors."""

    def draw(count: int, *, dimension: int = 8, seed: int = 0) -> np.ndarray:
        x = np.random.default_rng(seed).normal(size=(count, dimension))
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)

    return draw


@pytest.fixture(scope="session")
def add() -> Add:
    """Return a function that adds a video to an index, given the vectors of its moments.

    It has 25 frames per second, and moments of 2 s, one per second. The function returns their ids.
    """
    from slic.search.repository.moments import NewMoment, insert_moments
    from slic.search.repository.videos import FileState, insert_video
    from slic.videos.video import Video

    def add_video(index: "Index", path: str, vectors: np.ndarray, *, root: str = "/v") -> list[int]:
        video = Video(
            id=path, path=Path(root) / path, frames=25 * (len(vectors) + 1), fps=25.0,
            width=64, height=48,
        )  # fmt: skip
        state = FileState(size=1, mtime_ns=1, content_id=f"content of {path}")
        with index.database.transaction() as connection:
            video_id = insert_video(connection, video, root=root, state=state)
            moments = [NewMoment(video_id, i, float(i), i + 2.0, x) for i, x in enumerate(vectors)]
            insert_moments(connection, moments)
        return list(index.moment_numbers([video_id])[video_id].values())

    return add_video


@pytest.fixture
def fill(tmp_path: Path, add: Add) -> Fill:
    """Return a function that makes an index of videos, given the vectors of each by path.

    ``parts`` has names and lengths of the parts of a vector; by default there is one.
    """
    from slic.search import Index
    from slic.search.repository import IndexSettings

    def make(
        videos: Mapping[str, np.ndarray],
        *,
        name: str = "index",
        parts: dict[str, int] | None = None,
    ) -> Index:
        dimension = next(iter(videos.values())).shape[1]
        settings = IndexSettings(
            encoder="0" * 16,
            vectors=parts or {"embedding": dimension},
            window_seconds=2.0,
            stride_seconds=1.0,
        )
        index = Index.create(tmp_path / name, settings)
        for path, vectors in videos.items():
            add(index, path, vectors)
        return index

    return make


_COLOUR_BACKBONE = """
import torch
from torch import nn


class ColourBackbone(nn.Module):
    \"\"\"The change from frame to frame, and the mean colour, which texts name.\"\"\"

    version, feature_size, modalities = 1, 6, ("rgb",)
    vectors = {"motion": 3, "text": 3}

    def __init__(self, clip):
        super().__init__()
        self.clip = clip
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, clips):
        motion = clips.diff(dim=2).abs().mean(dim=(1, 3, 4)) + 1e-3
        return self.gain * torch.cat([motion, clips.mean(dim=(2, 3, 4))], dim=1)

    def encode_text(self, texts):
        colours = ("red", "green", "blue")
        return torch.tensor([[2.0 * (name in text) - 1.0 for name in colours] for text in texts])
"""


@pytest.fixture(scope="session")
def colour_encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator["VideoEncoder"]:
    """Return an encoder with the parts motion and text, where texts name colours."""
    from slic.models.backbones import ClipSpec
    from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

    folder = tmp_path_factory.mktemp("backbone")
    (folder / "colour_backbone.py").write_text(_COLOUR_BACKBONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("SLIC_TRUST_CODE", "colour_backbone")  # for other processes, which load it
        config = EncoderConfig(
            backbone="colour_backbone:ColourBackbone",
            head=HeadSpec(hidden=0, embedding=0),
            clip=ClipSpec(frames=4, stride=2, size=32),
        )
        yield VideoEncoder(config).eval()


@pytest.fixture(scope="session")
def colour_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a red, a green and a blue video, of which the green one flickers."""
    folder = tmp_path_factory.mktemp("colours")
    colours = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}
    for name, colour in colours.items():
        picture = np.full((48, 64, 3), colour, np.uint8)
        with av.open(str(folder / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(50):
                shown = picture // 2 if name == "green" and number % 4 < 2 else picture
                container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
            container.mux(stream.encode())
    return folder


class FakeHub:
    """The Hugging Face Hub as folders of repositories on this machine, one for each revision.

    Attributes:
        uploads: What was written: repository, branch, message, and whether it is private.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uploads: list[tuple[str, str | None, str, bool | None]] = []
        self._private: bool | None = None

    def path(self, repo_id: str, revision: str | None = None) -> Path:
        """Return the folder of a revision."""
        return self.folder / repo_id.replace("/", "--") / (revision or "main")

    def create_repo(self, repo_id: str, *, private: bool | None, exist_ok: bool) -> SimpleNamespace:
        assert exist_ok
        self._private = private
        return SimpleNamespace(repo_id=repo_id)

    def create_branch(self, repo_id: str, *, branch: str, exist_ok: bool) -> None:
        assert exist_ok
        self.path(repo_id, branch).mkdir(parents=True, exist_ok=True)

    def upload_folder(
        self, *, repo_id: str, folder_path: Path, revision: str | None, commit_message: str
    ) -> SimpleNamespace:
        shutil.copytree(folder_path, self.path(repo_id, revision), dirs_exist_ok=True)
        self.uploads.append((repo_id, revision, commit_message, self._private))
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")

    def snapshot_download(
        self, repo_id: str, *, revision: str | None, token: str | None, allow_patterns: list[str]
    ) -> str:
        assert token is None
        source = self.path(repo_id, revision)
        if not source.is_dir():
            raise OSError(f"404 Not Found: {repo_id}\nmore lines")
        snapshot = self.folder / f"snapshot-{repo_id.replace('/', '--')}-{revision}"
        names = [str(p.relative_to(source)) for p in source.rglob("*") if p.is_file()]
        for name in names:
            if any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns):
                (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / name, snapshot / name)
        return str(snapshot)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """Return a hub on this machine, which the library `huggingface_hub` now uses."""
    made = FakeHub(tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.HfApi", lambda token: made)  # noqa: ARG005
    monkeypatch.setattr("huggingface_hub.snapshot_download", made.snapshot_download)
    return made
