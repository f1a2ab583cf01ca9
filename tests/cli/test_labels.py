"""``slic labels``: what it prints, what it offers next, and what it refuses."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.models.encoder import VideoEncoder
from slic.search import (
    Index,
    cluster_index,
    create_index,
    labels_of_moments,
    set_label,
    update_index,
)
from slic.videos.catalog import Catalog

Lines = Callable[..., tuple[int, list[str], list[str]]]
MakeIndex = Callable[..., Index]


def labels_by_id(index: Index) -> dict[int, str]:
    return {moment: value.label for moment, value in labels_of_moments(index).items()}


def test_labels_are_set_removed_and_undone(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 4})
    undo = f"Undo with: slic labels undo {index.path}"
    _, out, _ = lines("labels", "set", index.path, "a.mp4@1", " wave ")
    assert out == [f"1 moment is labelled 'wave'. {undo}"]
    lines("labels", "set", index.path, "a.mp4@3.0", "kick")
    assert labels_by_id(index) == {1: "wave", 3: "kick"}
    _, out, _ = lines("labels", "remove", index.path, "a.mp4@1")
    assert out == [f"1 moments lost their label. {undo}"]
    assert labels_by_id(index) == {3: "kick"}
    _, out, _ = lines("labels", "remove", index.path, "a.mp4@1")
    assert out == ["0 moments lost their label."]  # nothing to undo
    _, out, _ = lines("labels", "undo", index.path)
    assert out == ["1 labels are as they were before the last change."]
    assert labels_by_id(index) == {1: "wave", 3: "kick"}


def test_a_cluster_is_labelled_by_its_number(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 6})
    cluster_index(index)
    _, out, _ = lines("labels", "set", index.path, "0", "wave")
    assert f"{len(labels_by_id(index))} moments are labelled" in out[0]
    assert "wave" in labels_by_id(index).values()


def test_a_label_is_needed_to_set_one(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 2})
    set_label(index, [1], "wave")
    code, _, err = lines("labels", "set", index.path, "a.mp4@1")
    assert code == 2
    assert "LABEL" in err[-1]
    assert labels_by_id(index) == {1: "wave"}


def test_the_list_counts_labels_and_scores_the_classifier(
    make_index: MakeIndex, lines: Lines
) -> None:
    index = make_index({"a.mp4": 6, "b.mp4": 6})
    code, out, err = lines("labels", "list", index.path)
    assert (code, out) == (0, [])
    assert err == [f"no labels yet: slic labels set {index.path} CLUSTER_OR_MOMENT LABEL"]
    set_label(index, [1, 3, 7], "wave")
    set_label(index, [5, 9], "kick")
    _, out, _ = lines("labels", "spread", index.path, "--confidence", "0")
    spread = len(labels_by_id(index)) - 5
    assert out[0].startswith(f"{spread} moments labelled.")
    _, out, err = lines("labels", "list", index.path)
    counted = [line.split() for line in out]
    assert [(words[0], words[1]) for words in counted] == [("kick", "2"), ("wave", "3")]
    assert sum(int(words[3]) for words in counted) == spread
    assert "left out one by one" in err[0]


@pytest.mark.parametrize("word", ["2", "-0.1", "nan", "half"])
def test_a_confidence_is_from_0_to_1(make_index: MakeIndex, lines: Lines, word: str) -> None:
    code, _, err = lines("labels", "spread", make_index({"a": 2}).path, f"--confidence={word}")
    assert code == 2
    assert "is not a confidence from 0 to 1" in err[-1]


@pytest.mark.parametrize("target", ["9" * 20, os.fsdecode(b"caf\xe9.mp4@1")])
def test_what_the_database_cannot_hold_is_one_line(
    make_index: MakeIndex, lines: Lines, target: str
) -> None:
    index = make_index({"a.mp4": 4})
    cluster_index(index)
    code, _, err = lines("labels", "set", index.path, target, "x")
    assert code == 1
    assert "cannot hold this number or text" in err[0]


def test_videos_are_classified_by_class_names(
    tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path, lines: Lines
) -> None:
    catalog = Catalog.from_folder(colour_videos, workers=1, cache=False, progress=False)
    index = create_index(tmp_path / "index", colour_encoder, window_seconds=1.0)
    update_index(index, catalog, workers=0, progress=False)
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")
    words = ("classify", index.path, "--classes", tmp_path / "classes.txt")
    for videos in ((), (colour_videos,)):
        code, out, err = lines(*words[:2], *videos, *words[2:], "--workers", 0)
        assert code == 0
        found = {line.split()[-1]: line.split()[0] for line in out}
        assert found == {"blue.mp4": "blue", "green.mp4": "green", "red.mp4": "red"}
        assert "zero-shot" in err[-1]
        assert "'a video of a person {}'" in err[-1]
    _, out, _ = lines(*words, "--template", "much {}", "--json")
    assert json.loads("".join(out))["template"] == "much {}"
    assert lines(*words, "--weights", "text=1")[0] == 2
    assert lines("classify", index.path)[0] == 2
