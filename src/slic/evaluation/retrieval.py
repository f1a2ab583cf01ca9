"""Nearest-neighbour retrieval: queries of one split look for their own action in another.

R@k is the share of *all* queries with at least one video of their label among the k nearest of the
gallery (any-match, as in the paper). No query is dropped, also not one whose label is not there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from slic.errors import SlicError

RECALL_AT = (1, 5, 10, 20, 50)
BLOCK_ELEMENTS = 2**24  # similarities held at once: 64 MiB, whatever the size of the gallery


@dataclass(frozen=True, kw_only=True)
class RetrievalProtocol:
    """How a video becomes the vector that is compared (DESIGN section 1, *Retrieval protocols*).

    Attributes:
        layer: Output of the projection head, or of the backbone before it.
        clips: Evenly spaced clips of a video, ``linspace(L / 2, T - L / 2, clips)``, averaged.
        centre: Whether each split's mean vector is subtracted from it.
    """

    layer: Literal["head", "backbone"]
    clips: int = 10
    centre: bool = False

    def __str__(self) -> str:
        """Say the protocol in one line, to stand beside the number."""
        centred = ", mean-centred per split" if self.centre else ""
        return f"{self.layer} output, mean over {self.clips} clips{centred}, cosine, any match"


PROTOCOLS = {
    "paper": RetrievalProtocol(layer="head"),
    "backbone": RetrievalProtocol(layer="backbone"),
    "paper-centred": RetrievalProtocol(layer="head", centre=True),
    "backbone-centred": RetrievalProtocol(layer="backbone", centre=True),
}


class Ranking(NamedTuple):
    """The k nearest gallery rows of every query, nearest first; equal ones in gallery order."""

    indices: Int[np.ndarray, "q k"]
    similarities: Float32[np.ndarray, "q k"]


@dataclass(frozen=True, kw_only=True)
class RetrievalScores:
    """What one retrieval gave, and by which protocol.

    Attributes:
        recall: R@k for each k, between 0 and 1.
        mean_average_precision: Over the whole ranked gallery; a query without a match counts 0.
        queries: Number of queries; all of them count.
        gallery: Number of gallery videos.
        unmatched_queries: Queries whose label no gallery video has: always misses.
        per_class_recall: R@1 of the queries of each label.
        protocol: The conditions in words.
    """

    recall: dict[int, float]
    mean_average_precision: float
    queries: int
    gallery: int
    unmatched_queries: int
    per_class_recall: dict[str, float]
    protocol: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the recalls are keyed ``"1"``, ``"5"``, ..."""
        return {
            "protocol": self.protocol,
            "recall": {str(k): value for k, value in self.recall.items()},
            "mean_average_precision": self.mean_average_precision,
            "queries": self.queries,
            "gallery": self.gallery,
            "unmatched_queries": self.unmatched_queries,
            "per_class_recall_at_1": dict(self.per_class_recall),
        }

    def table(self) -> str:
        """Return the scores in percent with their protocol, for a terminal."""
        names = [f"R@{k}" for k in self.recall] + ["mAP"]
        values = [*self.recall.values(), self.mean_average_precision]
        sizes = f"{self.queries} queries, gallery of {self.gallery}"
        if self.unmatched_queries:
            sizes += f"; {self.unmatched_queries} queries have no match in it and count as misses"
        width = max(map(len, self.per_class_recall))
        return "\n".join(
            [
                f"retrieval ({self.protocol})",
                sizes,
                "".join(f"{name:>8}" for name in names),
                "".join(f"{100 * value:>8.1f}" for value in values),
                "R@1 by label",
                *(f"  {name:<{width}} {100 * r:6.1f}" for name, r in self.per_class_recall.items()),
            ]
        )


def rank(
    queries: Float[np.ndarray, "q ... d"],
    gallery: Float[np.ndarray, "n ... d"],
    k: int,
    *,
    centre: bool = False,
) -> Ranking:
    """Return the k gallery videos of greatest cosine similarity for every query (all if k > n).

    Clip features (axes between the first and the last) are averaged first, then each side's mean
    vector is subtracted if ``centre`` is on. Memory grows with q·k, never with q·n.
    """
    k = min(k, len(gallery))
    indices = np.empty((len(queries), k), dtype=np.int64)
    similarities = np.empty((len(queries), k), dtype=np.float32)
    for block, values, order in _ranked_blocks(queries, gallery, centre=centre):
        similarities[block] = values[:, :k].numpy()
        indices[block] = order[:, :k].numpy()
    return Ranking(indices, similarities)


def evaluate(
    query_embeddings: Float[np.ndarray, "q ... d"],
    query_labels: Sequence[str],
    gallery_embeddings: Float[np.ndarray, "n ... d"],
    gallery_labels: Sequence[str],
    *,
    ks: Sequence[int] = RECALL_AT,
    centre: bool = False,
    protocol: str = "cosine, any match in the top k",
) -> RetrievalScores:
    """Score the retrieval of every query's label in the gallery.

    Args:
        query_embeddings: One vector a video, or one a clip, which are averaged.
        query_labels: Their labels.
        gallery_embeddings: As the queries.
        gallery_labels: Their labels.
        ks: The k of R@k; a k beyond the gallery means the whole gallery.
        centre: Subtract the queries' mean from the queries, the gallery's from the gallery.
        protocol: Words that are kept beside the numbers.
    """
    _require_one_label_each(query_embeddings, query_labels, "queries")
    _require_one_label_each(gallery_embeddings, gallery_labels, "gallery")
    names, code = np.unique([*query_labels, *gallery_labels], return_inverse=True)
    query_code = torch.from_numpy(code[: len(query_labels)])
    gallery_code = torch.from_numpy(code[len(query_labels) :])
    first_match, precision = [], []
    for block, _, order in _ranked_blocks(query_embeddings, gallery_embeddings, centre=centre):
        match = gallery_code[order] == query_code[block, None]
        first_match.append(_first_match(match))
        precision.append(_average_precision(match))
    first, average_precision = torch.cat(first_match), torch.cat(precision)
    hit = first == 1
    return RetrievalScores(
        recall={k: (first <= k).double().mean().item() for k in ks},
        mean_average_precision=average_precision.mean().item(),
        queries=len(query_labels),
        gallery=len(gallery_labels),
        unmatched_queries=int(first.isinf().sum()),
        per_class_recall={
            str(names[c]): hit[query_code == c].double().mean().item()
            for c in np.unique(code[: len(query_labels)]).tolist()
        },
        protocol=protocol,
    )


def _first_match(match: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Return the rank (from 1) of each query's first match, infinity where there is none."""
    first = match.byte().argmax(dim=1) + 1.0
    return first.where(match.any(dim=1), torch.inf)


def _average_precision(match: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Return the mean over the matches of the precision at their rank; 0 without a match."""
    found = match.cumsum(dim=1)
    precision = found / torch.arange(1, match.shape[1] + 1)
    return (precision * match).sum(dim=1).double() / found[:, -1].clamp(min=1)


def _ranked_blocks(
    queries: Float[np.ndarray, "q ... d"], gallery: Float[np.ndarray, "n ... d"], *, centre: bool
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield, for some queries at a time, all similarities in falling order and whose they are."""
    query, other = _unit(queries, centre=centre), _unit(gallery, centre=centre)
    rows = max(1, BLOCK_ELEMENTS // len(other))
    for start in range(0, len(query), rows):
        block = slice(start, min(start + rows, len(query)))
        values, order = (query[block] @ other.T).sort(dim=1, descending=True, stable=True)
        yield block, values, order


def _unit(embeddings: Float[np.ndarray, "n ... d"], *, centre: bool) -> Float[Tensor, "n d"]:
    """Average the clips of each video, centre the split if asked, and scale to length 1."""
    if embeddings.size == 0:
        raise SlicError(f"retrieval needs at least one video on each side, got {embeddings.shape}.")
    x = torch.from_numpy(np.asarray(embeddings, dtype=np.float32))
    if not x.isfinite().all():
        bad = (~x.flatten(1).isfinite().all(dim=1)).nonzero()[0].item()
        raise SlicError(f"the embedding of video {bad} is not finite; embed again with fp32.")
    x = x.reshape(len(x), -1, x.shape[-1]).mean(dim=1)
    return torch.nn.functional.normalize(x - x.mean(dim=0) if centre else x, dim=1)


def _require_one_label_each(embeddings: np.ndarray, labels: Sequence[str], side: str) -> None:
    if len(embeddings) != len(labels):
        raise ValueError(f"{side}: {len(embeddings)} embeddings but {len(labels)} labels")
