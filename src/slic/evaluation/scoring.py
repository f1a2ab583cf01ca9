"""Score an encoder by a named protocol, beside what needs no learning at all."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slic.embeddings import Embeddings, embed
from slic.encoders.encoder import VideoEncoder
from slic.errors import RecipeError
from slic.evaluation.cluster_quality import cluster_quality
from slic.evaluation.mean_frame import mean_frame_vectors
from slic.evaluation.retrieval import PROTOCOLS, RetrievalProtocol, RetrievalScores, evaluate
from slic.labels import Labels
from slic.videos.catalog import Catalog


@dataclass(frozen=True)
class Sides:
    """Queries and gallery of a retrieval: the videos and their labels."""

    queries: Catalog
    gallery: Catalog
    query_labels: list[str]
    gallery_labels: list[str]


@dataclass(frozen=True)
class LabelObserver:
    """Writes how well each round's clusters agree with the truth; nothing goes back to the run."""

    labels: Labels

    def clustered(self, ids: Sequence[str], pseudo_labels: Sequence[int]) -> Mapping[str, float]:
        """Return NMI, AMI, purity and V-measure of a round's clusters."""
        return cluster_quality(self.labels.labels_of(ids), pseudo_labels)


def sides(catalog: Catalog, labels: Labels, *, queries: str, gallery: str) -> Sides:
    """Split a catalog by the labels' splits; videos that were refused are on neither side."""
    there = {video.id for video in catalog}

    def side(split: str) -> tuple[Catalog, list[str]]:
        part = catalog.subset([name for name in labels.ids(split) if name in there])
        return part, labels.labels_of(video.id for video in part)

    (query, query_labels), (other, gallery_labels) = side(queries), side(gallery)
    return Sides(query, other, query_labels, gallery_labels)


def named_protocol(name: str) -> RetrievalProtocol:
    """Return the protocol of that name; a RecipeError names those there are."""
    if name not in PROTOCOLS:
        raise RecipeError(f"no protocol {name!r}; there are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def score_retrieval(
    encoder: VideoEncoder, split: Sides, *, protocol: str, workers: int = 2, progress: bool = True
) -> tuple[RetrievalScores, Embeddings, Embeddings]:
    """Embed both sides as the protocol says; return scores, query and gallery embeddings."""
    how = named_protocol(protocol)
    query, gallery = (
        embed(encoder, side, clips=how.clips, layer=how.layer, workers=workers, progress=progress)
        for side in (split.queries, split.gallery)
    )
    scores = evaluate(
        query.clips,
        split.query_labels,
        gallery.clips,
        split.gallery_labels,
        centre=how.centre,
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


def mean_frame_scores(split: Sides) -> RetrievalScores:
    """Score the nearest 32 x 24 grey mean frame: what appearance alone gives away."""
    query, gallery = mean_frame_vectors(split.queries), mean_frame_vectors(split.gallery)
    return evaluate(query, split.query_labels, gallery, split.gallery_labels, protocol="mean frame")
