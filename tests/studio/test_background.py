"""A slow function runs once for a key, tells how far it is, and may fail."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slic.errors import SearchError
from slic.studio.background import BackgroundJobs
from slic.studio.worker import Progress, report_progress


def count_files(folder: Path, wait_for: Path) -> int:
    """Report progress, wait for a file, and note that it ran."""
    report_progress(1, 2)
    while not wait_for.exists():
        time.sleep(0.01)
    (folder / f"run-{time.time_ns()}").touch()
    return len(list(folder.glob("run-*")))


def fail() -> None:
    raise SearchError("there is no such level")


def poll_until_finished(jobs: BackgroundJobs) -> None:
    while isinstance(jobs.poll("fail", fail), Progress):
        time.sleep(0.01)


@pytest.fixture
def jobs() -> Iterator[BackgroundJobs]:
    made = BackgroundJobs()
    yield made
    made.close()


def test_a_job_runs_once_and_tells_how_far_it_is(jobs: BackgroundJobs, tmp_path: Path) -> None:
    go = tmp_path / "go"
    seen = set()
    while Progress(1, 2) not in seen:
        seen.add(jobs.poll("count", count_files, tmp_path, go))
        time.sleep(0.01)
    assert seen <= {Progress(), Progress(1, 2)}
    go.touch()
    while isinstance(jobs.poll("count", count_files, tmp_path, go), Progress):
        time.sleep(0.01)
    assert jobs.poll("count", count_files, tmp_path, go) == 1
    while isinstance(jobs.poll("another key", count_files, tmp_path, go), Progress):
        time.sleep(0.01)
    assert jobs.poll("another key", count_files, tmp_path, go) == 2


def test_a_failure_is_raised_once_and_then_tried_again(jobs: BackgroundJobs) -> None:
    for _ in range(2):
        with pytest.raises(SearchError, match="there is no such level"):
            poll_until_finished(jobs)
