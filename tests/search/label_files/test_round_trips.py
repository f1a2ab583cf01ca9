"""1,000 labels with odd names go out in every format and come back: nothing is lost."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slic.datasets import read_labels
from slic.datasets.table import covered_seconds
from slic.errors import LabelError
from slic.search import (
    LABEL_FILES,
    Index,
    Label,
    export_labels,
    import_labels,
    list_labels,
    undo_label_change,
)
from slic.search.label_files.exporting import collect_labels
from slic.search.labels import clean_label, write_labels
from slic.search.repository.labels import LabelValue, Segment

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


@pytest.fixture(scope="module")
def source_and_target(
    tmp_path_factory: pytest.TempPathFactory, make_odd_index: MakeIndex
) -> tuple[Index, Index]:
    """Return two indexes of the odd videos without labels."""
    folder = tmp_path_factory.mktemp("pair")
    return make_odd_index(folder / "source"), make_odd_index(folder / "target")


def is_label(text: str) -> bool:
    try:
        return clean_label(text) == text and len(text) <= 64
    except LabelError:
        return False


CHARACTERS = st.characters(exclude_categories=("C", "Z"), include_characters=" =+-@'\u200d")
LABELS = st.text(CHARACTERS, min_size=1, max_size=12).map(str.strip).filter(is_label)
SEGMENTS = st.lists(
    st.tuples(
        st.integers(0, 8), st.integers(0, 90), st.integers(4, 9), LABELS, st.floats(0.0, 1.0)
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda segment: segment[:3],
)


@pytest.mark.parametrize("name", LABEL_FILES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segments=SEGMENTS)
def test_any_label_comes_back(
    source_and_target: tuple[Index, Index],
    tmp_path: Path,
    name: str,
    segments: list[tuple[int, int, int, str, float]],
) -> None:
    source, target = source_and_target
    videos = source.videos()
    labels = {}
    for place, first, length, label, confidence in segments:
        edges = videos[place].video.edge_seconds
        start, end = float(edges[first]), float(edges[first + length])
        fps = videos[place].video.fps
        key = (place, round(start * fps), round(end * fps))
        spread = confidence < 1
        value = LabelValue(label, confidence, "spread" if spread else "given")
        labels[key] = (Segment(videos[place].content_id, start, end), value)
    write_labels(source, list(labels.values()))
    shutil.rmtree(tmp_path / "labels", ignore_errors=True)
    try:
        assert export_labels(source, tmp_path / "labels", format=name) == len(labels)
        assert import_labels(target, tmp_path / "labels", format=name).labels == len(labels)
        require_equal(source, list_labels(source), list_labels(target), name)
    finally:
        undo_label_change(source)
        if list_labels(target):
            undo_label_change(target)
    assert list_labels(source) == list_labels(target) == []


def test_the_table_is_valid_as_labels_of_an_evaluation(odd_index: Index, tmp_path: Path) -> None:
    export_labels(odd_index, tmp_path / "labels.csv")
    labels = read_labels(tmp_path / "labels.csv").label
    videos = collect_labels(odd_index).videos
    assert labels.keys() == {video.path for video in videos}
    for video in videos:
        seconds = {
            name: covered_seconds(
                (x.start_seconds, x.end_seconds) for x in video.labels if x.label == name
            )
            for name in {x.label for x in video.labels}
        }
        assert seconds[labels[video.path]] == max(seconds.values())
