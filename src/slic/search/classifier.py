"""A handful of labels makes a classifier, one that says "unknown" of what it has not seen.

The nearest labelled moments vote, each with weight exp(similarity / 0.07) (Wu et al., CVPR 2018).
What is farther from every labelled moment than labelled moments usually are from others of their label is
unknown. How far that is, and how often the votes are right, is found by leaving out: each labelled
moment is judged without its own video where its label has others, else without what overlaps it.
Copies of a file are one video: they share their labels, so each would vouch for the other.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from slic.errors import SearchError
from slic.search.index import Index
from slic.search.labels import Source, labels_of_moments, segments_of, write_labels

VOTERS = 10
TEMPERATURE = 0.07
KNOWN_SHARE = 0.95  # of the labelled moments that shall count as known when they are left out
MOST_LEFT_OUT = 1000
MOST_SPREAD_CONFIDENCE = 0.99  # only a person is sure
BLOCK = 1024


@dataclass(frozen=True)
class Prediction:
    """What a moment is.

    Attributes:
        label: The label, or None for unknown.
        confidence: Share of the votes for the guess, 0..1.
        similarity: Cosine similarity to the nearest labelled moment.
        guess: The label with most votes, whether or not it is near enough.
    """

    label: str | None
    confidence: float
    similarity: float
    guess: str


@dataclass(frozen=True)
class LeaveOneOutScores:
    """How labelled moments fare when they are left out: shares that add up to 1."""

    right: float
    wrong: float
    unknown: float


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Moments that a person labelled: their labels, unit embeddings, videos, and times in seconds.

    Copies of a file have the same number in ``videos``.
    """

    labels: tuple[str, ...]
    vectors: Float32[np.ndarray, "n d"]
    videos: Int64[np.ndarray, " n"]
    start_seconds: np.ndarray
    end_seconds: np.ndarray


class MomentClassifier:
    """The votes of the nearest labelled moments.

    Attributes:
        labels: The labels it can give, sorted.
        threshold: Cosine similarity below which a moment is unknown.
        check: What leaving out showed.
    """

    def __init__(self, examples: Examples, *, seed: int = 0) -> None:
        self.labels = sorted(set(examples.labels))
        self._vectors = examples.vectors
        self._labels = np.array([self.labels.index(label) for label in examples.labels])
        left_out = np.random.default_rng(seed).permutation(len(self._labels))[:MOST_LEFT_OUT]
        similarity = examples.vectors[left_out] @ examples.vectors.T
        similarity[_not_to_be_asked(examples, self._labels, left_out)] = -np.inf
        self.threshold = self._usual_similarity(similarity, left_out)
        self.check = self._checked(similarity, left_out)

    @classmethod
    def from_index(cls, index: Index, *, seed: int = 0) -> "MomentClassifier":
        """Learn from the labels that a person gave, not from those that were spread.

        Raises:
            SearchError: Fewer than two moments were labelled.
        """
        labelled = {
            i: label for i, label in labels_of_moments(index).items() if label.source == "given"
        }
        ids = sorted(labelled)
        if len(ids) < 2:
            raise SearchError(
                f"{index.path}: {len(ids)} moments are labelled, at least 2 are needed; "
                "label some with `slic label` or in the studio."
            )
        segments = segments_of(index, ids)
        contents = [segment.content_id for segment in segments]
        examples = Examples(
            labels=tuple(labelled[i].label for i in ids),
            vectors=index.vectors(ids),
            videos=np.unique(contents, return_inverse=True)[1],
            start_seconds=np.array([segment.start_seconds for segment in segments]),
            end_seconds=np.array([segment.end_seconds for segment in segments]),
        )
        return cls(examples, seed=seed)

    def predict(self, vectors: Float32[np.ndarray, "n d"]) -> list[Prediction]:
        """Return what each of the unit embeddings is."""
        found = []
        for start in range(0, len(vectors), BLOCK):
            similarity = vectors[start : start + BLOCK] @ self._vectors.T
            shares = self._shares(similarity)
            for row, nearest in zip(shares, similarity.max(axis=1).tolist(), strict=True):
                guess, confidence = self.labels[int(row.argmax())], float(row.max())
                label = guess if nearest >= self.threshold else None
                found.append(Prediction(label, confidence, nearest, guess))
        return found

    def _shares(self, similarity: Float32[np.ndarray, "m n"]) -> Float32[np.ndarray, "m labels"]:
        """Return the share of the votes that every label gets."""
        voters = np.argsort(-similarity, axis=1, kind="stable")[:, :VOTERS]
        near = np.take_along_axis(similarity, voters, axis=1)
        nearest = np.maximum(near[:, :1], -1.0)  # nobody to ask: all weights are 0
        weight = np.exp((near - nearest) / TEMPERATURE)
        shares = np.zeros((len(similarity), len(self.labels)), dtype=np.float32)
        np.add.at(shares, (np.arange(len(voters))[:, None], self._labels[voters]), weight)
        total = shares.sum(axis=1, keepdims=True)
        normed: Float32[np.ndarray, "m labels"] = shares / np.where(total > 0, total, 1.0)
        return normed

    def _usual_similarity(
        self, similarity: Float32[np.ndarray, "m n"], left_out: Int64[np.ndarray, " m"]
    ) -> float:
        """Return how near the left out ones of `KNOWN_SHARE` are to another of their label."""
        same = self._labels[left_out][:, None] == self._labels
        near = np.where(same, similarity, -np.inf).max(axis=1)
        if np.isfinite(near).any():
            return float(np.quantile(near[np.isfinite(near)], 1.0 - KNOWN_SHARE))
        others = similarity[np.isfinite(similarity)]
        # One moment a label: nothing tells how much a label varies. Be nearer than other labels are.
        return float((1.0 + others.max(initial=0.0)) / 2)

    def _checked(
        self, similarity: Float32[np.ndarray, "m n"], left_out: Int64[np.ndarray, " m"]
    ) -> LeaveOneOutScores:
        right = self._shares(similarity).argmax(axis=1) == self._labels[left_out]
        known = similarity.max(axis=1) >= self.threshold
        return LeaveOneOutScores(
            right=float((known & right).mean()),
            wrong=float((known & ~right).mean()),
            unknown=float((~known).mean()),
        )


def spread_labels(index: Index, *, least_confidence: float = 0.5) -> int:
    """Label the unlabelled moments that the classifier is sure enough of; return how many.

    Labels that were spread before are replaced; `undo` brings them back.

    Raises:
        SearchError: Fewer than two moments were labelled.
    """
    classifier = MomentClassifier.from_index(index)
    given = [i for i, label in labels_of_moments(index).items() if label.source == "given"]
    ids, vectors = index.all_vectors()
    unlabelled = ~np.isin(ids, given)
    predictions = classifier.predict(vectors[unlabelled])
    chosen = [
        (int(moment), prediction)
        for moment, prediction in zip(ids[unlabelled], predictions, strict=True)
        if prediction.label is not None and prediction.confidence >= least_confidence
    ]
    segments = segments_of(index, [moment for moment, _ in chosen])
    source: Source = "spread"
    entries = (
        (segment, prediction.guess, min(prediction.confidence, MOST_SPREAD_CONFIDENCE), source)
        for segment, (_, prediction) in zip(segments, chosen, strict=True)
    )
    return write_labels(index, entries, instead_of_spread=True)


def _not_to_be_asked(
    examples: Examples, labels: Int64[np.ndarray, " n"], left_out: Int64[np.ndarray, " m"]
) -> Bool[np.ndarray, "m n"]:
    """Say which examples tell too much about a left out one: see the module."""
    same_video = examples.videos[left_out][:, None] == examples.videos
    overlapping = (
        same_video
        & (examples.start_seconds[left_out][:, None] < examples.end_seconds)
        & (examples.start_seconds < examples.end_seconds[left_out][:, None])
    )
    same_name = labels[left_out][:, None] == labels
    elsewhere = (same_name & ~same_video).any(axis=1, keepdims=True)
    asked_not: Bool[np.ndarray, "m n"] = np.where(elsewhere, same_video, overlapping)
    return asked_not
