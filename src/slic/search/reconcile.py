"""Bringing the table of videos into agreement with a collection, before anything is embedded.

A video is known by its content. A moved file keeps its moments, a copy is given those of its
original, and a changed file loses them. A video leaves the index when its file was deleted or has
other content. It stays when another collection is indexed into the same index, when its disk is not
mounted, and when its folder may not be read.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from slic.errors import VideoError
from slic.search.contents import content_ids
from slic.search.repository import Database
from slic.search.repository.videos import (
    FileState,
    IndexedFile,
    delete_video,
    insert_video,
    move_video,
    release_path,
    select_files,
    update_file_state,
)
from slic.videos.catalog import Catalog
from slic.videos.scanning import Found, look_at
from slic.videos.video import Refused, Video


@dataclass
class CollectionChanges:
    """What happened to the videos of a collection.

    Attributes:
        added: Paths, relative to the collection's folder, of videos that are new.
        moved: Paths of videos that the index had elsewhere.
        changed: Paths whose file has other content.
        removed: Paths whose file was deleted.
        unchanged: Number of videos that are as they were.
        unreachable: Files of any collection of the index that cannot be found, but may still exist.
            Their videos stay.
        refused: Files that cannot be used, with the reason.
    """

    added: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    unreachable: list[Path] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True)
class _ReadVideo:
    """A video of the collection whose content was read, because it is new or may have changed."""

    video: Video
    state: FileState


_Location = tuple[str, str]  # root and path
_Presence = Literal["present", "gone", "unreachable"]


def reconcile(database: Database, catalog: Catalog, *, progress: bool) -> CollectionChanges:
    """Update the table of videos from a collection, in one transaction.

    Afterwards every usable video of the collection has a row. New content has no moments yet.

    Args:
        database: Database of the index.
        catalog: The collection.
        progress: Show a progress bar while files are read.

    Raises:
        WriteError: The index cannot be written.
    """
    root = str(catalog.root.resolve())
    changes = CollectionChanges(refused=list(catalog.refused))
    with database.reading() as connection:
        known = {(row.root, row.path): row for row in select_files(connection)}
    found = {video.id: look_at(video.path, video.id) for video in catalog}
    unread = [
        video
        for video in catalog
        if (row := known.get((root, video.id))) is None or not _is_same(row, found[video.id])
    ]
    changes.unchanged = len(catalog) - len(unread)
    read = _read_contents(unread, found, changes, progress=progress)
    with database.transaction() as connection:
        read = _update_touched(connection, read, known, root, changes)
        displaced, unreachable = _displaced(known, read, catalog, root)
        _store(connection, read, known, displaced, unreachable, root, changes)
        _delete(connection, displaced.values(), changes)
    changes.unreachable = sorted(row.file for row in unreachable.values())
    return changes


def _is_same(row: IndexedFile, found: Found) -> bool:
    return (row.state.size, row.state.mtime_ns) == (found.size, found.mtime_ns)


def _read_contents(
    videos: Sequence[Video],
    found: Mapping[str, Found],
    changes: CollectionChanges,
    *,
    progress: bool,
) -> list[_ReadVideo]:
    """Compute content ids, and refuse files that cannot be read."""
    read = []
    ids = content_ids([video.path for video in videos], progress=progress)
    for video, content_id in zip(videos, ids, strict=True):
        if isinstance(content_id, VideoError):
            reason = str(content_id).removeprefix(f"{video.path}: ")
            changes.refused.append(Refused(video.id, reason))
        else:
            file = found[video.id]
            state = FileState(size=file.size, mtime_ns=file.mtime_ns, content_id=content_id)
            read.append(_ReadVideo(video, state))
    return read


def _update_touched(
    connection: sqlite3.Connection,
    read: Iterable[_ReadVideo],
    known: Mapping[_Location, IndexedFile],
    root: str,
    changes: CollectionChanges,
) -> list[_ReadVideo]:
    """Store the new time of files whose content is the same; return the other files."""
    others = []
    for item in read:
        row = known.get((root, item.video.id))
        if row is None or row.state.content_id != item.state.content_id:
            others.append(item)
            continue
        update_file_state(connection, row.id, item.state)
        changes.unchanged += 1
    return others


def _displaced(
    known: Mapping[_Location, IndexedFile],
    read: Iterable[_ReadVideo],
    catalog: Catalog,
    root: str,
) -> tuple[dict[int, IndexedFile], dict[int, IndexedFile]]:
    """Return the rows whose content is no longer at their path, and those that are unreachable."""
    here = {(root, video.id) for video in catalog}
    overwritten = {(root, item.video.id) for item in read}
    refused = {(root, refused.id) for refused in catalog.refused}
    displaced, unreachable = {}, {}
    for location, row in known.items():
        presence = "present" if location in here else _presence(row, refused)
        if presence == "gone" or location in overwritten:
            displaced[row.id] = row
        elif presence == "unreachable":
            unreachable[row.id] = row
    return displaced, unreachable


def _presence(row: IndexedFile, refused: Collection[_Location]) -> _Presence:
    """Return what happened to a file that is not a usable video of the collection."""
    parents = [(row.root, str(folder)) for folder in PurePosixPath(row.path).parents]
    if any(folder in refused for folder in parents):  # could not be listed
        return "unreachable"
    try:
        os.lstat(row.file)
    except (FileNotFoundError, NotADirectoryError):
        # A list may have absolute paths of files on another disk than its own.
        base = row.file.parent if Path(row.path).is_absolute() else Path(row.root)
        return "unreachable" if _is_not_mounted(base) else "gone"
    except OSError:
        return "unreachable"
    if (row.root, row.path) not in refused:
        return "present"
    found = look_at(row.file, row.path)
    if found.size < 0:  # a folder of frames that could not be listed
        return "unreachable"
    return "present" if _is_same(row, found) else "gone"


def _is_not_mounted(folder: Path) -> bool:
    """Return whether a folder is missing or empty, as where a disk is not mounted.

    A folder whose videos were all deleted is not empty: the catalog keeps its cache there.
    """
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return True


def _store(
    connection: sqlite3.Connection,
    read: Iterable[_ReadVideo],
    known: Mapping[_Location, IndexedFile],
    displaced: dict[int, IndexedFile],
    unreachable: dict[int, IndexedFile],
    root: str,
    changes: CollectionChanges,
) -> None:
    """Give every new content a row: the row of the file that was moved, or a new one.

    Rows that are reused are taken out of ``displaced`` and ``unreachable``.
    """
    for row in displaced.values():  # two files may have exchanged their paths
        release_path(connection, row.id)
    movable = unreachable | displaced
    row_of_content = {row.state.content_id: row for row in movable.values()}
    for item in read:
        path = item.video.id
        if (moved := row_of_content.pop(item.state.content_id, None)) is not None:
            (displaced if moved.id in displaced else unreachable).pop(moved.id)
            move_video(connection, moved.id, root=root, path=path, state=item.state)
            changes.moved.append(path)
            continue
        insert_video(connection, item.video, root=root, state=item.state)
        (changes.changed if (root, path) in known else changes.added).append(path)


def _delete(
    connection: sqlite3.Connection, rows: Iterable[IndexedFile], changes: CollectionChanges
) -> None:
    for row in rows:
        delete_video(connection, row.id)
        if row.path not in changes.changed:
            changes.removed.append(row.path)
