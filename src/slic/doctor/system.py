"""Checks of the machine: processor, memory, disk and folders."""

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from slic.doctor.finding import Finding, Level, gigabytes
from slic.machine import affinity_cores, memory_limit, processor_quota, usable_cores

LOW_MEMORY, LOW_SHARED_MEMORY, LOW_DISK = 2e9, 5e8, 2e9  # bytes
TESTED_PYTHONS = ((3, 11), (3, 12), (3, 13))


def check_python() -> Iterator[Finding]:
    """State the version of Python and the system."""
    text = f"{platform.python_version()} ({sys.executable}), {platform.platform()}"
    if sys.version_info[:2] in TESTED_PYTHONS:
        yield Finding("ok", "python", text)
    else:
        names = ", ".join(f"{major}.{minor}" for major, minor in TESTED_PYTHONS)
        yield Finding("warning", "python", f"{text}; not tested", f"Use Python {names}.")


def check_processor(root: Path = Path("/")) -> Iterator[Finding]:
    """State the cores, and the quota of a container.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    cores, quota = affinity_cores(), processor_quota(root)
    if quota is None or quota >= cores:
        yield Finding("ok", "processor", f"{cores} cores")
        return
    used = usable_cores(root)
    text = f"{cores} cores, of which this container may use the time of {quota:g}; {used} are used"
    yield Finding("ok", "processor", text)


def check_memory(root: Path = Path("/")) -> Iterator[Finding]:
    """State the memory, the limit of a container, and what is shared between processes."""
    facts = {}
    with suppress(OSError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            facts[name] = int(rest.split()[0]) * 1024
    if "MemTotal" not in facts:
        yield Finding("note", "memory", "cannot be read on this system")
        return
    free = facts.get("MemAvailable", facts["MemTotal"])
    text = f"{gigabytes(facts['MemTotal'])}, of which {gigabytes(free)} are free"
    if (limit := memory_limit(root)) is not None and limit < facts["MemTotal"]:
        text += f"; this container may use {gigabytes(limit)}"
        free = min(free, limit)
    low = free < LOW_MEMORY
    way_out = "Close other programs, or give --workers 0." if low else ""
    yield Finding("warning" if low else "ok", "memory", text, way_out)


def check_shared_memory(folder: Path = Path("/dev/shm")) -> Iterator[Finding]:
    """State the size of the memory through which loading processes hand over clips."""
    if not folder.is_dir():
        return
    total = shutil.disk_usage(folder).total
    low = total < LOW_SHARED_MEMORY
    way_out = "Start the container with --shm-size=2g, or give --workers 0." if low else ""
    yield Finding("warning" if low else "ok", str(folder), gigabytes(total), way_out)


def check_folder(folder: Path, *, needed: bool) -> Iterator[Finding]:
    """Write, rename and lock files in a folder, and state the free space.

    Args:
        folder: The folder.
        needed: Whether the user asked about it; a folder that fails is then broken.
    """
    name = "folder"
    level: Level = "broken" if needed else "warning"
    if not folder.is_dir():
        yield Finding("broken", name, f"{folder}: there is no such folder", "Create it.")
        return
    try:
        with tempfile.TemporaryDirectory(prefix=".slic-doctor-", dir=folder) as inner:
            _write_and_lock(Path(inner))
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        way_out = "Correct its permissions, or choose a folder on a local disk for --out."
        yield Finding(level, name, f"{folder}: cannot be written ({reason})", way_out)
        return
    yield Finding("ok", name, f"{folder}: can be written")
    yield _free_space("disk", folder)


def _write_and_lock(folder: Path) -> None:
    """Do what an index does: write whole files, and a database with its locks."""
    (folder / "new").write_bytes(bytes(2**20))
    (folder / "new").replace(folder / "file")
    with closing(sqlite3.connect(folder / "index.sqlite")) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table moments (id integer)")
        database.commit()


def check_cache() -> Iterator[Finding]:
    """State where caches and temporary files are kept, and the free space there."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slic"
    except RuntimeError:  # neither HOME nor an entry in the table of users
        yield Finding("note", "cache", "none: this user has no home folder")
    else:
        there = next(folder for folder in (cache, *cache.parents) if folder.exists())
        if os.access(there, os.W_OK):
            yield _free_space("cache", there, title=f"{cache}, for videos in read-only folders")
        else:
            way_out = "Set XDG_CACHE_HOME to a folder that can be written."
            yield Finding("warning", "cache", f"{cache}: cannot be written", way_out)
    yield _free_space("temporary files", Path(tempfile.gettempdir()))


def _free_space(name: str, folder: Path, *, title: str = "") -> Finding:
    free = shutil.disk_usage(folder).free
    low = free < LOW_DISK
    text = f"{title or folder}: {gigabytes(free)} free"
    return Finding("warning" if low else "ok", name, text, "Free some space." if low else "")
