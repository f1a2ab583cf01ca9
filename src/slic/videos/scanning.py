"""Looking for videos in a folder, and finding out about many of them at once."""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tqdm import tqdm

from slic.errors import VideoError
from slic.files import reason_of
from slic.machine import usable_cores
from slic.videos.container import is_utf8
from slic.videos.frame_folder import frame_paths, is_picture_clip, picture_clips
from slic.videos.inspection import HEAD_BYTES, is_transport_stream
from slic.videos.isolation import inspect_isolated
from slic.videos.video import Refused, Video

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".gif", ".wmv", ".flv"}
    | {".3gp", ".ogv", ".vob", ".ts", ".mts", ".m2ts"}
)


SYSTEM_FOLDERS = ("/proc/", "/sys/", "/dev/")  # links there are not followed
_log = logging.getLogger("slic")


@dataclass(frozen=True)
class Found:
    """A thing that may be a video, and what tells whether it has changed since the last scan.

    Attributes:
        size: Bytes; of a folder of frames, of all its frames; -1 when it cannot be read.
        mtime_ns: Time of the last change; of a folder of frames, the latest of its frames.
    """

    id: str
    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Verdict:
    """What came out of looking into one thing; ``lasting`` is false where a retry may help."""

    found: Found
    outcome: Video | Refused
    lasting: bool = True


Scanner: TypeAlias = Callable[[Sequence[Found]], Iterable[Verdict]]
"""Gives the verdicts on things that may be videos, in any order."""


def find_videos(root: Path) -> tuple[list[Found], list[Refused]]:
    """Return the videos under a folder, and what is under it and cannot be looked into.

    Hidden names (and with them the ``._x`` files of macOS) are passed over. Linked folders are
    entered after all real ones, and no folder twice, so loops of links end. Links into
    `SYSTEM_FOLDERS` are refused.
    """
    found: list[Found] = []
    refused: list[Refused] = []
    visited: set[tuple[int, int]] = set()
    folders, links, outside = [root], list[Path](), 0
    home = f"{os.path.realpath(root)}/"
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        except OSError as error:
            reason = f"this folder cannot be listed ({reason_of(error)})"
            refused.append(Refused(_id(folder, root), reason))
            continue
        names: set[str] = set()
        for entry in sorted(entries, key=lambda entry: entry.name, reverse=True):
            path = folder / entry.name
            try:
                target = f"{os.path.realpath(path)}/" if entry.is_symlink() else home
                if system := _system_folder(target, home):
                    refused.append(Refused(_id(path, root), f"a link into {system}"))
                elif not entry.is_dir():
                    names.add(entry.name)
                else:
                    (links if entry.is_symlink() else folders).append(path)
                outside += not target.startswith(home)
            except OSError as error:  # a link to itself, or into a folder that is closed
                refused.append(Refused(_id(path, root), reason_of(error)))
        found.extend(_videos_in(folder, names, root))
    if outside:
        _log.info("%s: %d links lead outside of it", root, outside)
    return found, refused


def _system_folder(target: str, home: str) -> str | None:
    """Return the folder of the system that a link leads into; shared memory is not one."""
    if target.startswith("/dev/shm/"):
        return None
    folders = (name for name in SYSTEM_FOLDERS if not home.startswith(name))
    return next((name for name in folders if target.startswith(name)), None)


def _videos_in(folder: Path, names: Collection[str], root: Path) -> Iterator[Found]:
    """Give the videos that lie in a folder; its pictures are videos if it has no others.

    Pictures of one clip have the id of the folder, those of several have patterns as ids.
    """
    paths = (folder / name for name in names)
    files = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES and _may_be(path)]
    yield from (look_at(path, _id(path, root)) for path in files)
    if files:
        return
    clips, unused = picture_clips(names)
    if clips and unused:
        _log.warning("%s: %d pictures belong to no clip and are not used", folder, unused)
    if len(clips) == 1:
        yield look_at(folder, _id(folder, root))
    else:
        yield from (look_at(folder / name, _id(folder / name, root)) for name in clips)


def _may_be(path: Path) -> bool:
    """Tell whether a file may be a video by its beginning: ``.ts`` is TypeScript's suffix too."""
    if path.suffix.lower() != ".ts":
        return True
    with suppress(OSError), path.open("rb") as file:
        return is_transport_stream(file.read(HEAD_BYTES))
    return True


def _id(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def look_at(path: Path, id: str) -> Found:  # noqa: A002 (the word of the whole package)
    """Return what tells whether a video has changed; no file is opened."""
    try:
        stats = [p.stat() for p in (frame_paths(path) if is_picture_clip(path) else [path])]
    except OSError:
        return Found(id, path, -1, -1)
    latest = max((stat.st_mtime_ns for stat in stats), default=-1)
    return Found(id, path, sum(stat.st_size for stat in stats), latest)


def scan(
    found: Iterable[Found], *, workers: int | None = None, progress: bool = True
) -> Iterator[Verdict]:
    """Inspect videos, several at a time, and give the verdicts as they come.

    Threads do it, each with a worker process, so that a file which crashes FFmpeg costs only
    itself.
    """
    things = list(found)
    pool = ThreadPoolExecutor(workers or usable_cores())
    try:
        pending: list[Future[Verdict]] = [pool.submit(judge, thing) for thing in things]
        bar = tqdm(
            as_completed(pending),
            total=len(pending),
            desc="scanning",
            unit="video",
            disable=not (progress and pending),
        )
        for future in bar:
            yield future.result()
    finally:  # also after Ctrl-C: do not begin what nobody waits for
        pool.shutdown(cancel_futures=True)


def judge(thing: Found) -> Verdict:
    """Inspect one thing; whatever is wrong with it becomes its reason."""
    try:
        thing.id.encode()
    except UnicodeEncodeError:
        name = thing.id.encode(errors="backslashreplace").decode()
        return Verdict(thing, Refused(name, "its name is not UTF-8; rename it"), lasting=False)
    try:
        return Verdict(thing, inspect_isolated(thing.path, thing.id))
    except VideoError as error:
        reason = str(error).removeprefix(f"{thing.path}: ")
        from_disk = isinstance(error.__cause__, OSError)
        lasting = not from_disk and is_utf8(thing.path)  # the folder may be what is renamed
        return Verdict(thing, Refused(thing.id, reason), lasting=lasting)
    except OSError as error:  # it went while it was looked at
        return Verdict(thing, Refused(thing.id, reason_of(error)), lasting=False)
