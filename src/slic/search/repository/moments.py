"""The tables of moments and of removed moments, and the vectors."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from slic.errors import SearchError
from slic.search.repository.labels import Segment, label_of_moment
from slic.search.repository.rows import as_ids, as_objects, placeholders
from slic.search.repository.schema import next_generation
from slic.search.repository.videos import UNIQUE_PATH

ROWS_PER_QUERY = 8192
"""Rows that are read at a time, and ids that one statement takes."""

MAX_LENGTH_ERROR = 1e-4

VectorBlock = tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]
"""Ids of moments, ascending, and their vectors, of unit parts."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A window of a video of the index.

    Attributes:
        id: Number in this index.
        video_id: Its video.
        path: Path of its video below the collection's folder; absolute where the index has several
            videos of that path.
        number: Position in its video, from 0.
        start_seconds: Start of the window.
        end_seconds: End of the window.
        label: Its class name, or None.
        confidence: Of the label, in [0, 1]; None without a label.
    """

    id: int
    video_id: int
    path: str
    number: int
    start_seconds: float
    end_seconds: float
    label: str | None
    confidence: float | None


class NewMoment(NamedTuple):
    """A moment to insert.

    Attributes:
        video_id: Its video.
        number: Position in its video, from 0.
        start_seconds: Start of the window.
        end_seconds: End of the window.
        vector: Its embedding, of unit parts.
    """

    video_id: int
    number: int
    start_seconds: float
    end_seconds: float
    vector: Float32[np.ndarray, " d"]


class MomentTimes(NamedTuple):
    """The videos and times of all moments.

    Attributes:
        ids: The moments, ascending.
        videos: The video of each.
        starts: Starts in seconds.
        ends: Ends in seconds.
    """

    ids: Int64[np.ndarray, " n"]
    videos: Int64[np.ndarray, " n"]
    starts: Float64[np.ndarray, " n"]
    ends: Float64[np.ndarray, " n"]

    def videos_of(self, ids: Int64[np.ndarray, "*any"]) -> Int64[np.ndarray, "*any"]:
        """Return the video of each moment; -1 if there is no such moment."""
        places, known = self._places(ids)
        return np.where(known, self.videos[places], -1)

    def overlap(
        self, one: Int64[np.ndarray, "*#any"], other: Int64[np.ndarray, "*#any"]
    ) -> Bool[np.ndarray, "..."]:
        """Return which pairs of moments share a time of a video, or are the same."""
        (a, a_known), (b, b_known) = self._places(one), self._places(other)
        start = np.maximum(self.starts[a], self.starts[b])
        apart = start >= np.minimum(self.ends[a], self.ends[b])
        return np.asarray(a_known & b_known & (self.videos[a] == self.videos[b]) & ~apart)

    def _places(
        self, ids: Int64[np.ndarray, "*any"]
    ) -> tuple[Int64[np.ndarray, "*any"], Bool[np.ndarray, "*any"]]:
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return places, self.ids[places] == ids


def count_moments(connection: sqlite3.Connection) -> int:
    """Return the number of moments."""
    (count,) = connection.execute("SELECT count(*) FROM moments").fetchone()
    return int(count)


def select_moment_ids(connection: sqlite3.Connection) -> Int64[np.ndarray, " n"]:
    """Return the ids of all moments, ascending."""
    return as_ids(connection.execute("SELECT id FROM moments ORDER BY id"))


def select_moments_by_id(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Moment]:
    """Return moments by their ids.

    Args:
        connection: A connection of the index.
        ids: Which moments; those that do not exist are left out.
    """
    found: dict[int, Moment] = {}
    for start in range(0, len(ids), ROWS_PER_QUERY):
        part = ids[start : start + ROWS_PER_QUERY]
        rows = connection.execute(
            f"SELECT m.id, m.video_id, {UNIQUE_PATH} AS path, m.number, m.start_seconds,"
            f" m.end_seconds, {label_of_moment('label')} AS label,"
            f" {label_of_moment('confidence')} AS confidence"
            " FROM moments m JOIN videos v ON v.id = m.video_id"
            f" WHERE m.id IN ({placeholders(part)})",
            part,
        )
        found |= {moment.id: moment for moment in as_objects(Moment, rows)}
    return found


def find_moment(connection: sqlite3.Connection, video_id: int, seconds: float) -> int | None:
    """Return the moment of a video whose middle is nearest to a time.

    Args:
        connection: A connection of the index.
        video_id: The video.
        seconds: Time from the start of the video.

    Returns:
        The id of the moment; None if the video does not exist or has no moments.
    """
    row = connection.execute(
        "SELECT id FROM moments WHERE video_id = ?"
        " ORDER BY abs((start_seconds + end_seconds) / 2 - ?), id LIMIT 1",
        (video_id, seconds),
    ).fetchone()
    return None if row is None else int(row[0])


def find_moment_of_segment(connection: sqlite3.Connection, segment: Segment) -> int | None:
    """Return the moment of a content that shares most time with a segment; None if none does."""
    row = connection.execute(
        "SELECT m.id, min(m.end_seconds, ?3) - max(m.start_seconds, ?2) AS shared"
        " FROM videos v JOIN moments m ON m.video_id = v.id WHERE v.content_id = ?1"
        " AND shared > 0 ORDER BY shared DESC, m.id LIMIT 1",
        segment,
    ).fetchone()
    return None if row is None else int(row[0])


def select_moment_numbers(
    connection: sqlite3.Connection, video_ids: Collection[int]
) -> dict[int, dict[int, int]]:
    """Return, for each video, the id of every moment by its number."""
    rows = connection.execute(
        f"SELECT video_id, number, id FROM moments WHERE video_id IN ({placeholders(video_ids)})",
        list(video_ids),
    )
    numbered: dict[int, dict[int, int]] = {video: {} for video in video_ids}
    for video, number, moment in rows:
        numbered[video][number] = moment
    return numbered


def select_times(connection: sqlite3.Connection) -> MomentTimes:
    """Return the videos and times of all moments."""
    statement = "SELECT id, video_id, start_seconds, end_seconds FROM moments ORDER BY id"
    rows = connection.execute(statement).fetchall()
    ids, videos, starts, ends = zip(*rows, strict=True) if rows else ((), (), (), ())
    return MomentTimes(
        np.array(ids, np.int64), np.array(videos, np.int64), np.array(starts), np.array(ends)
    )


def select_vectors(
    connection: sqlite3.Connection, ids: Int64[np.ndarray, " wanted"], dimension: int
) -> VectorBlock:
    """Return those of the moments that exist, and their vectors.

    Args:
        connection: A connection of the index.
        ids: Ascending and distinct.
        dimension: Length of a vector.

    Raises:
        SearchError: A vector has another length.
    """
    rows: list[tuple[int, bytes]] = []
    for start in range(0, len(ids), ROWS_PER_QUERY):
        part = ids[start : start + ROWS_PER_QUERY].tolist()
        rows += connection.execute(
            f"SELECT id, vector FROM moments WHERE id IN ({placeholders(part)}) ORDER BY id", part
        )
    return _unpack(rows, dimension)


def stream_vectors(
    connection: sqlite3.Connection, *, since: int, dimension: int
) -> Iterator[VectorBlock]:
    """Give the moments that were added after a generation, in blocks; 0 stands for all.

    Raises:
        SearchError: A vector has another length.
    """
    cursor = connection.execute(
        "SELECT id, vector FROM moments WHERE generation > ? ORDER BY id", (since,)
    )
    while rows := cursor.fetchmany(ROWS_PER_QUERY):
        yield _unpack(rows, dimension)


def concatenate_blocks(
    blocks: Iterable[VectorBlock], count: int, dimension: int
) -> tuple[Int64[np.ndarray, " total"], Float32[np.ndarray, "total d"]]:
    """Return all blocks as one, without a second copy in memory.

    Args:
        blocks: The blocks.
        count: Their moments together, or more.
        dimension: Length of a vector.
    """
    ids = np.empty(count, dtype=np.int64)
    vectors = np.empty((count, dimension), dtype=np.float32)
    start = 0
    for block_ids, block in blocks:
        ids[start : start + len(block)], vectors[start : start + len(block)] = block_ids, block
        start += len(block)
    return ids[:start], vectors[:start]


def select_removed(connection: sqlite3.Connection, *, since: int) -> Int64[np.ndarray, " n"]:
    """Return the moments that were removed after a generation."""
    statement = "SELECT moment_id FROM removed WHERE generation > ?"
    return as_ids(connection.execute(statement, (since,)))


def insert_moments(connection: sqlite3.Connection, moments: Iterable[NewMoment]) -> None:
    """Add moments as one generation.

    Args:
        connection: A connection of the index, in a transaction.
        moments: The moments. Their videos must exist.
    """
    number = next_generation(connection)
    connection.executemany(
        "INSERT INTO moments (video_id, number, start_seconds, end_seconds, generation, vector)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        ((*moment[:4], number, moment.vector.astype("<f4").tobytes()) for moment in moments),
    )


def copy_moments_to_duplicates(connection: sqlite3.Connection) -> None:
    """Give every video the moments that another video of the same content has and it lacks.

    The copies have the same times, cluster and vector, and ids of their own. They are one
    generation; if there are none, the generation stays.
    """
    missing = """
        FROM videos v JOIN videos other ON other.content_id = v.content_id AND other.id <> v.id
        JOIN moments m ON m.video_id = other.id
        WHERE NOT EXISTS
            (SELECT 1 FROM moments own WHERE own.video_id = v.id AND own.number = m.number)
        GROUP BY v.id, m.number"""
    if connection.execute(f"SELECT 1 {missing} LIMIT 1").fetchone():
        connection.execute(
            "INSERT INTO moments (video_id, number, start_seconds, end_seconds, generation, leaf,"
            " vector) SELECT v.id, m.number, m.start_seconds, m.end_seconds, ?, m.leaf, m.vector"
            f" {missing}",
            (next_generation(connection),),
        )


def _unpack(rows: Sequence[tuple[int, bytes]], dimension: int) -> VectorBlock:
    if damaged := [i for i, vector in rows if len(vector) != 4 * dimension]:
        raise SearchError(
            f"moment {damaged[0]}: its vector does not have {dimension} numbers, so the index is "
            "damaged; index the videos into another folder with `slic index`."
        )
    flat = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4")
    vectors: Float32[np.ndarray, "n d"] = flat.reshape(len(rows), dimension).astype(np.float32)
    if len(wrong := rows_without_unit_parts(vectors)):
        raise SearchError(
            f"moment {rows[wrong[0]][0]}: its vector is not of unit parts, so the index is "
            "damaged; index the videos into another folder with `slic index`."
        )
    return as_ids(rows), vectors


def rows_without_unit_parts(vectors: Float32[np.ndarray, "n d"]) -> Int64[np.ndarray, " wrong"]:
    """Return the rows whose length no vector of unit parts has."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("nd,nd->n", vectors, vectors)
        # Parts have length 1 or 0, so the square of the whole length is a whole number.
        is_unit = np.abs(squares - np.round(squares)) < MAX_LENGTH_ERROR
    wrong: Int64[np.ndarray, " wrong"] = np.flatnonzero(~is_unit)
    return wrong
