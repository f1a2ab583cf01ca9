"""Checks of the machine, on made-up files of the system."""

import os
from pathlib import Path

import pytest

from slic.doctor import system
from slic.doctor.finding import Finding, gigabytes
from slic.machine import usable_cores


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.name: finding.level for finding in findings}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with the files of a process in a control group of version 2."""
    inner = tmp_path / "sys/fs/cgroup/pod/box"
    inner.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/pod/box\n")
    (tmp_path / "proc/meminfo").write_text(
        "MemTotal:       16000000 kB\nMemAvailable:    9000000 kB\nHugePages_Total:       0\n"
    )
    return tmp_path


def test_the_number_of_cores_is_the_one_that_a_scan_uses(root: Path) -> None:
    (finding,) = system.check_processor(root)
    assert finding == Finding("ok", "processor", f"{usable_cores(root)} cores")


def test_the_quota_of_a_container_is_stated(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (root / "sys/fs/cgroup/pod/cpu.max").write_text("150000 100000\n")
    (finding,) = system.check_processor(root)
    text = "8 cores, of which this container may use the time of 1.5; 2 are used"
    assert finding == Finding("ok", "processor", text)


def test_memory_is_limited_by_the_container(root: Path) -> None:
    (finding,) = system.check_memory(root)
    assert finding == Finding("ok", "memory", "16.4 GB, of which 9.2 GB are free")
    (root / "sys/fs/cgroup/pod/memory.max").write_text("1000000000\n")
    (finding,) = system.check_memory(root)
    assert finding.level == "warning"
    assert finding.text.endswith("; this container may use 1.0 GB")
    assert finding.way_out


def test_a_system_without_these_files_is_no_error(tmp_path: Path) -> None:
    assert levels([*system.check_memory(tmp_path)]) == {"memory": "note"}
    assert not [*system.check_shared_memory(tmp_path / "shm")]


def test_little_shared_memory_has_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "LOW_SHARED_MEMORY", 1e30)
    (finding,) = system.check_shared_memory(tmp_path)
    assert (finding.level, finding.name) == ("warning", str(tmp_path))
    assert "--shm-size" in finding.way_out


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "my vidéos"
    folder.mkdir()
    assert levels([*system.check_folder(folder, needed=True)]) == {"folder": "ok", "disk": "ok"}
    assert not list(folder.iterdir())


@pytest.mark.parametrize(("needed", "level"), [(True, "broken"), (False, "warning")])
def test_a_closed_folder_is_broken_if_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, needed: bool, level: str
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(system, "_write_and_lock", refuse)
    (finding,) = system.check_folder(tmp_path, needed=needed)
    assert finding.level == level
    assert finding.text == f"{tmp_path}: cannot be written (Permission denied)"
    assert finding.way_out


def test_a_missing_folder_is_broken(tmp_path: Path) -> None:
    (finding,) = system.check_folder(tmp_path / "none", needed=True)
    assert (finding.level, finding.way_out) == ("broken", "Create it.")


def test_the_cache_is_where_the_scan_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a" / "b"))
    cache, temporary = system.check_cache()
    assert cache.text.startswith(f"{tmp_path / 'a' / 'b' / 'slic'}, for videos")
    assert temporary.name == "temporary files"
    monkeypatch.setattr("os.access", lambda *_: False)
    cache, _ = system.check_cache()
    assert (cache.level, cache.way_out.split()[1]) == ("warning", "XDG_CACHE_HOME")


def test_sizes_have_a_unit() -> None:
    assert gigabytes(64e6) == "64 MB"
    assert gigabytes(2.5e9) == "2.5 GB"
