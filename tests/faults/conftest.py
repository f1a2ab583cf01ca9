"""Fixtures of the fault campaign."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import verbs
from tests.faults.campaign import campaign
from tests.faults.faults import FaultyDisk, build
from tests.faults.fuzzing import check
from tests.faults.trials import bench, material
from tests.pretraining.hosts import hosts

__all__ = ["bench", "campaign", "check", "hosts", "material"]


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyDisk]:
    """Return a folder whose files fail on command."""
    folder = tmp_path_factory.mktemp("faulty")
    library = build(folder)
    if library is None:
        pytest.skip("no C compiler, or not Linux")
    made = FaultyDisk(library, folder / "run")
    yield made
    made.close()


@pytest.fixture(scope="session")
def template(
    request: pytest.FixtureRequest,
    disk: FaultyDisk,
    tmp_path_factory: pytest.TempPathFactory,
    make_video: Callable[..., Path],
) -> Path:
    """Return a folder of videos, labels and an encoder, with which every trial begins.

    In the long campaign it has an index and embeddings too.
    """
    folder = tmp_path_factory.mktemp("template")
    verbs.make_template(folder / "first", make_video)
    if not request.config.getoption("--soak"):
        return folder / "first"
    disk.fill(folder / "first")
    verbs.finish_template(disk)
    disk.copy_to(folder / "whole")
    return folder / "whole"
