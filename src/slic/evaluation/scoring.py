"""Score an encoder by a named protocol, beside what needs no learning at all."""

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
    parts = [catalog.subset([i for i in labels.ids(s) if i in there]) for s in (queries, gallery)]
    names = [labels.labels_of([video.id for video in part]) for part in parts]
    return Sides(*parts, *names)


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


def chance(split: Sides) -> float:
    """Return the expected R@1 of a neighbour drawn at random from the gallery."""
    names, counts = np.unique(split.gallery_labels, return_counts=True)
    share = dict(zip(names.tolist(), (counts / counts.sum()).tolist(), strict=True))
    return float(np.mean([share.get(label, 0.0) for label in split.query_labels]))


def mean_frame_recall(split: Sides) -> float:
    """Return R@1 of the nearest 32 x 24 grey mean frame: what appearance alone gives away."""
    query, gallery = mean_frame_vectors(split.queries), mean_frame_vectors(split.gallery)
    return evaluate(query, split.query_labels, gallery, split.gallery_labels, ks=(1,)).recall[1]
