"""Classifying moments by class names alone, with an encoder that embeds text (zero-shot).

A moment has the class whose text is most similar to its vector in the space of texts (Radford et
al., ICML 2021). Nothing is unknown: every moment has one of the given classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from slic.errors import LabelError
from slic.files import reason_of
from slic.neighbours.rows import slices_of
from slic.search.classifier import Prediction
from slic.search.index import Index
from slic.search.labels import clean_label
from slic.search.parts import TEXT_PART
from slic.search.query import embed_texts

DEFAULT_TEMPLATE = "a video of a person {}"
SOFTMAX_TEMPERATURE = 0.01  # that of the published models, whose logits are 100 times the cosine


class TextClassifier:
    """A classifier by the similarity to texts of the class names.

    Args:
        labels: The class names.
        texts: Unit embeddings of their texts.
        parts: Names and lengths of the parts of a moment's vector.
        template: The text of a class, with ``{}`` in the place of its name.

    Attributes:
        labels: The class names.
        template: The text of a class.

    Example:
        >>> classifier = TextClassifier.from_index(index, ["falling", "walking"])
        >>> classifier.predict(index.vectors([1]))[0].label
        'walking'
    """

    def __init__(
        self,
        labels: Sequence[str],
        texts: Float32[np.ndarray, "c e"],
        parts: Mapping[str, int],
        *,
        template: str = DEFAULT_TEMPLATE,
    ) -> None:
        self.labels = list(labels)
        self.template = template
        self._texts = texts
        self._part = slices_of(parts)[TEXT_PART]

    @classmethod
    def from_index(
        cls, index: Index, labels: Sequence[str], *, template: str = DEFAULT_TEMPLATE
    ) -> "TextClassifier":
        """Return the classifier of class names, whose texts the encoder of an index embeds.

        Raises:
            SearchError: The encoder of the index has no text tower.
            LabelError: The template has no ``{}``.
        """
        if "{}" not in template:
            raise LabelError(f"template {template!r}: it must have {{}} in the place of the class.")
        texts = embed_texts(index, [template.replace("{}", label) for label in labels])
        return cls(labels, texts, index.parts, template=template)

    @property
    def protocol(self) -> str:
        """What the predictions are, in one paragraph."""
        return (
            f"Protocol: zero-shot, without labelled examples. {len(self.labels)} classes; text "
            f"{self.template!r}; a moment has the class of greatest cosine similarity between its "
            "vector and the text, so none is unknown; confidence is the softmax over the classes "
            f"of cosine / {SOFTMAX_TEMPERATURE:g}; a video has the class of most of its moments."
        )

    def predict(self, vectors: Float32[np.ndarray, "n d"]) -> list[Prediction]:
        """Return a prediction for each moment.

        Args:
            vectors: Vectors of the moments, of unit parts.
        """
        similarity = vectors[:, self._part] @ self._texts.T
        logits = (similarity - similarity.max(axis=1, keepdims=True)) / SOFTMAX_TEMPERATURE
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        predictions = []
        for row, share in zip(similarity, shares, strict=True):
            best = int(row.argmax())
            label = self.labels[best]
            predictions.append(Prediction(label, float(share[best]), float(row[best]), label))
        return predictions


def read_class_names(path: Path) -> list[str]:
    """Return the class names of a text file: one on a line; empty lines are passed over.

    Raises:
        LabelError: The file cannot be read, or has fewer than two different names.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "not UTF-8 text"
        raise LabelError(f"{path}: the class names cannot be read ({reason}).") from error
    try:
        names = list(dict.fromkeys(clean_label(line) for line in lines if line.strip()))
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from error
    if len(names) < 2:
        raise LabelError(
            f"{path}: {len(names)} class names; at least two are needed, one on a line."
        )
    return names
