"""Labels of videos: what is requested must be there, and differences are described in one line."""

import pytest

from slic.datasets import Labels
from slic.errors import LabelError


def test_requested_labels_and_splits_must_exist() -> None:
    labels = Labels({"a.mp4": "walk"}, {"a.mp4": "train"})
    with pytest.raises(LabelError, match=r"1 of 2 videos have no label, the first is 'b.mp4'"):
        labels.labels_of(["a.mp4", "b.mp4"])
    with pytest.raises(LabelError, match="splits in the file: train"):
        labels.ids("test")


def test_a_mismatch_is_described_in_one_line() -> None:
    labels = Labels({"a": "walk", "b": "walk", "c": "run"}, {})
    assert labels.describe_mismatch(["c", "a", "b"]) is None
    assert labels.describe_mismatch(["a", "x"]) == (
        "2 of 3 listed videos are missing or unreadable, the first is 'b', and all of run; "
        "1 of 2 videos have no label and are ignored, the first is 'x'."
    )
    assert labels.describe_mismatch(["a", "c"]) == (
        "1 of 3 listed videos are missing or unreadable, the first is 'b'."
    )


def test_of_many_absent_classes_the_first_are_named() -> None:
    labels = Labels({f"{name}.mp4": name for name in "abcdefgh"}, {})
    assert str(labels.describe_mismatch(["h.mp4"])).endswith(
        "all of a, b, c, d, e and 2 more classes."
    )
