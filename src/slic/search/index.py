"""An index: the moments of a video collection, their embeddings, and nearest-neighbour search."""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64

from slic.errors import SearchError
from slic.models.backbones import ClipSpec
from slic.models.encoder import VideoEncoder
from slic.search.moments import MomentWindows, video_windows
from slic.search.nearest import nearest_allowed
from slic.search.parts import TEXT_PART
from slic.search.repository import Database, IndexSettings
from slic.search.repository import moments as moment_table
from slic.search.repository import videos as video_table
from slic.search.repository.filters import matching_moments
from slic.search.repository.moments import Moment
from slic.search.repository.schema import read_generation, read_level
from slic.search.repository.videos import IndexedVideo
from slic.search.stores import Neighbours, VectorStore, allowed_store, open_store
from slic.search.stores.base import synchronise
from slic.search.vectors import Vectors
from slic.videos.video import Video

MomentIds = Sequence[int] | Int64[np.ndarray, " n"]


class Index:
    """An open index. Its methods may be called from several threads at once.

    Attributes:
        database: Its database.
        path: Its folder.

    Example:
        >>> index = Index.open("index")
        >>> hits = search(index, query_from_clip(index, "clip.mp4"), k=5)
    """

    def __init__(self, database: Database, *, store: str | None = None) -> None:
        self.database = database
        self._named_store = store
        self.path = database.folder
        self._store: VectorStore | None = None
        self._store_lock = threading.Lock()
        self._vectors = Vectors(database)

    @classmethod
    def open(cls, path: str | Path, *, store: str | None = None) -> "Index":
        """Open the index in a folder.

        Args:
            path: The folder.
            store: The address of its vector store, for an index whose store is not the embedded
                one; None takes the environment variable ``SLIC_STORE``. An index does not choose
                itself where its queries go.

        Raises:
            SearchError: The folder has no index.
            FormatError: The index has another format version.
        """
        return cls(Database(Path(path)), store=store)

    @classmethod
    def create(cls, path: Path, settings: IndexSettings) -> "Index":
        """Create an empty index without its encoder; `create_index` stores the encoder too.

        Args:
            path: Folder of the index. If it has an index already, that one is opened.
            settings: What the index is made with; ``identity`` is replaced by a random one.
        """
        return cls(Database.create(path, settings), store=settings.store)

    @property
    def settings(self) -> IndexSettings:
        """What the index was made with."""
        return self.database.settings

    @cached_property
    def encoder(self) -> VideoEncoder:
        """The encoder that embedded the moments, on the GPU if there is one.

        Raises:
            CheckpointError: Its files are damaged.
            SearchError: Its weights are not those that embedded the moments.
        """
        encoder = VideoEncoder.from_pretrained(self.path / "encoder")
        if (fingerprint := encoder.fingerprint()) != self.settings.encoder:
            raise SearchError(
                f"{self.path}: made with encoder {self.settings.encoder}, but encoder/ has "
                f"{fingerprint}; restore the right one, or index into another folder."
            )
        return encoder.to("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def parts(self) -> dict[str, int]:
        """Names and lengths of the parts of a vector, in order; see `slic.search.parts`."""
        return self.settings.vectors

    @property
    def has_text(self) -> bool:
        """Whether moments can be searched by text."""
        return TEXT_PART in self.parts

    @property
    def clip(self) -> ClipSpec:
        """The clips that the encoder takes."""
        return self.encoder.clip

    def windows(self, video: Video, *, part: tuple[float, float] | None = None) -> MomentWindows:
        """Return how this index cuts a video into moments.

        Args:
            video: The video.
            part: Presentation times of start and end of a part, which is cut instead.
        """
        return self.cut(video, part=part)()

    def cut(
        self, video: Video, *, part: tuple[float, float] | None = None
    ) -> Callable[[], MomentWindows]:
        """Return a function that returns `windows` and can be sent to another process."""
        return partial(
            video_windows,
            video,
            self.clip,
            window_seconds=self.settings.window_seconds,
            stride_seconds=self.settings.stride_seconds,
            part=part,
        )

    @property
    def generation(self) -> int:
        """Number of the last commit that added or removed moments."""
        return self.database.read(read_generation)

    @property
    def count(self) -> int:
        """Number of moments."""
        return self.database.read(moment_table.count_moments)

    @property
    def level(self) -> int:
        """The level of clusters that is used when none is given, and by filters."""
        return self.database.read(read_level)

    def videos(self, ids: Collection[int] | None = None) -> list[IndexedVideo]:
        """Return videos in the order of their paths.

        Args:
            ids: Which videos; ids that do not exist are left out. None returns all.
        """
        return self.database.read(video_table.select_videos, ids)

    def video(self, video_id: int) -> IndexedVideo:
        """Return one video.

        Raises:
            SearchError: There is no video with this id.
        """
        if not (found := self.videos([video_id])):
            raise SearchError(f"{self.path}: there is no video {video_id}.")
        return found[0]

    def moments(self, ids: MomentIds) -> list[Moment]:
        """Return moments in the order of ``ids``.

        Raises:
            SearchError: There is no moment with one of these ids.
        """
        wanted = [int(i) for i in ids]
        found = self.database.read(moment_table.select_moments_by_id, wanted)
        if missing := [i for i in wanted if i not in found]:
            raise self._no_moment(missing[0])
        return [found[i] for i in wanted]

    def moment_at(self, path: str, seconds: float) -> int:
        """Return the id of the moment whose middle is nearest to a time of a video.

        Args:
            path: Relative to the folder that was indexed, or absolute.
            seconds: Time from the start of the video.

        Raises:
            SearchError: No video of the index has this path, or several have, or the video has no
                moment.
        """
        with self.database.reading() as connection:
            videos = video_table.find_videos_by_path(connection, path)
            moment = moment_table.find_moment(connection, next(iter(videos.values()), -1), seconds)
        if len(videos) > 1:
            first, second, *_ = videos
            raise SearchError(
                f"{path}: {len(videos)} videos of {self.path} have this path, among them {first} "
                f"and {second}; give an absolute path."
            )
        if moment is None:
            raise SearchError(
                f"{path}: not a video of {self.path}; give a path relative to the indexed folder, "
                "or an absolute path."
            )
        return moment

    def moment_numbers(self, video_ids: Collection[int]) -> dict[int, dict[int, int]]:
        """Return the moments of videos by their numbers.

        Returns:
            For each video, the id of every moment by its number in the video.
        """
        return self.database.read(moment_table.select_moment_numbers, video_ids)

    def ids(self) -> Int64[np.ndarray, " n"]:
        """Return the ids of all moments, ascending."""
        return self.database.read(moment_table.select_moment_ids)

    def vectors(self, ids: MomentIds) -> Float32[np.ndarray, "n d"]:
        """Return the vectors of moments, of unit parts, in the order of ``ids``.

        Raises:
            SearchError: There is no moment with one of these ids.
        """
        distinct, positions = np.unique(np.asarray(ids, dtype=np.int64), return_inverse=True)
        found, vectors = self._vectors.some(distinct)
        if len(found) < len(distinct):
            raise self._no_moment(int(np.setdiff1d(distinct, found)[0]))
        ordered: Float32[np.ndarray, "n d"] = vectors[positions.ravel()]
        return ordered

    def all_vectors(self) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
        """Return the ids of all moments, ascending, and their vectors, of unit parts.

        Both are of one state of the database, even if it changes at the same time. In a large index
        the vectors are mapped from files; what the caller changes in them stays in its memory.

        Raises:
            SearchError: The database is damaged.
        """
        return self._vectors.everything()

    def matching(self, where: str) -> Int64[np.ndarray, " n"]:
        """Return the ids, ascending, of the moments that pass a filter.

        Args:
            where: An SQL expression, see `slic.search.repository.filters.matching_moments`.

        Raises:
            SearchError: The expression is invalid or takes too long.
        """
        return matching_moments(self.database, where, level=self.level)

    def nearest(
        self, vectors: Float32[np.ndarray, "q d"], k: int, *, where: str | None = None
    ) -> Neighbours:
        """Return the nearest moments of each vector: those with the greatest inner products.

        Args:
            vectors: Queries, whose parts are scaled by weights (`slic.search.parts`).
            k: Number of moments for each vector.
            where: A filter that the moments must pass, see `matching`.

        Raises:
            SearchError: The filter is invalid, or the store does not answer.
        """
        store = self.sync_store()
        if where is None:
            return store.search(vectors, k)
        allowed = self.matching(where)
        return nearest_allowed(
            store, self._vectors.some, vectors, k, allowed=allowed, total=self.count
        )

    def sync_store(self) -> VectorStore:
        """Bring the vector store to the state of the database, and return it.

        Raises:
            SearchError: A package of the store is missing, its server does not answer, or the
                index names a store that the user did not name.
        """
        with self._store_lock:
            self._vectors.follow()
            if self._store is None:
                address = allowed_store(self.path, self.settings.store, self._named_store)
                settings = replace(self.settings, store=address)
                self._store = open_store(self.path, settings, vectors=self._vectors.file)
            synchronise(self._store, self.database)
            return self._store

    def close(self) -> None:
        """Close the store and this thread's connection."""
        if self._store is not None:
            self._store.close()
            self._store = None
        self._vectors.close()
        self.database.close()

    def _no_moment(self, moment_id: int) -> SearchError:
        return SearchError(
            f"{self.path}: there is no moment {moment_id}; it may have been removed."
        )
