"""What the index has and what the collection has, brought to agree before anything is embedded.

A video is known by its content: a moved file keeps its moments, a copy is given those of its twin,
a changed one loses them. A video leaves the index when its file is gone from the disk or has other
content, not because another collection was indexed into the same index, nor because its disk is not
mounted or its folder may not be read.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from slic.errors import VideoError
from slic.search.contents import content_ids
from slic.search.repository import Database, next_generation
from slic.videos.catalog import Catalog
from slic.videos.scanning import Found, look_at
from slic.videos.video import Refused, Video


@dataclass
class Changes:
    """What became of the videos of a collection, by path below its root.

    ``unreachable`` are files of this or another collection that are neither there nor known to be
    gone; their videos stay.
    """

    added: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    unreachable: list[Path] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True)
class _Known:
    id: int
    root: str
    path: str
    size: int
    mtime_ns: int
    content_id: str

    @property
    def file(self) -> Path:
        return Path(self.root) / self.path


_Whereabouts = Literal["there", "gone", "unreachable"]


@dataclass(frozen=True)
class _Seen:
    video: Video
    found: Found
    content_id: str


def reconcile(database: Database, catalog: Catalog, *, progress: bool) -> Changes:
    """Make the table of videos agree with the collection, in one transaction.

    Afterwards every usable video of the collection has a row; moments of new content are missing.
    """
    root = str(catalog.root.resolve())
    changes = Changes(refused=list(catalog.refused))
    rows = database.rows("SELECT id, root, path, size, mtime_ns, content_id FROM videos")
    known = {(row.root, row.path): row for row in (_Known(*values) for values in rows)}
    found = {video.id: look_at(video.path, video.id) for video in catalog}
    fresh = [
        video
        for video in catalog
        if (row := known.get((root, video.id))) is None or not _same(row, found[video.id])
    ]
    changes.unchanged = len(catalog) - len(fresh)
    seen = _with_content_ids(fresh, found, changes, progress=progress)
    with database.transaction() as connection:
        seen = _touch(connection, seen, known, root, changes)
        homeless, unreachable = _homeless(known, seen, catalog, root)
        _settle(connection, seen, known, homeless, unreachable, root, changes)
        _remove(connection, homeless.values(), changes)
    changes.unreachable = sorted(row.file for row in unreachable.values())
    return changes


def _same(row: _Known, found: Found) -> bool:
    return (row.size, row.mtime_ns) == (found.size, found.mtime_ns)


def _with_content_ids(
    fresh: Sequence[Video], found: dict[str, Found], changes: Changes, *, progress: bool
) -> list[_Seen]:
    """Read the files that are new or look changed; name those that cannot be read."""
    seen = []
    for video, mark in zip(
        fresh, content_ids([video.path for video in fresh], progress=progress), strict=True
    ):
        if isinstance(mark, VideoError):
            changes.refused.append(Refused(video.id, str(mark).removeprefix(f"{video.path}: ")))
        else:
            seen.append(_Seen(video, found[video.id], mark))
    return seen


def _touch(
    connection: sqlite3.Connection,
    seen: list[_Seen],
    known: dict[tuple[str, str], _Known],
    root: str,
    changes: Changes,
) -> list[_Seen]:
    """Note the new time of files whose content is as it was; return the others."""
    others = []
    for thing in seen:
        row = known.get((root, thing.video.id))
        if row is None or row.content_id != thing.content_id:
            others.append(thing)
            continue
        connection.execute(
            "UPDATE videos SET size = ?, mtime_ns = ? WHERE id = ?",
            (thing.found.size, thing.found.mtime_ns, row.id),
        )
        changes.unchanged += 1
    return others


def _homeless(
    known: Mapping[tuple[str, str], _Known], seen: list[_Seen], catalog: Catalog, root: str
) -> tuple[dict[int, _Known], dict[int, _Known]]:
    """Return the rows whose content does not lie at their path any more, and those in doubt."""
    here = {(root, video.id) for video in catalog}
    overwritten = {(root, thing.video.id) for thing in seen}
    refused = {(root, refused.id) for refused in catalog.refused}
    homeless, unreachable = {}, {}
    for place, row in known.items():
        where = "there" if place in here else _whereabouts(row, refused)
        if where == "gone" or place in overwritten:
            homeless[row.id] = row
        elif where == "unreachable":
            unreachable[row.id] = row
    return homeless, unreachable


def _whereabouts(row: _Known, refused: Collection[tuple[str, str]]) -> _Whereabouts:
    """Say what became of a file that is not a usable video of the collection."""
    above = [(row.root, str(folder)) for folder in PurePosixPath(row.path).parents]
    if any(folder in refused for folder in above):  # could not be listed
        return "unreachable"
    try:
        os.lstat(row.file)
    except (FileNotFoundError, NotADirectoryError):
        # A list may name a file of another disk than its own by an absolute path.
        base = row.file.parent if Path(row.path).is_absolute() else Path(row.root)
        return "unreachable" if _not_mounted(base) else "gone"
    except OSError:
        return "unreachable"
    if (row.root, row.path) not in refused:
        return "there"
    found = look_at(row.file, row.path)
    if found.size < 0:  # a folder of frames that could not be listed
        return "unreachable"
    return "there" if _same(row, found) else "gone"


def _not_mounted(folder: Path) -> bool:
    """Tell whether a folder is missing or has nothing in it, as where a disk is not mounted.

    A folder whose videos were all deleted is not empty: the catalog kept its scan there.
    """
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return True


def _settle(
    connection: sqlite3.Connection,
    seen: Iterable[_Seen],
    known: dict[tuple[str, str], _Known],
    homeless: dict[int, _Known],
    unreachable: dict[int, _Known],
    root: str,
    changes: Changes,
) -> None:
    """Give every new content a row: that of a moved file, also of one in doubt, or a new one."""
    for row in homeless.values():  # frees the paths, so that two files may have changed places
        connection.execute("UPDATE videos SET path = ? WHERE id = ?", (f"\n{row.id}", row.id))
    movable = unreachable | homeless
    by_content = {row.content_id: row for row in movable.values()}
    for thing in seen:
        path = thing.video.id
        if (moved := by_content.pop(thing.content_id, None)) is not None:
            (homeless if moved.id in homeless else unreachable).pop(moved.id)
            connection.execute(
                "UPDATE videos SET root = ?, path = ?, size = ?, mtime_ns = ? WHERE id = ?",
                (root, path, thing.found.size, thing.found.mtime_ns, moved.id),
            )
            changes.moved.append(path)
            continue
        _insert(connection, thing, root)
        (changes.changed if (root, path) in known else changes.added).append(path)


def _insert(connection: sqlite3.Connection, thing: _Seen, root: str) -> None:
    video, found = thing.video, thing.found
    connection.execute(
        "INSERT INTO videos (root, path, size, mtime_ns, content_id, frames, fps, width, height,"
        " seekable, keyframe_gap) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (root, video.id, found.size, found.mtime_ns, thing.content_id, video.frames, video.fps,
         video.width, video.height, video.seekable, video.keyframe_gap),
    )  # fmt: skip


def _remove(connection: sqlite3.Connection, rows: Iterable[_Known], changes: Changes) -> None:
    """Take videos and their moments out, and note it for the vector store."""
    for row in rows:
        remove_video(connection, row.id)
        if row.path not in changes.changed:
            changes.removed.append(row.path)


def remove_video(connection: sqlite3.Connection, video_id: int) -> None:
    """Take one video and its moments out, inside the caller's transaction."""
    number = next_generation(connection)
    connection.execute(
        "INSERT INTO removed SELECT id, ? FROM moments WHERE video_id = ?", (number, video_id)
    )
    connection.execute("DELETE FROM moments WHERE video_id = ?", (video_id,))
    connection.execute("DELETE FROM videos WHERE id = ?", (video_id,))
