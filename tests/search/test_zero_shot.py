"""Classifying by class names: by hand, and the videos of an index by the colours they have."""

from pathlib import Path

import numpy as np
import pytest

from slic.errors import LabelError
from slic.search import Index, TextClassifier, classify_index, read_class_names


def test_a_moment_has_the_class_of_the_most_similar_text() -> None:
    texts = np.eye(2, dtype=np.float32)
    classifier = TextClassifier(["fall", "walk"], texts, {"motion": 1, "text": 2})
    fall, walk = classifier.predict(np.array([[9, 0.8, 0.6], [9, 0.6, 0.61]], np.float32))
    assert (fall.label, walk.label) == ("fall", "walk")
    assert fall.similarity == pytest.approx(0.8)
    e = np.exp([80.0, 60.0])
    assert fall.confidence == pytest.approx(e[0] / e.sum())
    e = np.exp([60.0, 61.0])
    assert walk.confidence == pytest.approx(e[1] / e.sum(), rel=1e-4)


def test_the_videos_of_an_index_are_classified_by_names(colour_index: Index) -> None:
    classifier = TextClassifier.from_index(
        colour_index, ["red", "blue", "green"], template="all {} now"
    )
    found = {video.path: video.label for video in classify_index(colour_index, classifier)}
    assert found == {"red.mp4": "red", "blue.mp4": "blue", "green.mp4": "green"}
    assert "3 classes; text 'all {} now'" in classifier.protocol
    with pytest.raises(LabelError, match=r"it must have \{\}"):
        TextClassifier.from_index(colour_index, ["red", "blue"], template="all")


def test_class_names_are_read_from_lines(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("fall\n\n  sit   down \nfall\n", encoding="utf-8-sig")
    assert read_class_names(path) == ["fall", "sit down"]
    path.write_text("fall\n")
    with pytest.raises(LabelError, match="1 class names; at least two"):
        read_class_names(path)
    with pytest.raises(LabelError, match="cannot be read"):
        read_class_names(tmp_path / "none.txt")
