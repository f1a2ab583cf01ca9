"""A dozen tiny videos, the settings of a run of seconds, and one such run that nobody disturbed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from slic.videos.catalog import Catalog
from tests.pretraining.hosts import hosts

__all__ = ["hosts"]

TINY = """
clip: {frames: 4, stride: 1, size: 32}
sampling: {same_video_probability: 0.2, flow_probability: 0.5}
backbone: {name: slic/r3d10, width: 0.125}
head: {hidden: 32, embedding: 16}
clustering: {name: finch}
rounds: {every_epochs: 2, inputs: [rgb]}
loss: {name: info_nce}
temporal: {weight: 1.0}
optimizer: {name: adamw, learning_rate: 0.001, weight_decay: 0.0}
schedule: {name: cosine, warmup_steps: 2}
train: {epochs: 3, batch_size: 4, workers: 0}
callbacks: [{name: mean_frame_fade, start: 0.2, end: 0.9}]
"""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recipe of 3 epochs of 3 steps, with rounds before epochs 0 and 2."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(TINY)
    return path


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
    slic: Callable[..., Any],
    videos: Path,
    tiny: Path,
) -> Path:
    """Return the folder of a run that went from start to end."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    ended = slic("pretrain", videos, "--out", out, "--recipe", tiny).wait()
    assert ended.code == 0, ended.err
    return out


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sum in the same order, hence with the same last bits, as the processes of one thread do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
