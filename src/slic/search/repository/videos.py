"""The table of videos: which files an index has, and what is known of them."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from slic.search.repository.rows import as_objects, placeholders
from slic.search.repository.schema import next_generation
from slic.storage import in_folder
from slic.videos.video import ROW_COLUMNS, Video

ABSOLUTE_PATH = (
    "CASE WHEN v.path GLOB '/*' OR v.path GLOB '*://*' THEN v.path"
    " ELSE rtrim(v.root, '/') || '/' || v.path END"
)
# The path below the root; absolute where several roots of the index have the same path.
UNIQUE_PATH = f"""
    CASE WHEN EXISTS (
        SELECT 1 FROM videos o
        WHERE o.root IN (SELECT DISTINCT root FROM videos) AND o.path = v.path AND o.id <> v.id
    ) THEN {ABSOLUTE_PATH} ELSE v.path END
"""


@dataclass(frozen=True, kw_only=True)
class FileState:
    """What shows whether a file has changed.

    Attributes:
        size: Bytes; for a folder of frames, of all frames together.
        mtime_ns: Time of the last change in nanoseconds since 1970.
        content_id: Digest of the content, see `slic.videos.contents.content_id`.
    """

    size: int
    mtime_ns: int
    content_id: str


@dataclass(frozen=True, kw_only=True)
class IndexedVideo:
    """A video of the index.

    Attributes:
        id: Number in this index.
        root: Folder of the collection that it was indexed from.
        size: Bytes of its file; of a folder of frames, of all frames together.
        mtime_ns: Time of the last change of its file in nanoseconds since 1970.
        content_id: Digest of its content.
        moments: Number of its moments.
        video: What `slic.videos.frames.read_frames` takes.
    """

    id: int
    root: str
    size: int
    mtime_ns: int
    content_id: str
    moments: int
    video: Video

    @property
    def path(self) -> str:
        """The path relative to ``root``, with forward slashes."""
        return self.video.id

    @property
    def file(self) -> Path:
        """The file, or the folder of frames, as it was when it was indexed."""
        return self.video.path

    @property
    def duration_seconds(self) -> float:
        """Length of the video in seconds."""
        return self.video.duration_seconds


@dataclass(frozen=True, kw_only=True)
class IndexedFile(FileState):
    """The file of a video, as it was when it was indexed.

    Attributes:
        id: Number of the video in this index.
        root: Folder of the collection.
        path: Path relative to ``root``.
    """

    id: int
    root: str
    path: str

    @property
    def file(self) -> Path:
        """The file, or the folder of frames, as it was when it was indexed."""
        return in_folder(self.root, self.path)


def select_videos(
    connection: sqlite3.Connection, ids: Collection[int] | None = None
) -> list[IndexedVideo]:
    """Return videos in the order of their paths.

    Args:
        connection: A connection of the index.
        ids: Which videos; those that do not exist are left out. None returns all.
    """
    condition = "" if ids is None else f"WHERE v.id IN ({placeholders(ids)})"
    columns = ", ".join(f"v.{name}" for name in ROW_COLUMNS)
    rows = connection.execute(
        "SELECT v.id, v.root, v.size, v.mtime_ns, v.content_id,"
        " (SELECT count(*) FROM moments m WHERE m.video_id = v.id),"
        f" v.path, {columns} FROM videos v {condition} ORDER BY v.path, v.id",
        list(ids or ()),
    )
    videos = []
    for video_id, root, size, mtime_ns, content_id, moments, path, *row in rows:
        columns_of_video = dict(zip(ROW_COLUMNS, row, strict=True))
        video = Video.from_row(columns_of_video, id=path, path=in_folder(root, path))
        videos.append(
            IndexedVideo(
                id=video_id,
                root=root,
                size=size,
                mtime_ns=mtime_ns,
                content_id=content_id,
                moments=moments,
                video=video,
            )
        )
    return videos


def count_videos(connection: sqlite3.Connection) -> int:
    """Return the number of videos."""
    (count,) = connection.execute("SELECT count(*) FROM videos").fetchone()
    return int(count)


def find_video_of_content(connection: sqlite3.Connection, content_id: str) -> int | None:
    """Return the first video with a content, or None."""
    (video,) = connection.execute(
        "SELECT min(id) FROM videos WHERE content_id = ?", (content_id,)
    ).fetchone()
    return None if video is None else int(video)


def select_extents(connection: sqlite3.Connection) -> list[tuple[str, float, int]]:
    """Return path, length in seconds and number of moments of every video, by path."""
    return connection.execute(
        "SELECT v.path, v.duration_seconds,"
        " (SELECT count(*) FROM moments m WHERE m.video_id = v.id) FROM videos v ORDER BY v.path"
    ).fetchall()


def select_files(connection: sqlite3.Connection, root: str | None = None) -> list[IndexedFile]:
    """Return the files of videos.

    Args:
        connection: A connection of the index.
        root: Folder of the collection whose files are returned; None returns all.
    """
    statement = "SELECT size, mtime_ns, content_id, id, root, path FROM videos"
    rows = connection.execute(f"{statement} WHERE ?1 IS NULL OR root = ?1", (root,))
    return as_objects(IndexedFile, rows)


def find_videos_by_path(connection: sqlite3.Connection, path: str) -> dict[str, int]:
    """Return absolute path and id of every video with this relative or absolute path."""
    rows = connection.execute(
        f"SELECT {ABSOLUTE_PATH}, v.id FROM videos v WHERE v.path = ?1 OR {ABSOLUTE_PATH} = ?1"
        " ORDER BY v.id",
        (path,),
    )
    return dict(rows.fetchall())


def unique_paths(connection: sqlite3.Connection) -> dict[int, str]:
    """Return a path of every video, by its id, that no other video of the index has."""
    return dict(connection.execute(f"SELECT v.id, {UNIQUE_PATH} FROM videos v").fetchall())


def insert_video(
    connection: sqlite3.Connection, video: Video, *, root: str, state: FileState
) -> int:
    """Add a video without moments.

    Args:
        connection: A connection of the index, in a transaction.
        video: The video; its id is the path relative to ``root``.
        root: Folder of the collection.
        state: What shows later whether the file has changed.

    Returns:
        The id of the video in the index.
    """
    row = {"root": root, "path": video.id} | vars(state) | video.to_row()
    cursor = connection.execute(
        f"INSERT INTO videos ({', '.join(row)}) VALUES ({placeholders(row)})", list(row.values())
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def update_file_state(connection: sqlite3.Connection, video_id: int, state: FileState) -> None:
    """Store a new size and time of a file whose content has not changed."""
    connection.execute(
        "UPDATE videos SET size = ?, mtime_ns = ? WHERE id = ?",
        (state.size, state.mtime_ns, video_id),
    )


def move_video(
    connection: sqlite3.Connection, video_id: int, *, root: str, path: str, state: FileState
) -> None:
    """Store the new place of a video whose file was moved.

    Args:
        connection: A connection of the index, in a transaction.
        video_id: The video.
        root: Folder of the collection that has the file now.
        path: Path relative to ``root``; no other video may have it.
        state: The new size and time of the file.
    """
    connection.execute("UPDATE videos SET root = ?, path = ? WHERE id = ?", (root, path, video_id))
    update_file_state(connection, video_id, state)


def release_path(connection: sqlite3.Connection, video_id: int) -> None:
    """Free the path of a video for another one, until the video is moved or deleted."""
    connection.execute("UPDATE videos SET path = ? WHERE id = ?", (f"\n{video_id}", video_id))


def delete_video(connection: sqlite3.Connection, video_id: int) -> None:
    """Delete a video and its moments.

    The moments are recorded as removed in a new generation, so that the vector store drops them.

    Args:
        connection: A connection of the index, in a transaction.
        video_id: The video.
    """
    connection.execute(
        "INSERT INTO removed SELECT id, ? FROM moments WHERE video_id = ?",
        (next_generation(connection), video_id),
    )
    connection.execute("DELETE FROM moments WHERE video_id = ?", (video_id,))
    connection.execute("DELETE FROM videos WHERE id = ?", (video_id,))
