"""Bringing an index up to date with a collection.

New content is embedded in batches, and each batch is one transaction. So an update that was stopped
or killed continues where it was.
"""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from tqdm import tqdm

from slic.engines import Engine
from slic.models.encoder import VideoEncoder
from slic.models.passes import clips_per_pass
from slic.runs import lock_folder
from slic.search.fragments import FragmentFolder
from slic.search.index import Index
from slic.search.moment_embedder import MomentEmbedder
from slic.search.reconcile import CollectionChanges, reconcile
from slic.search.repository.moments import NewMoment, copy_moments_to_duplicates, insert_moments
from slic.search.repository.schema import write_refused
from slic.search.repository.videos import delete_video, select_files
from slic.search.spreading import NewBatch, engine_batches, stored_batches
from slic.search.streaming import EmbeddingJob, MomentClips, moment_loader
from slic.signals import StopRequested, stop_at_ctrl_c
from slic.videos.catalog import Catalog
from slic.videos.video import Refused

CLIPS_PER_BATCH = 32


@dataclass(frozen=True)
class IndexReport:
    """What one update did.

    Attributes:
        changes: What happened to the videos.
        embedded: Number of moments that were embedded.
        moments: Number of moments that the index has now.
    """

    changes: CollectionChanges
    embedded: int
    moments: int


def update_index(
    index: Index,
    catalog: Catalog,
    *,
    workers: int = 2,
    engine: Engine | None = None,
    fragments: Path | None = None,
    progress: bool = True,
    on_batch: Callable[[int, int], None] = lambda _done, _total: None,
) -> IndexReport:
    """Bring an index up to date with a collection. If it is stopped, the next call continues.

    Args:
        index: The index.
        catalog: The collection.
        workers: Processes that decode; 0 decodes in this process.
        engine: What embeds, in its context, see `slic.engines`. None embeds in this process.
        fragments: Folder for what an engine embeds, until the index has it; all its machines must
            see it. None is a folder in that of the index.
        progress: Show progress bars.
        on_batch: Called before the first batch and after each with the number of moments that were
            embedded, and of all that are to be.

    Raises:
        SearchError: The vector store cannot be used.
        WriteError: The index cannot be written.
        CheckpointError: Another process is writing to the index.
        EngineError: The engine cannot go on; what was embedded is kept.
        StopRequested: Ctrl-C was pressed; what was embedded is kept.
    """
    with lock_folder(index.path), stop_at_ctrl_c() as stop_requested:
        stop_requested.at_once = True  # nothing is embedded yet
        index.sync_store()  # a missing package or server is found now, not after hours of work
        changes = reconcile(index.database, catalog, engine=engine, progress=progress)
        folder = FragmentFolder.of_index(index.path, index.settings, fragments)
        for batch in stored_batches(index, catalog.root, folder):
            _commit(index, batch, changes)
        _copy_moments_to_duplicates(index)
        _store_refused(index, catalog, changes)
        jobs = _embedding_jobs(index, catalog)
        embedded, total = 0, sum(len(job.numbers) for job in jobs)
        on_batch(embedded, total)
        stop_requested.at_once = False
        if engine is None:
            batches = _own_batches(index, jobs, workers=workers, progress=progress)
        else:
            batches = engine_batches(
                engine, index, jobs, root=catalog.root, folder=folder, progress=progress
            )
        with closing(batches):
            for batch in batches:
                _commit(index, batch, changes)
                embedded += len(batch.moments)
                on_batch(embedded, total)
                if stop_requested():
                    raise StopRequested
        _copy_moments_to_duplicates(index)
        _store_refused(index, catalog, changes)  # those too that did not decode
        index.sync_store()
    return IndexReport(changes, embedded, index.count)


class EmbeddedBatch(NamedTuple):
    """Moments that were read and embedded together.

    Attributes:
        moments: The moments.
        vectors: Their vectors, of unit parts.
        failed: One entry for each video that does not decode any further.
    """

    moments: list[MomentClips]
    vectors: Float32[np.ndarray, "m d"]
    failed: list[MomentClips]


def embed_jobs(
    encoder: VideoEncoder, jobs: Sequence[EmbeddingJob], *, workers: int, progress: bool
) -> Iterator[EmbeddedBatch]:
    """Give embedded moments in batches of about `CLIPS_PER_BATCH` clips; fewer large ones.

    Args:
        encoder: The encoder.
        jobs: Which moments of which videos.
        workers: Processes that decode; 0 decodes in this process.
        progress: Show a progress bar.

    Yields:
        Batches. A video that does not decode ends a batch.
    """
    total, hidden = sum(len(job.numbers) for job in jobs), not (progress and jobs)
    bar = tqdm(
        total=total, desc="embedding", unit="moment", disable=hidden, file=sys.stderr, leave=False
    )
    embed, batch = MomentEmbedder(encoder), list[MomentClips]()
    clip = encoder.clip
    most = min(CLIPS_PER_BATCH, clips_per_pass(frames=clip.frames, size=clip.size))
    with bar:
        for moment in moment_loader(jobs, clip, workers=min(workers, len(jobs))):
            batch.append(moment)
            if moment.problem or sum(len(item.clips) for item in batch) >= most:
                yield _embed_batch(embed, batch)
                bar.update(len(batch))
                batch = []
        if batch:
            yield _embed_batch(embed, batch)
            bar.update(len(batch))


def _embed_batch(embed: MomentEmbedder, batch: Sequence[MomentClips]) -> EmbeddedBatch:
    moments = [moment for moment in batch if not moment.problem]
    failed = [moment for moment in batch if moment.problem]
    return EmbeddedBatch(moments, embed(moments), failed)


def _embedding_jobs(index: Index, catalog: Catalog) -> list[EmbeddingJob]:
    """Return what is to be embedded. Of several videos with the same content only one is."""
    rows = index.database.read(select_files, str(catalog.root.resolve()))
    known = {row.path: row for row in rows}
    jobs, contents = [], set()
    for video in catalog:
        if (row := known.get(video.id)) is None:  # its content could not be read
            continue
        embedded = list(index.moment_numbers([row.id])[row.id])
        missing = np.setdiff1d(np.arange(len(index.windows(video).seconds)), embedded)
        if len(missing) and row.content_id not in contents:
            contents.add(row.content_id)
            jobs.append(EmbeddingJob(row.id, video, index.cut(video), missing))
    return jobs


def _own_batches(
    index: Index, jobs: Sequence[EmbeddingJob], *, workers: int, progress: bool
) -> Generator[NewBatch, None, None]:
    """Give the moments of all jobs, which this process embeds."""
    for batch in embed_jobs(index.encoder, jobs, workers=workers, progress=progress):
        rows = [
            NewMoment(jobs[moment.job].video_id, moment.number, *moment.seconds, vector)
            for moment, vector in zip(batch.moments, batch.vectors, strict=True)
        ]
        failed = {jobs[moment.job].video_id: moment.problem for moment in batch.failed}
        yield NewBatch(rows, failed)


def _commit(index: Index, batch: NewBatch, changes: CollectionChanges) -> None:
    """Write a batch in one transaction; delete videos that do not decode."""
    with index.database.transaction() as connection:
        names = {file.id: file.path for file in select_files(connection)} if batch.failed else {}
        insert_moments(connection, batch.moments)
        for video_id, problem in batch.failed.items():
            if video_id in names:  # two pieces of a video may fail
                delete_video(connection, video_id)
                changes.refused.append(Refused(names[video_id], problem))


def _store_refused(index: Index, catalog: Catalog, changes: CollectionChanges) -> None:
    refused = [(file.id, file.reason) for file in changes.refused]
    with index.database.transaction() as connection:
        write_refused(connection, str(catalog.root.resolve()), refused)


def _copy_moments_to_duplicates(index: Index) -> None:
    with index.database.transaction() as connection:
        copy_moments_to_duplicates(connection)
