"""Which moments to label next: those that teach the classifier most.

This is uncertainty herding (Bae et al., "Uncertainty Herding: One Active Learning Method for All
Label Budgets", ICLR 2025). A labelled moment covers the moments that are similar to it. The next
moment is the one that adds most coverage, where an uncertain moment counts more than a certain one:

    gain(c) = sum over x of  weight(x) * uncertainty(x) * max(0, kernel(x, c) - covered(x))
    kernel(x, c) = exp(-(1 - similarity(x, c)) / width)
    uncertainty(x) = 1 - accuracy * margin(x)

``covered`` is the kernel to the nearest labelled moment. ``margin`` is the share of the votes of
the first class minus that of the second. ``accuracy`` is the classifier's own, by leave-one-out: a
classifier that is often wrong is not trusted to be certain. Without two classes, everything is
equally uncertain. Then typical and varied moments come first (MaxHerding, Bae et al., ECCV 2024).
All moments of a video weigh as much as one video, and copies of a file count as one.
`docs/how-to/studio.md` compares the order with a random one.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from slic.search.classifier import MomentClassifier
from slic.search.index import Index
from slic.search.labels import segments_of
from slic.search.parts import Weights, vector_factors

POOL_MOMENTS = 3000
"""Moments that are compared at a time; a larger index is worked through in random parts."""
KERNEL_WIDTH = 0.5
"""Width of the kernel, as a share of the median distance (1 - similarity) in the pool."""
SPACING = 3
"""Moments of a video have at least so many of other videos between them, if there are others."""
_DISTANCE_SAMPLE = 1000  # moments whose distances give the median


@dataclass(frozen=True, eq=False)
class Pool:
    """The moments among which the next ones are chosen.

    Attributes:
        ids: Ids of the moments.
        vectors: Their vectors, of unit parts.
        content: Number of the content that each is a part of.
        kernel: Kernel of each pair, in [0, 1].
        width: Distance at which the kernel is 1/e.
    """

    ids: Int64[np.ndarray, " n"]
    vectors: Float32[np.ndarray, "n d"]
    content: Int64[np.ndarray, " n"]
    kernel: Float32[np.ndarray, "n n"]
    width: float

    def kernel_of(self, similarity: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
        """Return the kernel of similarities; 0 for -inf."""
        kernel: Float32[np.ndarray, " n"] = np.exp(-np.maximum(1.0 - similarity, 0.0) / self.width)
        return kernel


class LabelQueue:
    """The unlabelled moments of an index in the order in which to label them.

    The order depends only on the index, its labels, the arguments and the seed. Calls from several
    threads wait for each other.

    Args:
        index: The index.
        weights: Weights of the parts of a vector; None weights them equally.
        pool_moments: Moments that are compared at a time.
        seed: Seed of the random parts of a large index.

    Raises:
        SearchError: A weight is invalid.

    Example:
        >>> queue = LabelQueue(index)
        >>> queue.next_moments(given_labels(index), k=5)
        [17, 4, 96, 51, 33]
    """

    def __init__(
        self,
        index: Index,
        *,
        weights: Weights | None = None,
        pool_moments: int = POOL_MOMENTS,
        seed: int = 0,
    ) -> None:
        self._index = index
        self._factors = vector_factors(index.parts, weights)
        self._pool_moments = pool_moments
        self._seed = seed
        self._pool: Pool | None = None
        self._all_ids: tuple[int, Int64[np.ndarray, " n"]] | None = None
        self._lock = threading.Lock()

    def next_moments(
        self,
        labelled: Collection[int],
        classifier: MomentClassifier | None = None,
        *,
        k: int,
        ahead: Sequence[int] = (),
        skipped: Collection[int] = (),
        among: Int64[np.ndarray, " m"] | None = None,
    ) -> list[int]:
        """Return the ids of the moments to label next, best first.

        Args:
            labelled: Ids of the moments that are labelled.
            classifier: The classifier of their labels; None if there are not two of them yet.
            k: Number of moments.
            ahead: Moments that are labelled before these, because a page shows them already. Ids
                that do not exist are ignored.
            skipped: Moments to leave out.
            among: Moments to choose from; None chooses from the whole index.

        Returns:
            Fewer than ``k`` ids if no more are left in the pool.

        Raises:
            SearchError: A moment of ``labelled`` does not exist.
        """
        excluded = np.array([*labelled, *skipped, *ahead], dtype=np.int64)
        with self._lock:
            pool = self._draw_pool(self._ids() if among is None else among, excluded)
            shown = excluded[len(excluded) - len(ahead) :]
            ahead = np.intersect1d(shown, self._ids()).tolist()
        uncertainty = np.ones(len(pool.ids), np.float32)
        nearest = self._nearest(pool, ahead if classifier else [*labelled, *ahead])
        if classifier is not None:
            votes = classifier.votes(pool.vectors)
            uncertainty = uncertainty_of(votes.shares, _accuracy(classifier))
            nearest = np.maximum(nearest, votes.similarity)
        allowed = ~np.isin(pool.ids, excluded)
        chosen = herd(pool, uncertainty, covered=pool.kernel_of(nearest), allowed=allowed, k=k)
        ids: list[int] = pool.ids[chosen].tolist()
        return ids

    def _nearest(self, pool: Pool, ids: Sequence[int]) -> Float32[np.ndarray, " n"]:
        """Return the similarity of each moment of the pool to the nearest of some moments."""
        if not ids:
            return np.full(len(pool.ids), -np.inf, np.float32)
        vectors = self._index.vectors(ids) * self._factors
        similarity = (pool.vectors * self._factors) @ vectors.T
        nearest: Float32[np.ndarray, " n"] = similarity.max(axis=1)
        return nearest

    def _ids(self) -> Int64[np.ndarray, " n"]:
        """Return the ids of all moments, read again when moments were added or removed."""
        generation = self._index.generation
        if self._all_ids is None or self._all_ids[0] != generation:
            self._all_ids = generation, self._index.ids()
        return self._all_ids[1]

    def _draw_pool(self, ids: Int64[np.ndarray, " n"], excluded: Int64[np.ndarray, " e"]) -> Pool:
        """Return the first random part of the moments of which half is still to be labelled.

        If there is none, it is the part of which most is.
        """
        shuffled = np.random.default_rng(self._seed).permutation(np.sort(ids))
        open_ = ~np.isin(shuffled, excluded)
        starts = range(0, max(1, len(ids)), self._pool_moments)
        parts = [slice(start, start + self._pool_moments) for start in starts]
        left = [int(open_[part].sum()) for part in parts]
        halves = [n for n, part in enumerate(parts) if 2 * left[n] >= len(shuffled[part])]
        chosen = shuffled[parts[halves[0] if halves else int(np.argmax(left))]]
        if self._pool is None or not np.array_equal(self._pool.ids, chosen):
            self._pool = self._make_pool(chosen)
        return self._pool

    def _make_pool(self, ids: Int64[np.ndarray, " n"]) -> Pool:
        vectors = self._index.vectors(ids)
        contents = [segment.content_id for segment in segments_of(self._index, ids.tolist())]
        content = np.unique(contents, return_inverse=True)[1].astype(np.int64).reshape(-1)
        scaled = vectors * self._factors
        distance = np.maximum(1.0 - scaled @ scaled.T, 0.0)
        width = KERNEL_WIDTH * _median_distance(distance)
        np.divide(distance, -width, out=distance)
        return Pool(ids, vectors, content, np.exp(distance, out=distance), width)


def uncertainty_of(
    shares: Float32[np.ndarray, "n classes"], accuracy: float
) -> Float32[np.ndarray, " n"]:
    """Return ``1 - accuracy * margin`` of each moment; 1 if there are not two classes.

    Args:
        shares: Share of the votes of every class.
        accuracy: The classifier's share of right guesses, in [0, 1].
    """
    if shares.shape[1] < 2:
        return np.ones(len(shares), np.float32)
    second, first = np.partition(shares, -2, axis=1)[:, -2:].T
    uncertainty: Float32[np.ndarray, " n"] = (1.0 - accuracy * (first - second)).astype(np.float32)
    return uncertainty


def herd(
    pool: Pool,
    uncertainty: Float32[np.ndarray, " n"],
    *,
    covered: Float32[np.ndarray, " n"],
    allowed: Bool[np.ndarray, " n"],
    k: int,
) -> list[int]:
    """Return the positions in a pool of the moments that add most coverage, one after the other.

    Coverage is submodular, so a gain never grows. Only the gains that lead are computed anew
    (Minoux, "Accelerated greedy algorithms", 1978), with the same result as computing all.

    Args:
        pool: The moments.
        uncertainty: How uncertain each is.
        covered: Kernel of each to the nearest moment that is labelled.
        allowed: Which may be chosen.
        k: Number to choose.
    """
    weight = (uncertainty / np.bincount(pool.content)[pool.content]).astype(np.float32)
    covered = covered.copy()
    gains = _gains(pool.kernel, weight, covered)
    chosen: list[int] = []
    left = allowed.copy()
    while len(chosen) < k and left.any():
        recent = pool.content[chosen[-SPACING:]]
        apart = left & ~np.isin(pool.content, recent)
        best = _best(pool.kernel, weight, covered, gains, apart if apart.any() else left)
        chosen.append(best)
        left[best] = False
        np.maximum(covered, pool.kernel[best], out=covered)
    return chosen


def _gains(
    kernel: Float32[np.ndarray, "n n"],
    weight: Float32[np.ndarray, " n"],
    covered: Float32[np.ndarray, " n"],
) -> Float32[np.ndarray, " n"]:
    added = kernel - covered  # the kernel is symmetric: a row is a candidate
    gains: Float32[np.ndarray, " n"] = np.maximum(added, 0.0, out=added) @ weight
    return gains


def _best(
    kernel: Float32[np.ndarray, "n n"],
    weight: Float32[np.ndarray, " n"],
    covered: Float32[np.ndarray, " n"],
    gains: Float32[np.ndarray, " n"],
    allowed: Bool[np.ndarray, " n"],
) -> int:
    """Return the allowed candidate of greatest gain, and bring the gains that lead up to date."""
    bounds = np.where(allowed, gains, -np.inf)
    fresh: set[int] = set()
    while (best := int(bounds.argmax())) not in fresh:
        fresh.add(best)
        gains[best] = bounds[best] = np.maximum(kernel[best] - covered, 0.0) @ weight
    return best


def _accuracy(classifier: MomentClassifier) -> float:
    """Return the share of right guesses by leave-one-out, also of those below the threshold."""
    return float(classifier.left_out.correct.mean())


def _median_distance(distance: Float32[np.ndarray, "n n"]) -> float:
    """Return the median distance of pairs; 1 if all are equal."""
    part = distance[:_DISTANCE_SAMPLE, :_DISTANCE_SAMPLE]
    pairs = part[np.triu_indices(len(part), k=1)]
    median = float(np.median(pairs)) if len(pairs) else 0.0
    return median if median > 0 else 1.0
