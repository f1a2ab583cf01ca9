"""Embedding with an engine: its processes write fragments, and this one takes them in."""

import logging
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from tqdm import tqdm

from slic.engines import Engine
from slic.errors import EngineError
from slic.sealed import DamagedFileError, OtherVersionError
from slic.search.fragments import Fragment, FragmentFolder
from slic.search.index import Index
from slic.search.pieces import Piece, cut_into_pieces, piece_work
from slic.search.repository.moments import NewMoment
from slic.search.repository.videos import select_files
from slic.search.streaming import EmbeddingJob

MAX_ROUNDS: Final = 3  # in which damaged fragments are made again
_MOMENTS_PER_COMMIT: Final = 512
_SECONDS_PER_COMMIT: Final = 0.5
_log = logging.getLogger("slic")


class NewBatch(NamedTuple):
    """What one transaction adds to an index.

    Attributes:
        moments: New moments.
        failed: By the ids of videos that do not decode, the reasons.
    """

    moments: list[NewMoment]
    failed: dict[int, str]


def stored_batches(index: Index, root: Path, folder: FragmentFolder) -> Iterator[NewBatch]:
    """Give what earlier runs have embedded and did not take in. Each batch is then deleted.

    Args:
        index: The index.
        root: Folder of the collection.
        folder: The fragments.

    Yields:
        Batches. Each is in the index when the next one is asked for.
    """
    files = index.database.read(select_files, str(root.resolve()))
    videos = {file.content_id: file.id for file in reversed(files)}
    yield from _Taking(index, folder, videos).batches(folder.paths())


def engine_batches(
    engine: Engine,
    index: Index,
    jobs: Sequence[EmbeddingJob],
    *,
    root: Path,
    folder: FragmentFolder,
    progress: bool,
) -> Generator[NewBatch, None, None]:
    """Give the moments of all jobs, which an engine embeds, as its fragments arrive.

    Args:
        engine: The engine, in its context.
        index: The index.
        jobs: Which moments of which videos.
        root: Folder of the collection.
        folder: Where the fragments go.
        progress: Show a progress bar.

    Yields:
        Batches. Each is in the index when the next one is asked for.

    Raises:
        EngineError: The engine cannot go on, or fragments are damaged again and again.
    """
    files = index.database.read(select_files, str(root.resolve()))
    content_of = {file.id: file.content_id for file in files}
    contents = [content_of[job.video_id] for job in jobs]
    videos = {content: job.video_id for content, job in zip(contents, jobs, strict=True)}
    pieces = {folder.name(p.content_id, p.job.numbers): p for p in _cut(index, jobs, contents)}
    if not pieces:
        return
    folder.make()
    work = piece_work(index.encoder, folder, root)
    engine.check_folders(work.folders)
    taking, bar = _Taking(index, folder, videos), _Bar(pieces.values(), hidden=not progress)
    with closing(bar):
        for _ in range(MAX_ROUNDS):
            for batch in taking.batches(
                bar.following(engine.run(work, [*pieces.values()]), pieces)
            ):
                with engine.costs.measuring("index"):
                    yield batch
            pieces = {name: piece for name, piece in pieces.items() if name not in taking.taken}
            if not pieces:
                folder.remove_if_empty()
                return
    raise EngineError(
        f"{folder.path}: {len(pieces)} fragments are damaged or missing whenever they are written. "
        "Check the disk, or let the fragments go to another folder."
    )


def _cut(index: Index, jobs: Sequence[EmbeddingJob], contents: Sequence[str]) -> list[Piece]:
    return cut_into_pieces(jobs, contents, index.clip)


class _Taking:
    """Reads fragments and groups them into batches.

    Args:
        index: The index.
        folder: The fragments.
        videos: The video of each content.

    Attributes:
        taken: Names of the fragments that were read.
    """

    def __init__(self, index: Index, folder: FragmentFolder, videos: dict[str, int]) -> None:
        self.index, self.folder, self.videos = index, folder, videos
        self.taken: set[str] = set()

    def batches(self, paths: Iterable[Path]) -> Iterator[NewBatch]:
        """Give batches of the fragments in files, and delete these when the next is asked for."""
        held: list[tuple[Path, Fragment]] = []
        due = time.monotonic()
        for path in paths:
            if fragment := self._read(path):
                held.append((path, fragment))
            many = sum(len(one.numbers) for _, one in held) >= _MOMENTS_PER_COMMIT
            if held and (many or time.monotonic() >= due):
                yield self._batch([one for _, one in held])
                _delete(held)
                held, due = [], time.monotonic() + _SECONDS_PER_COMMIT
        if held:
            yield self._batch([one for _, one in held])
            _delete(held)

    def _read(self, path: Path) -> Fragment | None:
        """Return a fragment; one that is damaged is deleted, so that it is made again."""
        try:
            fragment = self.folder.read(path)
        except FileNotFoundError:
            _log.warning("%s: the fragment is gone; its moments are embedded again.", path)
            return None
        except (OSError, DamagedFileError, OtherVersionError) as error:
            _log.warning("%s: damaged (%s); its moments are embedded again.", path, error)
            path.unlink(missing_ok=True)
            return None
        self.taken.add(path.name)
        return fragment

    def _batch(self, fragments: Sequence[Fragment]) -> NewBatch:
        """Return what the index lacks of some fragments; a worker may have written one twice."""
        known = [(self.videos[f.content_id], f) for f in fragments if f.content_id in self.videos]
        there = self.index.moment_numbers({video for video, _ in known})
        moments: dict[tuple[int, int], NewMoment] = {}
        for video, fragment in known:
            rows = zip(
                fragment.numbers.tolist(), fragment.seconds.tolist(), fragment.vectors, strict=True
            )
            for number, (start, end), vector in rows:
                if number not in there[video]:
                    moments[video, number] = NewMoment(video, number, start, end, vector)
        failed = {video: fragment.problem for video, fragment in known if fragment.problem}
        return NewBatch(list(moments.values()), failed)


class _Bar:
    """Progress in moments, with the number of finished videos."""

    def __init__(self, pieces: Iterable[Piece], *, hidden: bool) -> None:
        pieces = list(pieces)
        self.left = Counter(piece.content_id for piece in pieces)
        self.videos, self.done = len(self.left), 0
        self.bar = tqdm(
            total=sum(len(piece.job.numbers) for piece in pieces), desc="embedding",
            unit="moment", disable=hidden, leave=False,
        )  # fmt: skip

    def following(self, paths: Iterable[Path], pieces: dict[str, Piece]) -> Iterator[Path]:
        """Pass the files of fragments on, and show how far they are."""
        for path in paths:
            if piece := pieces.get(path.name):
                self.left[piece.content_id] -= 1
                self.done += not self.left[piece.content_id]
                self.bar.set_postfix_str(f"{self.done} of {self.videos} videos", refresh=False)
                self.bar.update(len(piece.job.numbers))
            yield path

    def close(self) -> None:
        """End the line."""
        self.bar.close()


def _delete(held: Iterable[tuple[Path, Fragment]]) -> None:
    for path, _ in held:
        path.unlink(missing_ok=True)
