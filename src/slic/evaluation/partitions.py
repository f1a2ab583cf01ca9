"""Partitions of videos into clusters: of a run's rounds, of embeddings, or of a CSV file."""

import operator
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from slic.arguments import one_line
from slic.clustering.base import Clusterer
from slic.clustering.finch import finch
from slic.embeddings import Embeddings
from slic.errors import CatalogError
from slic.files import id_of, read_csv, reason_of
from slic.neighbours.rows import centred, unit_rows
from slic.parsing import parse_json
from slic.videos.segments import file_id

_ROUND_FILE = re.compile(r"epoch-(\d+)(?:-(.+))?\.jsonl")  # epoch, and perhaps vector


@dataclass(frozen=True, eq=False)
class Partition:
    """A cluster number for each video of a list.

    Attributes:
        name: Name of the partition in tables.
        place: Its epoch, or its level in FINCH's hierarchy, 0 the finest.
        ids: Video ids.
        clusters: The cluster of each video.
        vector: The vector that was clustered, such as ``"motion"``; empty if there is only one.
    """

    name: str
    place: int
    ids: tuple[str, ...]
    clusters: Int[np.ndarray, " n"]
    vector: str = ""


def read_partitions(
    path: Path, *, clusterer: Clusterer | None = None, centre: bool = False, seed: int = 0
) -> list[Partition]:
    """Return the partitions of a run folder, of an embeddings file, or of a CSV file.

    Args:
        path: A run folder, of which every round is read; a ``.npz`` file of `Embeddings`, which are
            averaged over the clips and clustered here; or a CSV file with columns
            ``path,cluster``.
        clusterer: The clustering of embeddings. None is FINCH with all levels of its hierarchy.
        centre: Subtract the mean from the embeddings first.
        seed: Seed of the clusterer.

    Raises:
        CatalogError: ``path`` holds no partition; or it holds partitions already, and ``clusterer``
            or ``centre`` was given.
        EmbeddingsError: The embeddings are damaged or not finite.
        TrainingError: Too few embeddings for the clusterer.

    Example:
        >>> [one.name for one in read_partitions(Path("embeddings.npz"))]
        ['FINCH 0', 'FINCH 1', 'FINCH 2']
    """
    if path.suffix.lower() == ".npz":
        embeddings = Embeddings.load(path)
        return cluster_embeddings(embeddings, clusterer=clusterer, centre=centre, seed=seed)
    if clusterer is not None or centre:
        raise CatalogError(
            f"{path}: a clustering and centring apply only to .npz files of embeddings."
        )
    return partitions_of_run(path) if path.is_dir() else [partition_of_csv(path)]


def partitions_of_run(folder: Path) -> list[Partition]:
    """Return the partition of every clustering round of a run, first to last.

    Segments have the ids of their videos.

    Raises:
        CatalogError: There is none, or its file is damaged.
    """
    files = sorted((folder / "clusters").glob("*.jsonl"))
    matches = [(file, _ROUND_FILE.fullmatch(file.name)) for file in files]
    rounds = [_read_round(file, int(match[1]), match[2]) for file, match in matches if match]
    if not rounds:
        raise CatalogError(
            f"{folder}: no clusters/epoch-*.jsonl here; give the folder of a training run, "
            "a .npz file of embeddings or a CSV file path,cluster."
        )
    return rounds


def _read_round(file: Path, epoch: int, vector: str | None) -> Partition:
    try:
        records = [parse_json(line) for line in file.read_bytes().splitlines()]
        ids = tuple(file_id(record["video"]) for record in records)
        clusters = np.array([operator.index(r["pseudo_label"]) for r in records], np.int64)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else one_line(error)
        raise CatalogError(f"{file}: not the clusters of a round ({reason}).") from error
    name = f"epoch {epoch}" + (f", {vector}" if vector else "")
    return Partition(name, epoch, ids, clusters, vector=vector or "")


def cluster_embeddings(
    embeddings: Embeddings, *, clusterer: Clusterer | None, centre: bool, seed: int
) -> list[Partition]:
    """Return FINCH's partitions, finest first, or the one of ``clusterer``; see `read_partitions`.

    The embeddings are averaged over the clips of a video and scaled to unit length.
    """
    x = unit_rows(centred(embeddings.mean) if centre else embeddings.mean)
    if clusterer is not None:
        return [Partition(str(clusterer), 0, embeddings.ids, clusterer(x, seed=seed).labels)]
    return [
        Partition(f"FINCH {level}", level, embeddings.ids, clusters)
        for level, clusters in enumerate(finch(x).partitions)
    ]


def partition_of_csv(path: Path) -> Partition:
    """Return the partition of a CSV file with columns ``path`` and ``cluster``.

    Raises:
        CatalogError: A column is missing, a cell is empty, or a video has two rows.
    """
    cluster_of: dict[str, str] = {}
    for line, row in read_csv(path, "path", "cluster"):
        video_id = id_of(row["path"], path.parent)
        if video_id in cluster_of:
            raise CatalogError(f"{path}: line {line}: {video_id!r} has a row already. Remove one.")
        cluster_of[video_id] = row["cluster"]
    clusters = np.unique(list(cluster_of.values()), return_inverse=True)[1]
    return Partition(path.name, 0, tuple(cluster_of), clusters)
