"""Bringing the table of videos into agreement with a collection, before anything is embedded.

A video is known by its content. A moved file keeps its moments, a copy is given those of its
original, and a changed file loses them. A video leaves the index when its file was deleted or has
other content. It stays when another collection is indexed into the same index, when its disk is not
mounted, and when its folder may not be read.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from slic.engines import Engine
from slic.engines.identifying import content_ids_by
from slic.errors import VideoError
from slic.search.repository import Database
from slic.search.repository import videos as video_table
from slic.search.repository.videos import FileState, IndexedFile
from slic.storage import RemotePath, list_folder, location, pinned
from slic.videos.catalog import Catalog
from slic.videos.contents import content_ids
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


_Location = tuple[str, str]  # root and path
_Presence = Literal["present", "gone", "unreachable"]


def reconcile(
    database: Database, catalog: Catalog, *, engine: Engine | None = None, progress: bool
) -> CollectionChanges:
    """Update the table of videos from a collection, in one transaction.

    Afterwards every usable video of the collection has a row. New content has no moments yet.

    Args:
        database: Database of the index.
        catalog: The collection.
        engine: What reads the files; None reads them in this process.
        progress: Show a progress bar while files are read.

    Raises:
        WriteError: The index cannot be written.
    """
    return _Reconciliation(database, catalog).run(database, engine, progress=progress)


class _Reconciliation:
    """One reconciliation: the collection, the videos that the index has, and what changed."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self.catalog = catalog
        self.root = str(catalog.root.resolve())
        self.known = {(row.root, row.path): row for row in database.read(video_table.select_files)}
        self.changes = CollectionChanges(refused=list(catalog.refused))
        self.displaced: dict[int, IndexedFile] = {}  # content that is no longer at its path
        self.unreachable: dict[int, IndexedFile] = {}

    def run(
        self, database: Database, engine: Engine | None, *, progress: bool
    ) -> CollectionChanges:
        """Update the table of videos, and return what changed."""
        read = self._read_changed(engine, progress=progress)
        with database.transaction() as connection:
            read = [item for item in read if not self._only_touched(connection, *item)]
            self._find_displaced({video.id for video, _ in read})
            self._store(connection, read)
            for row in self.displaced.values():
                video_table.delete_video(connection, row.id)
                if row.path not in self.changes.changed:
                    self.changes.removed.append(row.path)
        self.changes.unreachable = sorted(row.file for row in self.unreachable.values())
        return self.changes

    def _read_changed(
        self, engine: Engine | None, *, progress: bool
    ) -> list[tuple[Video, FileState]]:
        """Compute the content ids of files that are new or may have changed."""
        found = {video.id: look_at(video.path, video.id) for video in self.catalog}
        unread = [
            video
            for video in self.catalog
            if (row := self.known.get((self.root, video.id))) is None
            or not _is_same(row, found[video.id])
        ]
        self.changes.unchanged = len(self.catalog) - len(unread)
        paths = [video.path for video in unread]
        ids: Iterable[str | VideoError] = (
            content_ids(paths, progress=progress)
            if engine is None
            else content_ids_by(engine, paths, folder=self.catalog.root, progress=progress)
        )
        read = []
        for video, content_id in zip(unread, ids, strict=True):
            if isinstance(content_id, VideoError):
                reason = str(content_id).removeprefix(f"{video.path}: ")
                self.changes.refused.append(Refused(video.id, reason))
            else:
                size, mtime_ns = found[video.id].size, found[video.id].mtime_ns
                state = FileState(size=size, mtime_ns=mtime_ns, content_id=content_id)
                read.append((video, state))
        return read

    def _only_touched(self, connection: sqlite3.Connection, video: Video, state: FileState) -> bool:
        """Return whether a file has the same content as before, and store its new time."""
        row = self.known.get((self.root, video.id))
        if row is None or row.content_id != state.content_id:
            return False
        video_table.update_file_state(connection, row.id, state)
        self.changes.unchanged += 1
        return True

    def _find_displaced(self, overwritten: Collection[str]) -> None:
        """Find the rows whose content is no longer at their path, and the unreachable ones.

        Args:
            overwritten: Paths of the collection that have new content.
        """
        here = {(self.root, video.id) for video in self.catalog}
        refused = {(self.root, refused.id) for refused in self.catalog.refused}
        for place, row in self.known.items():
            presence = "present" if place in here else _presence(row, refused)
            if presence == "gone" or (row.root == self.root and row.path in overwritten):
                self.displaced[row.id] = row
            elif presence == "unreachable":
                self.unreachable[row.id] = row

    def _store(
        self, connection: sqlite3.Connection, read: Iterable[tuple[Video, FileState]]
    ) -> None:
        """Give every new content a row: the row of the file that was moved, or a new one.

        Rows that are reused are no longer displaced or unreachable.
        """
        for row in self.displaced.values():  # two files may have exchanged their paths
            video_table.release_path(connection, row.id)
        movable = self.unreachable | self.displaced
        row_of_content = {row.content_id: row for row in movable.values()}
        root, changes = self.root, self.changes
        for video, state in read:
            if (moved := row_of_content.pop(state.content_id, None)) is not None:
                (self.displaced if moved.id in self.displaced else self.unreachable).pop(moved.id)
                video_table.move_video(connection, moved.id, root=root, path=video.id, state=state)
                changes.moved.append(video.id)
                continue
            video_table.insert_video(connection, video, root=root, state=state)
            kind = changes.changed if (root, video.id) in self.known else changes.added
            kind.append(video.id)


def _is_same(row: FileState, found: Found) -> bool:
    return (row.size, row.mtime_ns) == (found.size, found.mtime_ns)


def _presence(row: IndexedFile, refused: Collection[_Location]) -> _Presence:
    """Return what happened to a file that is not a usable video of the collection."""
    if isinstance(row.file, RemotePath):
        return _presence_of_object(row, row.file, refused)
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


def _presence_of_object(
    row: IndexedFile, path: RemotePath, refused: Collection[_Location]
) -> _Presence:
    """Return what happened to an object; it is gone only where the storage says so."""
    try:
        found = look_at(pinned(path), row.path)
    except FileNotFoundError:
        return "unreachable" if _is_without_objects(location(row.root)) else "gone"
    except OSError:
        return "unreachable"
    if (row.root, row.path) not in refused:
        return "present"
    return "present" if _is_same(row, found) else "gone"


def _is_without_objects(folder: Path) -> bool:
    """Return whether a folder in storage cannot be listed or is empty: the bucket may be gone."""
    if not isinstance(folder, RemotePath):
        return False
    try:
        return not list_folder(folder)
    except OSError:
        return True


def _is_not_mounted(folder: Path) -> bool:
    """Return whether a folder is missing or empty, as where a disk is not mounted.

    A folder whose videos were all deleted is not empty: the catalog keeps its cache there.
    """
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return True
