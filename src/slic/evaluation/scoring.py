"""Score an encoder by a named protocol, beside what needs no learning at all."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slic.datasets import Labels
from slic.embeddings import Embeddings, embed
from slic.errors import CatalogError, RecipeError
from slic.evaluation.cluster_quality import cluster_quality
from slic.evaluation.mean_frame import mean_frame_vectors
from slic.evaluation.retrieval import PROTOCOLS, RetrievalProtocol, RetrievalScores, evaluate
from slic.models.encoder import VideoEncoder
from slic.videos.catalog import Catalog


@dataclass(frozen=True)
class Sides:
    """Queries and gallery of a retrieval: the videos and their labels.

    ``absent`` are ids that the labels name in either split and the catalog does not have.
    """

    queries: Catalog
    gallery: Catalog
    query_labels: list[str]
    gallery_labels: list[str]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelObserver:
    """Writes how well each round's clusters agree with the truth; nothing goes back to the run."""

    labels: Labels

    def clustered(self, ids: Sequence[str], pseudo_labels: Sequence[int]) -> Mapping[str, float]:
        """Return NMI, AMI, purity and V-measure of the clusters of the videos with a label."""
        label = self.labels.label
        known = [
            (label[name], k) for name, k in zip(ids, pseudo_labels, strict=True) if name in label
        ]
        if not known:
            return {}
        return cluster_quality([true for true, _ in known], [cluster for _, cluster in known])


def sides(catalog: Catalog, labels: Labels, *, queries: str, gallery: str) -> Sides:
    """Split a catalog by the labels' splits; videos that are not in it are on neither side.

    Raises:
        CatalogError: There is no such split, or both sides are the same.
    """
    if queries == gallery:
        raise CatalogError(
            f"split {queries!r} cannot be queries and gallery: every video would find itself. "
            "Choose two with --queries and --gallery."
        )
    there = {video.id for video in catalog}

    def side(split: str) -> tuple[Catalog, list[str]]:
        part = catalog.subset([name for name in labels.ids(split) if name in there])
        return part, labels.labels_of(video.id for video in part)

    named = dict.fromkeys((*labels.ids(queries), *labels.ids(gallery)))
    (query, query_labels), (other, gallery_labels) = side(queries), side(gallery)
    absent = tuple(name for name in named if name not in there)
    return Sides(query, other, query_labels, gallery_labels, absent)


def named_protocol(name: str) -> RetrievalProtocol:
    """Return the protocol of that name; a RecipeError names those there are."""
    if name not in PROTOCOLS:
        raise RecipeError(f"no protocol {name!r}; there are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def score_retrieval(
    encoder: VideoEncoder,
    split: Sides,
    *,
    protocol: str,
    average_precision: bool = True,
    workers: int = 2,
    cache: Path | None = None,
    progress: bool = True,
) -> tuple[RetrievalScores, Embeddings, Embeddings]:
    """Embed both sides as the protocol says; return scores, query and gallery embeddings.

    Args:
        encoder: The encoder.
        split: Queries and gallery.
        protocol: A name in ``PROTOCOLS``.
        average_precision: Also the mAP, which a gallery of a million videos makes slow.
        workers: Processes that decode.
        cache: Folder for the features, see `slic.embeddings.embed`.
        progress: Show bars on stderr.

    Raises:
        RecipeError: No such protocol, or one of the head's output and the encoder has no head.
    """
    how = named_protocol(protocol)
    if how.layer == "head" and not encoder.config.embedding:
        raise RecipeError(
            f"protocol {protocol!r} compares the head's output, and this encoder has no head; "
            f"take {protocol.replace('paper', 'backbone')!r}."
        )
    query, gallery = (
        embed(
            encoder,
            side,
            clips=how.clips,
            layer=how.layer,
            workers=workers,
            cache=cache,
            progress=progress,
        )
        for side in (split.queries, split.gallery)
    )
    scores = evaluate(
        query.clips,
        split.query_labels,
        gallery.clips,
        split.gallery_labels,
        centre=how.centre,
        average_precision=average_precision,
        protocol=f"{protocol}: {how}",
    )
    return scores, query, gallery


def chance(split: Sides, k: int = 1) -> float:
    """Return the expected R@k of k different neighbours drawn at random from the gallery.

    A k beyond the gallery means the whole gallery.
    """
    size, count = len(split.gallery_labels), Counter(split.gallery_labels)
    k = min(k, size)
    misses = [
        math.comb(size - count[label], k) / math.comb(size, k) for label in split.query_labels
    ]
    return 1.0 - float(np.mean(misses))


def mean_frame_scores(
    split: Sides,
    *,
    average_precision: bool = True,
    cache: Path | None = None,
    progress: bool = True,
) -> RetrievalScores:
    """Score the nearest 32 x 24 grey mean frame: what appearance alone gives away."""
    query, gallery = (
        mean_frame_vectors(side, cache=cache, progress=progress)
        for side in (split.queries, split.gallery)
    )
    return evaluate(
        query,
        split.query_labels,
        gallery,
        split.gallery_labels,
        average_precision=average_precision,
        protocol="mean frame",
    )
