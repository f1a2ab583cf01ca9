"""Index: the moments of a collection with their embeddings, and the nearest of them."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64

from slic.errors import SearchError
from slic.models.encoder import EncoderConfig, VideoEncoder
from slic.search.filters import LABEL_OF_MOMENT, matching_moments
from slic.search.moments import ClipShape, MomentWindows, windows
from slic.search.nearest import nearest_allowed, read_vectors
from slic.search.repository import Database, IndexSettings
from slic.search.stores import Neighbours, VectorStore, open_store
from slic.search.stores.following import blocks, follow
from slic.videos.video import Video

BLOCK = 8192  # ids asked for at a time
_ABSOLUTE = "CASE WHEN v.path GLOB '/*' THEN v.path ELSE rtrim(v.root, '/') || '/' || v.path END"
_TELLING_PATH = f"""
    CASE WHEN EXISTS (
        SELECT 1 FROM videos o
        WHERE o.root IN (SELECT DISTINCT root FROM videos) AND o.path = v.path AND o.id <> v.id
    ) THEN {_ABSOLUTE} ELSE v.path END
"""
Ids = Sequence[int] | Int64[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class IndexedVideo:
    """A video of the index; ``path`` is relative to ``root``, ``moments`` is their number."""

    id: int
    root: str
    path: str
    content_id: str
    frames: int
    fps: float
    width: int
    height: int
    seekable: bool
    keyframe_gap: int
    moments: int

    @property
    def file(self) -> Path:
        """Where the file, or the folder of frames, was when it was indexed."""
        return Path(self.root) / self.path

    @property
    def duration_seconds(self) -> float:
        """Length of the video."""
        return self.frames / self.fps

    def as_video(self) -> Video:
        """Return what `read_frames` takes."""
        return Video(
            id=self.path,
            path=self.file,
            frames=self.frames,
            fps=self.fps,
            width=self.width,
            height=self.height,
            seekable=self.seekable,
            keyframe_gap=self.keyframe_gap,
        )


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A window of a video; ``label`` and ``confidence`` are None where nobody labelled it.

    ``path`` is relative to the folder that was indexed, or absolute where several have this path.
    """

    id: int
    video_id: int
    path: str
    number: int
    start_seconds: float
    end_seconds: float
    label: str | None
    confidence: float | None


class Index:
    """An index, opened. Every method may be called from several threads at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.path = database.folder
        self._store: VectorStore | None = None
        self._syncing = threading.Lock()

    @classmethod
    def open(cls, path: str | Path) -> "Index":
        """Open the index in a folder.

        Raises:
            SearchError: There is none, or another version's.
        """
        return cls(Database(Path(path)))

    @classmethod
    def create(cls, path: Path, settings: IndexSettings) -> "Index":
        """Make an empty index; see `slic.search.create_index`, which also keeps the encoder."""
        return cls(Database.create(path, settings))

    @property
    def settings(self) -> IndexSettings:
        """What the index was made with."""
        return self.database.settings

    @cached_property
    def encoder(self) -> VideoEncoder:
        """The encoder that embedded the moments, on the GPU where there is one.

        Raises:
            CheckpointError: Its files are damaged.
            SearchError: It is not the encoder of the moments.
        """
        encoder = VideoEncoder.from_pretrained(self.path / "encoder")
        if (mark := encoder.fingerprint()) != self.settings.encoder:
            raise SearchError(
                f"{self.path}: made with encoder {self.settings.encoder}, but {mark} lies in "
                "encoder/; put the right one there, or index into another folder."
            )
        return encoder.to("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def clip_shape(self) -> ClipShape:
        """The shape of the encoder's clips."""
        return clip_shape(self.encoder.config)

    def windows(self, frames: int, fps: float) -> MomentWindows:
        """Return how this index cuts a video, or a part of one, into moments."""
        return windows(
            frames,
            fps,
            self.clip_shape,
            window_seconds=self.settings.window_seconds,
            stride_seconds=self.settings.stride_seconds,
        )

    @property
    def generation(self) -> int:
        """A number that grows whenever moments come or go."""
        return int(self.database.about("generation"))

    @property
    def count(self) -> int:
        """Number of moments."""
        ((count,),) = self.database.rows("SELECT count(*) FROM moments")
        return int(count)

    @property
    def level(self) -> int:
        """The partition that clusters are shown of, and that the filter's ``cluster`` means."""
        return int(self.database.about("level"))

    def videos(self, ids: Sequence[int] | None = None) -> list[IndexedVideo]:
        """Return all videos, or these, in the order of their paths."""
        chosen = "" if ids is None else f"WHERE v.id IN ({_marks(ids)})"
        rows = self.database.rows(
            "SELECT v.id, v.root, v.path, v.content_id, v.frames, v.fps, v.width, v.height,"
            " v.seekable, v.keyframe_gap,"
            " (SELECT count(*) FROM moments m WHERE m.video_id = v.id)"
            f" FROM videos v {chosen} ORDER BY v.path, v.id",
            list(ids or ()),
        )
        fields = list(IndexedVideo.__dataclass_fields__)
        told = (dict(zip(fields, row, strict=True)) for row in rows)
        return [IndexedVideo(**video | {"seekable": bool(video["seekable"])}) for video in told]

    def video(self, video_id: int) -> IndexedVideo:
        """Return one video.

        Raises:
            SearchError: There is none of this id.
        """
        if not (found := self.videos([video_id])):
            raise SearchError(f"{self.path}: there is no video {video_id}.")
        return found[0]

    def moments(self, ids: Ids) -> list[Moment]:
        """Return moments in the order of their ids as given.

        Raises:
            SearchError: There is none of one of these ids.
        """
        wanted = [int(i) for i in ids]
        found: dict[int, Moment] = {}
        for start in range(0, len(wanted), BLOCK):
            part = wanted[start : start + BLOCK]
            rows = self.database.rows(
                f"SELECT m.id, m.video_id, {_TELLING_PATH}, m.number,"
                " m.start_seconds, m.end_seconds,"
                f" ({LABEL_OF_MOMENT.format(column='label')}),"
                f" ({LABEL_OF_MOMENT.format(column='confidence')})"
                " FROM moments m JOIN videos v ON v.id = m.video_id"
                f" WHERE m.id IN ({_marks(part)})",
                part,
            )
            fields = list(Moment.__dataclass_fields__)
            found |= {row[0]: Moment(**dict(zip(fields, row, strict=True))) for row in rows}
        if missing := [i for i in wanted if i not in found]:
            raise self._no_moment(missing[0])
        return [found[i] for i in wanted]

    def moment_at(self, path: str, seconds: float) -> int:
        """Return the id of the moment whose middle is nearest to a time of a video.

        Args:
            path: Below the folder that was indexed, or absolute.
            seconds: From the start of the video.

        Raises:
            SearchError: The video is not in the index, or has no moment; or several have this path.
        """
        rows = self.database.rows(
            f"SELECT {_ABSOLUTE}, v.id FROM videos v WHERE v.path = ?1 OR {_ABSOLUTE} = ?1"
            " ORDER BY v.id",
            (path,),
        )
        files: dict[str, int] = dict(rows)
        if len(files) > 1:
            first, second, *_ = files
            raise SearchError(
                f"{path}: {len(files)} videos of {self.path} have this path, among them {first} "
                f"and {second}; give the absolute path of one."
            )
        moments = self.database.rows(
            "SELECT id FROM moments WHERE video_id = ?"
            " ORDER BY abs((start_seconds + end_seconds) / 2 - ?), id LIMIT 1",
            (next(iter(files.values()), None), seconds),
        )
        if not moments:
            raise SearchError(
                f"{path}: not a video of {self.path}; give its path below the indexed folder, "
                "or the absolute one."
            )
        return int(moments[0][0])

    def moment_numbers(self, video_ids: Collection[int]) -> dict[int, dict[int, int]]:
        """Return, for each of these videos, the id of every moment by its number."""
        numbered: dict[int, dict[int, int]] = {video: {} for video in video_ids}
        rows = self.database.rows(
            f"SELECT video_id, number, id FROM moments WHERE video_id IN ({_marks(video_ids)})",
            list(video_ids),
        )
        for video, number, moment in rows:
            numbered[video][number] = moment
        return numbered

    def ids(self) -> Int64[np.ndarray, " n"]:
        """Return the ids of all moments, ascending."""
        rows = self.database.rows("SELECT id FROM moments ORDER BY id")
        return np.array([row[0] for row in rows], dtype=np.int64)

    def vectors(self, ids: Ids) -> Float32[np.ndarray, "n d"]:
        """Return the embeddings, of length 1, of moments in the order given.

        Raises:
            SearchError: There is no moment of one of these ids.
        """
        distinct, places = np.unique(np.asarray(ids, dtype=np.int64), return_inverse=True)
        there, vectors = read_vectors(self.database, distinct)
        if len(there) < len(distinct):
            raise self._no_moment(int(np.setdiff1d(distinct, there)[0]))
        ordered: Float32[np.ndarray, "n d"] = vectors[places.ravel()]
        return ordered

    def all_vectors(self) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
        """Return the ids of all moments, ascending, and their embeddings."""
        dimension = self.settings.dimension
        ids, vectors = [np.empty(0, np.int64)], [np.empty((0, dimension), np.float32)]
        with self.database.snapshot() as connection:
            for block_ids, block in blocks(connection, 0, dimension):
                ids.append(block_ids)
                vectors.append(block)
        return np.concatenate(ids), np.concatenate(vectors)

    def matching(self, where: str) -> Int64[np.ndarray, " n"]:
        """Return the moments of a filter; see `slic.search.filters.matching_moments`."""
        return matching_moments(self.database, where, level=self.level)

    def nearest(
        self, vectors: Float32[np.ndarray, "q d"], k: int, *, where: str | None = None
    ) -> Neighbours:
        """Return the ``k`` nearest moments of each vector, of those that a filter lets through.

        Raises:
            SearchError: A filter that is none, or a store that does not answer.
        """
        store = self.sync_store()
        if where is None:
            return store.search(vectors, k)
        allowed = self.matching(where)
        return nearest_allowed(store, self.database, vectors, k, allowed=allowed, total=self.count)

    def sync_store(self) -> VectorStore:
        """Let the vector store follow the database, and return it."""
        with self._syncing:
            if self._store is None:
                self._store = open_store(self.path, self.settings)
            follow(self._store, self.database)
            return self._store

    def close(self) -> None:
        """Free the store and this thread's connection."""
        if self._store is not None:
            self._store.close()
            self._store = None
        self.database.close()

    def _no_moment(self, moment_id: int) -> SearchError:
        return SearchError(f"{self.path}: there is no moment {moment_id} (any more).")


def clip_shape(config: EncoderConfig) -> ClipShape:
    """Return the shape of an encoder's clips."""
    return ClipShape(config.frames, config.stride, config.size)


def _marks(values: Collection[int]) -> str:
    return ",".join("?" * len(values))
