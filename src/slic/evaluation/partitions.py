"""Reading partitions of videos into clusters, wherever they come from."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from slic.clustering.finch import finch
from slic.clustering.kmeans import spherical_kmeans
from slic.embeddings import Embeddings, centred_unit_rows
from slic.errors import CatalogError
from slic.files import id_of, read_csv

_ROUND = re.compile(r"epoch-(\d+)\.jsonl")


@dataclass(frozen=True, eq=False)
class Partition:
    """A cluster number for each of a list of videos.

    Attributes:
        name: What it is, for a table.
        place: Its epoch, or its level in FINCH's hierarchy, 0 the finest.
        ids: Video ids.
        clusters: Their clusters.
    """

    name: str
    place: int
    ids: tuple[str, ...]
    clusters: Int[np.ndarray, " n"]


def read_partitions(
    path: Path, *, kmeans: int | None = None, centre: bool = False, seed: int = 0
) -> list[Partition]:
    """Return every round of a run folder, the clusters of embeddings, or those of a CSV file.

    Args:
        path: A run folder; a ``.npz`` file of `Embeddings`, which are averaged over the clips and
            clustered here by FINCH, all levels of it; or a CSV file with columns ``path,cluster``.
        kmeans: Make so many clusters of embeddings by spherical k-means instead.
        centre: Take the mean off the embeddings first.
        seed: Of k-means.

    Raises:
        CatalogError: There is no partition in it, or one that is there already is to be made.
        CheckpointError: A ``.npz`` file of something else.
        TrainingError: Embeddings that are not finite, or fewer than ``kmeans``.
    """
    if path.suffix.lower() == ".npz":
        return cluster_embeddings(Embeddings.load(path), kmeans=kmeans, centre=centre, seed=seed)
    if kmeans is not None or centre:
        raise CatalogError(f"{path}: k-means and centring are for .npz files of embeddings.")
    return partitions_of_run(path) if path.is_dir() else [partition_of_csv(path)]


def partitions_of_run(folder: Path) -> list[Partition]:
    """Return the rounds of a pretraining run, first to last; see `read_partitions`."""
    files = sorted((folder / "clusters").glob("*.jsonl"))
    rounds = [
        _round(file, int(match[1])) for file in files if (match := _ROUND.fullmatch(file.name))
    ]
    if not rounds:
        raise CatalogError(
            f"{folder}: no clusters/epoch-*.jsonl here; give the folder of a pretraining run, "
            "a .npz file of embeddings or a CSV file path,cluster."
        )
    return rounds


def _round(file: Path, epoch: int) -> Partition:
    try:
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        ids = tuple(record["video"] for record in records)
        clusters = np.array([int(record["pseudo_label"]) for record in records])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CatalogError(f"{file}: not the clusters of a round ({error}).") from error
    return Partition(f"epoch {epoch}", epoch, ids, clusters)


def cluster_embeddings(
    embeddings: Embeddings, *, kmeans: int | None, centre: bool, seed: int
) -> list[Partition]:
    """Return FINCH's partitions, finest first, or the one of k-means; see `read_partitions`."""
    x = centred_unit_rows([embeddings.mean], centre=centre)
    if kmeans is not None:
        clusters = spherical_kmeans(x, kmeans, seed=seed)
        return [Partition(f"k-means {kmeans}", 0, embeddings.ids, clusters)]
    return [
        Partition(f"FINCH {level}", level, embeddings.ids, clusters)
        for level, clusters in enumerate(finch(x).partitions)
    ]


def partition_of_csv(path: Path) -> Partition:
    """Return the partition of a CSV file; see `read_partitions`."""
    cluster_of: dict[str, str] = {}
    for line, row in read_csv(path, "path", "cluster"):
        video_id = id_of(row["path"], path.parent)
        if video_id in cluster_of:
            raise CatalogError(f"{path}: line {line}: {video_id!r} has a row already. Remove one.")
        cluster_of[video_id] = row["cluster"]
    clusters = np.unique(list(cluster_of.values()), return_inverse=True)[1]
    return Partition(path.name, 0, tuple(cluster_of), clusters)
