"""What the labels of an index say about each other: right, wrong or unknown by leave-one-out."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from slic.search import MomentClassifier
from slic.search.classifier import given_labels
from slic.studio.state import Studio

MAX_CHECKED = 5000
"""Labelled moments that are left out, one after the other; of more, a random sample is."""

Verdict = Literal["right", "wrong", "unknown"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class Checked(NamedTuple):
    """How a labelled moment is classified without itself.

    Attributes:
        moment: Its id.
        label: The label that a person gave.
        guess: The class that the other labels vote for; None if none of them may vote.
        confidence: Share of the votes for the guess, in [0, 1].
        verdict: Whether the guess is the label, or the moment is like no labelled one.
    """

    moment: int
    label: str
    guess: str | None
    confidence: float
    verdict: Verdict


@dataclass(frozen=True)
class LabelledMoments:
    """The labels that a person gave, and the classifier that follows from them.

    Attributes:
        labels: Label of every labelled moment, by id.
        classifier: The classifier; None if fewer than two moments are labelled.
    """

    labels: dict[int, str]
    classifier: MomentClassifier | None

    def check(self) -> Iterator[Checked]:
        """Yield how every moment that was left out is classified, in no certain order."""
        if self.classifier is None:
            for moment, label in self.labels.items():
                yield Checked(moment, label, None, 0.0, "unknown")
            return
        ids, classes, left_out = list(self.labels), self.classifier.labels, self.classifier.left_out
        rows = zip(*(column.tolist() for column in left_out), strict=True)
        for position, guess, confidence, known, correct in rows:
            verdict: Verdict = "unknown" if not known else "right" if correct else "wrong"
            guessed = classes[guess] if confidence > 0 else None
            moment = ids[position]
            yield Checked(moment, self.labels[moment], guessed, confidence, verdict)


def labelled_moments(studio: Studio) -> LabelledMoments:
    """Return the current labels and their classifier, cached until the index changes."""

    def make() -> LabelledMoments:
        labels = given_labels(studio.index)
        if len(labels) < 2:
            return LabelledMoments(labels, None)
        classifier = MomentClassifier.from_moments(
            studio.index, labels, weights=studio.weights, max_left_out=MAX_CHECKED
        )
        return LabelledMoments(labels, classifier)

    return studio.cached("labelled", make)


def count_verdicts(found: LabelledMoments) -> dict[str, Any]:
    """Return how many labelled moments are right, wrong and unknown, in all and by label.

    Returns:
        ``labelled``: moments with a label that a person gave. ``checked``: those that were left
        out. ``right``, ``wrong`` and ``unknown`` of these. ``labels``: the same for each label,
        with ``moments``, in alphabetical order.
    """
    sizes = Counter(found.labels.values())
    verdicts: defaultdict[str, Counter[Verdict]] = defaultdict(Counter)
    for checked in found.check():
        verdicts[checked.label][checked.verdict] += 1
    total: Counter[Verdict] = sum(verdicts.values(), Counter())
    return {
        "labelled": len(found.labels),
        "checked": total.total(),
        **{verdict: total[verdict] for verdict in VERDICTS},
        "labels": [
            {"label": label, "moments": sizes[label]}
            | {verdict: verdicts[label][verdict] for verdict in VERDICTS}
            for label in sorted(sizes)
        ],
    }
