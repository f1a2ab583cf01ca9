"""Bringing an index up to date with a collection: what is new is embedded, a batch a commit."""

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from tqdm import tqdm

from slic.errors import SearchError
from slic.models.encoder import VideoEncoder, to_input
from slic.runs import StopRequested, lock_folder, stop_at_ctrl_c
from slic.search.index import Index, clip_shape
from slic.search.moments import (
    ClipShape,
    default_window_seconds,
    mean_direction,
    require_above_zero,
)
from slic.search.reconcile import Changes, reconcile, remove_video
from slic.search.repository import FILE_NAME, IndexSettings, next_generation
from slic.search.stores import open_store
from slic.search.streaming import Job, MomentClips, moment_loader
from slic.videos.catalog import Catalog
from slic.videos.video import Refused

BATCH_CLIPS = 32


@dataclass(frozen=True)
class IndexReport:
    """What one update did: the videos that changed, and how many moments were embedded."""

    changes: Changes
    embedded: int
    moments: int


def create_index(
    path: Path,
    encoder: VideoEncoder,
    *,
    window_seconds: float | None = None,
    stride_seconds: float | None = None,
    store: str | None = None,
) -> Index:
    """Make an empty index, or open the one that is there when it was made in the same way.

    Args:
        path: Its folder; a copy of the encoder is put there too.
        encoder: What embeds the moments and the queries.
        window_seconds: Length of a moment; default `default_window_seconds`.
        stride_seconds: From one moment to the next; default half a window.
        store: Address of a Milvus server, ``http://host:19530``; None is the embedded store.

    Raises:
        SearchError: See `index_settings`.
    """
    settings = index_settings(
        path, encoder, window_seconds=window_seconds, stride_seconds=stride_seconds, store=store
    )
    if _is_index(path):
        return Index.open(path)
    encoder.save_pretrained(path / "encoder")  # first: a database without its encoder is no index
    return Index.create(path, settings)


def index_settings(
    path: Path,
    encoder: VideoEncoder,
    *,
    window_seconds: float | None = None,
    stride_seconds: float | None = None,
    store: str | None = None,
) -> IndexSettings:
    """Return the settings that `create_index` would use, and write nothing: what cannot be is told.

    Raises:
        SearchError: There is an index of another encoder, window, stride or store; a window or
            stride of 0; or a store that cannot be used.
    """
    if _is_index(path):
        index = Index.open(path)
        _require_same(index, encoder.fingerprint(), window_seconds, stride_seconds, store)
        index.close()
        return index.settings
    if window_seconds is None:
        window_seconds = default_window_seconds(clip_shape(encoder.config))
    if stride_seconds is None:
        stride_seconds = window_seconds / 2
    require_above_zero(window_seconds, stride_seconds)
    settings = IndexSettings(
        encoder=encoder.fingerprint(),
        dimension=_dimension(encoder),
        window_seconds=float(window_seconds),
        stride_seconds=float(stride_seconds),
        store=store or "embedded",
    )
    open_store(path, settings).close()
    return settings


def update_index(
    index: Index, catalog: Catalog, *, workers: int = 2, progress: bool = True
) -> IndexReport:
    """Bring an index up to date with a collection; stopped at any moment, it goes on from there.

    Raises:
        SearchError: The index cannot be written, or its vector store cannot be used.
        CheckpointError: Another process is writing to it.
        StopRequested: Ctrl-C; what was embedded is kept.
    """
    with lock_folder(index.path), stop_at_ctrl_c() as stop_requested:
        index.sync_store()  # a missing package or server is told now, not after hours of work
        changes = reconcile(index.database, catalog, progress=progress)
        _copy_from_twins(index)
        jobs = _jobs(index, catalog)
        embedded = 0
        for batch in batches(jobs, index.clip_shape, workers=workers, progress=progress):
            embedded += _commit(index, jobs, batch, changes)
            if stop_requested():
                raise StopRequested
        _copy_from_twins(index)
        index.sync_store()
    return IndexReport(changes, embedded, index.count)


def _is_index(path: Path) -> bool:
    return (path / FILE_NAME).exists()


def _require_same(
    index: Index,
    encoder: str,
    window_seconds: float | None,
    stride_seconds: float | None,
    store: str | None,
) -> None:
    settings = index.settings
    if settings.encoder != encoder:
        raise SearchError(
            f"{index.path}: made with encoder {settings.encoder}, not with {encoder}; "
            "give that encoder, or index into another --out."
        )
    asked = {
        "--window": (window_seconds, settings.window_seconds),
        "--stride": (stride_seconds, settings.stride_seconds),
        "--store": (store, settings.store),
    }
    for option, (wanted, made) in asked.items():
        if wanted not in (None, made):
            raise SearchError(
                f"{index.path}: made with {option} {made}, not {wanted}; "
                f"leave {option} out, or index into another --out."
            )


def _jobs(index: Index, catalog: Catalog) -> list[Job]:
    """Return what is still to be embedded; of twins only one, the others are given its moments."""
    root = str(catalog.root.resolve())
    rows = index.database.rows("SELECT path, id, content_id FROM videos WHERE root = ?", (root,))
    known = {path: (video_id, mark) for path, video_id, mark in rows}
    jobs, taken = [], set()
    for video in catalog:
        if video.id not in known:  # its content could not be read
            continue
        video_id, mark = known[video.id]
        moments = index.windows(video.frames, video.fps)
        done = index.database.rows("SELECT number FROM moments WHERE video_id = ?", (video_id,))
        missing = np.setdiff1d(np.arange(len(moments.start)), [number for (number,) in done])
        if len(missing) and mark not in taken:
            taken.add(mark)
            jobs.append(Job(video_id, video, moments, missing))
    return jobs


def batches(
    jobs: Sequence[Job], shape: ClipShape, *, workers: int, progress: bool
) -> Iterator[list[MomentClips]]:
    """Give moments in batches of about `BATCH_CLIPS` clips, and show how far it is."""
    loader = moment_loader(jobs, shape, workers=min(workers, len(jobs)))
    bar = tqdm(
        total=sum(len(job.numbers) for job in jobs),
        desc="embedding",
        unit="moment",
        disable=not (progress and jobs),
        file=sys.stderr,
        leave=False,
    )
    batch: list[MomentClips] = []
    with bar:
        for moment in loader:
            batch.append(moment)
            if moment.problem or sum(len(item.clips) for item in batch) >= BATCH_CLIPS:
                yield batch
                bar.update(len(batch))
                batch = []
        if batch:
            yield batch
            bar.update(len(batch))


def _commit(
    index: Index, jobs: Sequence[Job], batch: Sequence[MomentClips], changes: Changes
) -> int:
    """Embed a batch and write it in one transaction; a video that broke off is taken out."""
    good = [moment for moment in batch if not moment.problem]
    vectors = embed_moments(index.encoder, [moment.clips for moment in good])
    with index.database.transaction() as connection:
        _insert(connection, jobs, good, vectors)
        for moment in batch:
            if moment.problem:
                job = jobs[moment.job]
                remove_video(connection, job.video_id)
                reason = moment.problem.removeprefix(f"{job.video.path}: ")
                changes.refused.append(Refused(job.video.id, reason))
    return len(good)


@torch.no_grad()
def embed_moments(
    encoder: VideoEncoder, moments: Sequence[torch.Tensor]
) -> Float32[np.ndarray, "m d"]:
    """Return the embedding of each moment, given its clips (c, t, s, s, 3)."""
    device = next(encoder.parameters()).device
    if not moments:
        return np.empty((0, _dimension(encoder)), np.float32)
    z = encoder(to_input(torch.cat(list(moments)).to(device))).float().cpu().numpy()
    ends = np.cumsum([len(clips) for clips in moments])[:-1]
    return np.concatenate([mean_direction(part[None]) for part in np.split(z, ends)])


def _dimension(encoder: VideoEncoder) -> int:
    """Return how many numbers an embedding is; without a head it is the features."""
    return encoder.config.embedding or encoder.feature_size


def _insert(
    connection: sqlite3.Connection,
    jobs: Sequence[Job],
    moments: Iterable[MomentClips],
    vectors: Float32[np.ndarray, "m d"],
) -> None:
    number = next_generation(connection)
    seconds = {id(job): job.windows.seconds(job.video.fps) for job in jobs}
    rows = []
    for moment, vector in zip(moments, vectors, strict=True):
        job = jobs[moment.job]
        start, end = seconds[id(job)][moment.number].tolist()
        blob = vector.astype("<f4").tobytes()
        rows.append((job.video_id, moment.number, start, end, number, blob))
    connection.executemany(
        "INSERT INTO moments (video_id, number, start_seconds, end_seconds, generation, vector)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )


def _copy_from_twins(index: Index) -> None:
    """Give videos the moments that another video of the same content has and they have not."""
    with index.database.transaction() as connection:
        missing = """
            FROM videos v JOIN videos twin ON twin.content_id = v.content_id AND twin.id <> v.id
            JOIN moments m ON m.video_id = twin.id
            WHERE NOT EXISTS
                (SELECT 1 FROM moments own WHERE own.video_id = v.id AND own.number = m.number)
            GROUP BY v.id, m.number"""
        if connection.execute(f"SELECT 1 {missing} LIMIT 1").fetchone():
            connection.execute(
                "INSERT INTO moments (video_id, number, start_seconds, end_seconds, generation,"
                f" leaf, vector) SELECT v.id, m.number, m.start_seconds, m.end_seconds, ?, m.leaf,"
                f" m.vector {missing}",
                (next_generation(connection),),
            )
