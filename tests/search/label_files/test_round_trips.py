"""1,000 labels with odd names go out in every format and come back: nothing is lost."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.search import LABEL_FILES, Index, Label, export_labels, import_labels, list_labels

MakeIndex = Callable[[Path], Index]
BY_FRAME = ("label-studio", "cvat")


def tolerance(index: Index, content_id: str, format_name: str) -> float:
    """Return how far a time may move: half the longest frame in formats that count frames."""
    if format_name not in BY_FRAME:
        return 0.0
    (video,) = (v.video for v in index.videos() if v.content_id == content_id)
    longest = float(np.diff(video.edge_seconds).max())
    return (1 / video.fps if format_name == "label-studio" else longest) / 2 + 1e-9


def require_equal(index: Index, before: list[Label], after: list[Label], name: str) -> None:
    """Require the same labels of the same contents, with times within the tolerance."""
    unmatched = defaultdict(list)
    for label in after:
        unmatched[everything_but_times(label)].append(label)
    for wanted in before:
        within = tolerance(index, wanted.content_id, name)
        candidates = unmatched[everything_but_times(wanted)]
        found = next(label for label in candidates if is_near(label, wanted, within))
        candidates.remove(found)
    assert not any(unmatched.values())


def everything_but_times(label: Label) -> tuple[object, ...]:
    return label.path, label.content_id, label.label, label.source, label.confidence


def is_near(found: Label, wanted: Label, within: float) -> bool:
    return (
        abs(found.start_seconds - wanted.start_seconds) <= within
        and abs(found.end_seconds - wanted.end_seconds) <= within
    )


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", LABEL_FILES)
def test_1000_labels_come_back_from_every_format(
    odd_index: Index, make_odd_index: MakeIndex, tmp_path: Path, name: str, *, zipped: bool
) -> None:
    suffix = LABEL_FILES[name].suffix
    if zipped and not suffix.endswith(".zip"):
        pytest.skip("this format is one file")
    file = tmp_path / f"labels{suffix if zipped else suffix.removesuffix('.zip')}"
    assert export_labels(odd_index, file) == 1000
    assert file.is_dir() == (suffix.endswith(".zip") and not zipped)
    empty = make_odd_index(tmp_path / "empty")
    imported = import_labels(empty, file)
    assert (imported.labels, imported.unknown_videos, imported.replaced) == (1000, (), ())
    require_equal(odd_index, list_labels(odd_index), list_labels(empty), name)
