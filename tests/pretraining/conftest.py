"""A dozen tiny videos, the settings of a run of seconds, and one such run that nobody disturbed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from slic.videos.catalog import Catalog

SETTINGS = (
    "--clip.frames=4",
    "--clip.stride=1",
    "--clip.size=32",
    "--encoder.width=0.125",
    "--encoder.hidden=32",
    "--encoder.embedding=16",
    "--clustering.every_epochs=2",
    "--clustering.clips=1",
    "--loss.temporal_weight=1",
    "--train.batch_size=4",
    "--train.epochs=3",
    "--train.warmup_steps=2",
    "--train.workers=0",
)


@pytest.fixture(scope="session")
def settings() -> tuple[str, ...]:
    """Return the words that make recipe ``small`` tiny: 3 epochs of 3 steps, rounds at 0 and 2."""
    return SETTINGS


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a folder of 12 videos of different lengths."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(12):
        make_video(folder / f"{number:02d}.mp4", frames=12 + 3 * number, size=(64, 48))
    return folder


@pytest.fixture(scope="session")
def catalog(videos: Path) -> Catalog:
    """Return the catalog of these videos."""
    return Catalog.from_folder(videos, progress=False)


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
    slic: Callable[..., "object"],
    videos: Path,
    catalog: Catalog,
) -> Path:
    """Return the folder of a run that went from start to end."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    ended = slic("pretrain", videos, "--out", out, *SETTINGS).wait()  # type: ignore[attr-defined]
    assert ended.code == 0, ended.err
    return out
