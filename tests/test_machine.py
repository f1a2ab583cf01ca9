"""What a process may use, read from made-up files of the system."""

import os
from pathlib import Path

import pytest

from slic.machine import limit_threads, memory_limit, processor_quota, usable_cores

V2, V1 = "0::/pod/box\n", "5:cpu,cpuacct:/docker/1f\n4:memory:/docker/1f\n1:name=systemd:/\n"


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


CPU = "sys/fs/cgroup"
QUOTAS: list[tuple[str, dict[str, str], float | None]] = [
    (V2, {f"{CPU}/pod/box/cpu.max": "max 100000"}, None),
    (V2, {f"{CPU}/pod/box/cpu.max": "50000 100000"}, 0.5),
    (V2, {f"{CPU}/pod/box/cpu.max": "max 100000", f"{CPU}/pod/cpu.max": "250000 100000"}, 2.5),
    (V2, {f"{CPU}/cpu.max": "300000 100000"}, 3.0),  # a container sees its own group as the top
    (V2, {f"{CPU}/unified/pod/cpu.max": "100000 100000"}, 1.0),
    (V2, {f"{CPU}/pod/other/cpu.max": "100000 100000"}, None),
    ("", {f"{CPU}/cpu/cpu.cfs_quota_us": "-1", f"{CPU}/cpu/cpu.cfs_period_us": "100000"}, None),
    ("", {f"{CPU}/cpu/cpu.cfs_quota_us": "150000", f"{CPU}/cpu/cpu.cfs_period_us": "100000"}, 1.5),
    (
        V1,
        {
            f"{CPU}/cpu,cpuacct/docker/1f/cpu.cfs_quota_us": "200000",
            f"{CPU}/cpu,cpuacct/docker/1f/cpu.cfs_period_us": "100000",
        },
        2.0,
    ),
    (V2, {f"{CPU}/cpu.max": "garbage"}, None),
    (V2, {f"{CPU}/cpu.max": "1 0"}, None),
    ("not a line of it", {}, None),
]


@pytest.mark.parametrize(("groups", "files", "quota"), QUOTAS)
def test_the_lowest_quota_of_all_groups_counts(
    tmp_path: Path, groups: str, files: dict[str, str], quota: float | None
) -> None:
    write(tmp_path, files | ({"proc/self/cgroup": groups} if groups else {}))
    assert processor_quota(tmp_path) == quota
    cores = {None: 8, 0.5: 1, 1.0: 1, 1.5: 2, 2.0: 2, 2.5: 3, 3.0: 3}[quota]
    assert usable_cores(tmp_path) == cores


def test_a_quota_above_the_affinity_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {f"{CPU}/cpu.max": "6400000 100000"})
    assert usable_cores(tmp_path) == 8
    environment: dict[str, str] = {}
    limit_threads(environment, tmp_path)
    assert environment == {}


def test_threads_follow_the_quota_unless_the_user_says_how_many(tmp_path: Path) -> None:
    write(tmp_path, {f"{CPU}/cpu.max": "200000 100000"})
    unset, given = dict[str, str](), {"OMP_NUM_THREADS": "5"}
    for environment in (unset, given):
        limit_threads(environment, tmp_path)
    assert unset == {"OMP_NUM_THREADS": "2"}
    assert given == {"OMP_NUM_THREADS": "5"}


def test_the_lowest_limit_of_memory_counts(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None
    write(tmp_path, {"proc/self/cgroup": V2 + V1, f"{CPU}/pod/box/memory.max": "max"})
    assert memory_limit(tmp_path) is None
    write(tmp_path, {f"{CPU}/pod/memory.max": "2000"})
    assert memory_limit(tmp_path) == 2000
    write(tmp_path, {f"{CPU}/memory/docker/1f/memory.limit_in_bytes": "1000"})
    assert memory_limit(tmp_path) == 1000
