"""A classifier made from a few labelled moments, which answers "unknown" for other kinds.

The nearest labelled moments vote, each with weight exp(similarity / 0.07) (Wu et al., CVPR 2018).
A moment is unknown if its nearest labelled moment is less similar than is usual within a class.
The threshold for that, and the accuracy of the votes, are found by leaving out. Every labelled
moment is classified without those of its own video, if its class has others, else without those
that overlap it. Copies of a file count as one video, because they share their labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

from slic.errors import LabelError
from slic.neighbours.exact import NearestRows, merge_nearest, nearest_rows
from slic.search.index import Index
from slic.search.labels import labels_of_moments, segments_of, write_labels
from slic.search.parts import Weights, vector_factors
from slic.search.repository.labels import LabelValue, Segment

VOTERS = 10
VOTE_TEMPERATURE = 0.07
KNOWN_SHARE = 0.95  # of the labelled moments, when left out, that are above the threshold
MAX_LEFT_OUT = 1000  # labelled moments that are left out, drawn at random
MAX_SPREAD_CONFIDENCE = 0.99  # 1 is for labels that a person gave
_ROWS_PER_BLOCK = 1024


@dataclass(frozen=True)
class Prediction:
    """The predicted class of a moment.

    Attributes:
        label: The class, or None for unknown.
        confidence: Share of the votes for ``guess``, in [0, 1].
        similarity: Similarity to the nearest labelled moment, or to the text of the class.
        guess: The class with most votes, even where the moment is unknown.
    """

    label: str | None
    confidence: float
    similarity: float
    guess: str


@dataclass(frozen=True)
class LeaveOneOutScores:
    """How labelled moments are classified when they are left out: shares that add up to 1.

    Attributes:
        correct: Share with the right label.
        wrong: Share with another label.
        unknown: Share below the threshold, whatever their guess.
    """

    correct: float
    wrong: float
    unknown: float


class Votes(NamedTuple):
    """The votes of the nearest labelled moments, for each of m moments.

    Attributes:
        shares: Share of the votes of every class, in [0, 1]; rows of zeros where nobody may vote.
        similarity: Similarity to the nearest labelled moment that may vote; -inf if there is none.
    """

    shares: Float32[np.ndarray, "m classes"]
    similarity: Float32[np.ndarray, " m"]


class LeftOut(NamedTuple):
    """How labelled moments are classified when each is left out.

    Attributes:
        position: Which labelled moments, in the order of the classifier's input.
        guess: The class with most votes, a position in the classifier's ``labels``.
        confidence: Share of the votes for it, in [0, 1]; 0 where nobody may vote.
        known: Whether the nearest labelled moment is above the threshold.
        correct: Whether the guess is the own label, known or not.
    """

    position: Int64[np.ndarray, " m"]
    guess: Int64[np.ndarray, " m"]
    confidence: Float32[np.ndarray, " m"]
    known: Bool[np.ndarray, " m"]
    correct: Bool[np.ndarray, " m"]


class MomentClassifier:
    """A classifier by the votes of the nearest labelled moments.

    Args:
        labels: Classes of the labelled moments.
        vectors: Their vectors.
        segments: Their contents and times.
        factors: What to multiply all vectors with, to weight their parts; see
            `slic.search.parts.vector_factors`.
        max_left_out: Labelled moments that are left out; of more, a random sample is.
        seed: Seed of that sample.

    Attributes:
        labels: The classes, sorted.
        threshold: Cosine similarity below which a moment is unknown.
        left_out: How each labelled moment is classified when it is left out.
        scores: The same as shares of all that were left out.

    Example:
        >>> classifier = MomentClassifier.from_index(index)
        >>> classifier.predict(index.vectors([1]))[0].label
        'wave'
    """

    def __init__(
        self,
        labels: Sequence[str],
        vectors: Float32[np.ndarray, "n d"],
        segments: Sequence[Segment],
        *,
        factors: Float32[np.ndarray, " d"] | float = 1.0,
        max_left_out: int = MAX_LEFT_OUT,
        seed: int = 0,
    ) -> None:
        self.labels = sorted(set(labels))
        self._factors = factors
        self._vectors = vectors = vectors * factors
        self._classes = np.array([self.labels.index(label) for label in labels])
        left_out = np.random.default_rng(seed).permutation(len(self._classes))[:max_left_out]
        similarity = vectors[left_out] @ vectors.T
        similarity[_excluded_voters(segments, self._classes, left_out)] = -np.inf
        self.threshold = self._find_threshold(similarity, left_out)
        self.left_out = self._classify_left_out(similarity, left_out)
        known, correct = self.left_out.known, self.left_out.correct
        self.scores = LeaveOneOutScores(
            correct=float((known & correct).mean()),
            wrong=float((known & ~correct).mean()),
            unknown=float((~known).mean()),
        )

    @classmethod
    def from_index(
        cls,
        index: Index,
        *,
        weights: Weights | None = None,
        max_left_out: int = MAX_LEFT_OUT,
        seed: int = 0,
    ) -> "MomentClassifier":
        """Return the classifier of the labels that a person gave, without those that were spread.

        Args:
            index: The index.
            weights: Weights of the parts of a vector; None weights them equally.
            max_left_out: See the class.
            seed: See the class.

        Raises:
            LabelError: Fewer than two moments are labelled.
            SearchError: A weight is invalid.
        """
        given = given_labels(index)
        if len(given) < 2:
            raise LabelError(
                f"{index.path}: {len(given)} moments are labelled, at least 2 are needed; "
                "label some with `slic labels set` or in the studio."
            )
        return cls.from_moments(index, given, weights=weights, max_left_out=max_left_out, seed=seed)

    @classmethod
    def from_moments(
        cls,
        index: Index,
        labels: Mapping[int, str],
        *,
        weights: Weights | None = None,
        max_left_out: int = MAX_LEFT_OUT,
        seed: int = 0,
    ) -> "MomentClassifier":
        """Return the classifier of certain labels, whatever else is labelled.

        Args:
            index: The index.
            labels: Labels of at least two of its moments, by moment id.
            weights: Weights of the parts of a vector; None weights them equally.
            max_left_out: See the class.
            seed: See the class.

        Raises:
            SearchError: A weight is invalid, or there is no such moment.
        """
        ids, factors = list(labels), vector_factors(index.parts, weights)
        return cls(
            list(labels.values()),
            index.vectors(ids),
            segments_of(index, ids),
            factors=factors,
            max_left_out=max_left_out,
            seed=seed,
        )

    def predict(self, vectors: Float32[np.ndarray, "n d"]) -> list[Prediction]:
        """Return a prediction for each moment.

        Args:
            vectors: Vectors of the moments.
        """
        shares, nearest = self.votes(vectors)
        predictions = []
        for row, similarity in zip(shares, nearest.tolist(), strict=True):
            guess, confidence = self.labels[int(row.argmax())], float(row.max())
            label = guess if similarity >= self.threshold else None
            predictions.append(Prediction(label, confidence, similarity, guess))
        return predictions

    def votes(self, vectors: Float32[np.ndarray, "m d"]) -> Votes:
        """Return the votes on each moment.

        Args:
            vectors: Vectors of the moments.
        """
        shares = np.empty((len(vectors), len(self.labels)), np.float32)
        similarity = np.empty(len(vectors), np.float32)
        for start in range(0, len(vectors), _ROWS_PER_BLOCK):
            block = slice(start, start + _ROWS_PER_BLOCK)
            voters = nearest_rows(vectors[block] * self._factors, self._vectors, VOTERS)
            shares[block], similarity[block] = self._vote(voters), voters.similarities[:, 0]
        return Votes(shares, similarity)

    def _vote(self, voters: NearestRows) -> Float32[np.ndarray, "m classes"]:
        """Return the share of the votes of every class."""
        indices, near = voters
        nearest = np.maximum(near[:, :1], -1.0)  # without voters (-inf) all weights become 0
        weight = np.exp((near - nearest) / VOTE_TEMPERATURE)
        shares = np.zeros((len(near), len(self.labels)), dtype=np.float32)
        np.add.at(shares, (np.arange(len(near))[:, None], self._classes[indices]), weight)
        total = shares.sum(axis=1, keepdims=True)
        return np.asarray(shares / np.where(total > 0, total, 1.0))

    def _find_threshold(
        self, similarity: Float32[np.ndarray, "m n"], left_out: Int64[np.ndarray, " m"]
    ) -> float:
        """Return the similarity to the own class that `KNOWN_SHARE` of the left-out exceed."""
        same_class = self._classes[left_out][:, None] == self._classes
        nearest = np.where(same_class, similarity, -np.inf).max(axis=1)
        if np.isfinite(nearest).any():
            return float(np.quantile(nearest[np.isfinite(nearest)], 1.0 - KNOWN_SHARE))
        # With one moment per class, nothing shows how much a class varies. A moment must then be
        # nearer than half-way to the nearest moment of another class.
        others = similarity[np.isfinite(similarity)]
        return float((1.0 + others.max(initial=0.0)) / 2)

    def _classify_left_out(
        self, similarity: Float32[np.ndarray, "m n"], left_out: Int64[np.ndarray, " m"]
    ) -> LeftOut:
        nobody, positions = NearestRows.none_yet(len(similarity)), np.arange(similarity.shape[1])
        voters = merge_nearest(nobody, similarity, positions, k=VOTERS)
        shares = self._vote(voters)
        guess, confidence = shares.argmax(axis=1), shares.max(axis=1)
        known = similarity.max(axis=1) >= self.threshold
        correct = (guess == self._classes[left_out]) & (confidence > 0)
        return LeftOut(left_out, guess, confidence, known, correct)


def given_labels(index: Index) -> dict[int, str]:
    """Return the labels that a person gave, without those that were spread, by moment id."""
    labels = labels_of_moments(index)
    return {i: labels[i].label for i in sorted(labels) if labels[i].source == "given"}


def spread_labels(
    index: Index, *, min_confidence: float = 0.5, weights: Weights | None = None
) -> int:
    """Label the unlabelled moments that the classifier is confident about.

    Labels that were spread before are replaced. `undo_label_change` restores them.

    Args:
        index: The index.
        min_confidence: Least share of the votes, in [0, 1].
        weights: Weights of the parts of a vector; None weights them equally.

    Returns:
        The number of moments that were labelled.

    Raises:
        LabelError: Fewer than two moments are labelled.
    """
    classifier = MomentClassifier.from_index(index, weights=weights)
    ids, vectors = index.all_vectors()
    unlabelled = ~np.isin(ids, list(given_labels(index)))
    predictions = classifier.predict(vectors[unlabelled])
    chosen = [
        (int(moment), prediction)
        for moment, prediction in zip(ids[unlabelled], predictions, strict=True)
        if prediction.label is not None and prediction.confidence >= min_confidence
    ]
    segments = segments_of(index, [moment for moment, _ in chosen])
    labels = [
        (segment, LabelValue(p.guess, min(p.confidence, MAX_SPREAD_CONFIDENCE), "spread"))
        for segment, (_, p) in zip(segments, chosen, strict=True)
    ]
    return write_labels(index, labels, replace_spread=True).moments


def _excluded_voters(
    segments: Sequence[Segment],
    classes: Int64[np.ndarray, " n"],
    left_out: Int64[np.ndarray, " m"],
) -> Bool[np.ndarray, "m n"]:
    """Return which labelled moments may not vote on a left-out one, see the module."""
    content = np.unique([segment.content_id for segment in segments], return_inverse=True)[1]
    start, end = np.array([segment[1:] for segment in segments]).T
    same_content = content[left_out][:, None] == content
    overlapping = same_content & (start[left_out][:, None] < end) & (start < end[left_out][:, None])
    same_class = classes[left_out][:, None] == classes
    has_others = (same_class & ~same_content).any(axis=1, keepdims=True)
    excluded: Bool[np.ndarray, "m n"] = np.where(has_others, same_content, overlapping)
    return excluded
