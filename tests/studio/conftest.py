"""A small index of videos with hostile file names, and a studio of it."""

import re
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from slic.search import Index, IndexedVideo, cluster_index, create_index, update_index
from slic.studio import media
from slic.studio.access import PAGE_TOKEN_HEADER, AccessPolicy, cookie_name
from slic.studio.app import create_app
from slic.studio.projection import make_map
from slic.studio.state import Studio
from slic.studio.worker import WorkerPool
from slic.videos.catalog import Catalog
from slic.videos.encoding import Encoding, write_video
from tests.conftest import tiny_encoder
from tests.studio.browsing import BROWSER, FLAGS, TIMEOUT, Served

ADDRESS = "http://127.0.0.1:7542"
FPS, SECONDS, SIZE = 25, 3, (160, 120)
H264 = Encoding(suffix=".mp4", container="mp4", codec="libx264", options={"preset": "ultrafast"})
XVID = Encoding(suffix=".avi", container="avi", codec="mpeg4", tag="XVID")
VP8 = Encoding(
    suffix=".webm", container="webm", codec="libvpx", options={"deadline": "realtime", "b": "300k"}
)
HOSTILE_NAMES = (
    "<img src=x onerror=window.hacked=1>.mp4",
    "etc..%2f..%2fpasswd.mp4",
    "quotes ' \" & {{7*7}} $(id) ünïcødé 動画 🎬.avi",
    f"{'long' * 50}.mp4",
)
PLAIN_NAMES = ("walk.mp4", "run.webm", "jump.avi", "deep/down/wave.mp4")


def write_moving_square(path: Path, seed: int) -> None:
    """Write a video of a square that moves over a field of colour, drawn by ``seed``."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    small = rng.integers(0, 255, (4, 5, 3)).astype(np.uint8)
    field = cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC)
    start, step = rng.uniform(0, 80, 2), rng.uniform(-40, 40, 2) / FPS
    frames = []
    for number in range(SECONDS * FPS):
        picture = field.copy()
        x, y = (start + number * step).astype(int) % (width - 30, height - 30)
        picture[y : y + 30, x : x + 30] = 255
        frames.append(picture)
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = {".mp4": H264, ".avi": XVID, ".webm": VP8}[path.suffix]
    write_video(path, frames, fps=Fraction(FPS), size=SIZE, encoding=encoding)


class SharedPool(WorkerPool):
    """A pool that goes on when one of the studios of the tests is closed."""

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(scope="session", autouse=True)
def shared_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let all studios use the same processes, because starting them takes seconds."""
    shared: list[SharedPool] = []

    def make_pool(processes: int, **limits: Any) -> SharedPool:
        if not shared:
            limits["folder"] = tmp_path_factory.mktemp("media")
            shared.append(SharedPool(processes, **limits))
        return shared[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "WorkerPool", make_pool)
        yield
    for pool in shared:
        WorkerPool.close(pool)


@pytest.fixture(scope="session")
def shared_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an index with clusters; do not change it."""
    folder = tmp_path_factory.mktemp("studio")
    for seed, name in enumerate((*PLAIN_NAMES, *HOSTILE_NAMES)):
        write_moving_square(folder / "videos" / name, seed)
    index = create_index(folder / "index", tiny_encoder(), window_seconds=1.0)
    catalog = Catalog.from_folder(folder / "videos", workers=1)
    update_index(index, catalog, workers=0, progress=False)
    cluster_index(index)
    index.close()
    return folder / "index"


@pytest.fixture
def index_folder(shared_index: Path, tmp_path: Path) -> Path:
    """Return a copy of the index that a test may change."""
    shutil.copytree(shared_index, tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def studio(index_folder: Path) -> Iterator[Studio]:
    """Return a studio that was not started."""
    made = Studio(Index.open(index_folder))
    yield made
    made.close()


@pytest.fixture
def readable_studio(shared_index: Path, open_folder: Path) -> Iterator[Studio]:
    """Return a studio of an index that everyone may read, of videos that nobody else may."""
    folder = Path(shutil.copytree(shared_index, open_folder / "index"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    made = Studio(Index.open(folder))
    yield made
    made.close()


@pytest.fixture
def client(studio: Studio) -> TestClient:
    """Return a client of the studio."""
    return client_of_studio(studio)


@pytest.fixture(scope="session")
def client_of() -> Callable[[Studio], TestClient]:
    """Return :func:`client_of_studio`."""
    return client_of_studio


def client_of_studio(studio: Studio) -> TestClient:
    """Return a client that sends the headers that the studio's own page sends."""
    policy = AccessPolicy()
    headers = {PAGE_TOKEN_HEADER: policy.page_token, "Origin": ADDRESS}
    app = create_app(studio, policy)
    client = TestClient(app, ADDRESS, headers=headers, raise_server_exceptions=False)
    client.cookies.set(cookie_name(7542), policy.token)
    return client


@pytest.fixture
def video_of(studio: Studio) -> Callable[[str], IndexedVideo]:
    """Return a function that finds the indexed video whose path begins with a text."""

    def find(start: str) -> IndexedVideo:
        return next(video for video in studio.index.videos() if video.path.startswith(start))

    return find


@pytest.fixture(scope="module")
def folder(shared_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an index with a map; tests undo what they change."""
    copied = tmp_path_factory.mktemp("browser") / "index"
    shutil.copytree(shared_index, copied)
    make_map(copied)
    return copied


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """Return a studio that a thread serves."""
    made = Served(folder, runs=folder.parent)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a real browser."""
    from playwright.sync_api import sync_playwright  # not installed everywhere

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page; its errors and foreign requests fail the test."""
    problems: list[str] = []
    contexts = []

    def open_at(address: str, **more: Any) -> Any:
        context = browser.new_context(viewport={"width": 1000, "height": 700}, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if foreign(request) else 0)

        def foreign(request: Any) -> bool:
            return not request.url.startswith((re.split("[?#]", address)[0], "blob:"))

        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert problems == []
