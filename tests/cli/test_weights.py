"""Weights of parts in ``slic search``: given, from likes, from labels."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.cli.weights import parse_rule, parse_share, parse_weights
from slic.models.encoder import VideoEncoder
from slic.search import (
    Index,
    choose_weights,
    choose_weights_by_labels,
    create_index,
    query_from_clip,
    query_from_moments,
    refine,
    search,
    set_label,
    update_index,
)
from slic.search.parts import unit_parts
from slic.videos.catalog import Catalog

Lines = Callable[..., tuple[int, list[str], list[str]]]
LIKES = [f"{i}.mp4@1" for i in range(3)]


@pytest.fixture
def index(fill: Callable[..., Index]) -> Index:
    """Return an index of eight videos; those with an even number share their motion."""
    rng, videos = np.random.default_rng(0), {}
    for number in range(8):
        x = rng.normal(size=(3, 12))
        x[:, 8:] = 0.3 * x[:, 8:] + 2.0 * (number % 2 == 0)
        videos[f"{number}.mp4"] = unit_parts(x, {"appearance": 8, "motion": 4})
    return fill(videos, parts={"appearance": 8, "motion": 4})


def like(*words: str) -> list[str]:
    return [part for word in words for part in ("--like", word)]


def line_of(weights: dict[str, float], source: str) -> str:
    first, second = sorted(weights, key=lambda name: -weights[name])
    listed = f"{first} {weights[first]:.2f}, {second} {weights[second]:.2f}"
    return f"weights: {listed}, from {source}; set them with --weights"


def rows_of(out: list[str]) -> list[tuple[str, str]]:
    """Return score and path of printed hits."""
    return [(line.split()[1], line.split()[5]) for line in out[1:]]


def rows_by(index: Index, likes: list[str], weights: dict[str, float]) -> list[tuple[str, str]]:
    moments = [query_from_moments(index, [index.moment_at(w.split("@")[0], 1.0)]) for w in likes]
    hits = search(index, refine(moments, []), weights=weights)
    return [(f"{hit.score:.3f}", hit.path) for hit in hits]


def test_words_are_read_and_others_refused() -> None:
    assert parse_weights("motion=0.7, appearance=.3") == {"motion": 0.7, "appearance": 0.3}
    assert (parse_rule("auto"), parse_rule("labels")) == ("auto", "labels")
    for word in ("motion", "motion=", "motion=fast", "", "motion=1,", "Auto"):
        with pytest.raises(ArgumentTypeError, match=r"is not like motion=0\.7"):
            parse_rule(word)
    assert [parse_share(word) for word in ("0", ".7", "1")] == [0, 0.7, 1]
    for word in ("-0.1", "1.1", "nan", "half"):
        with pytest.raises(ArgumentTypeError, match="is not a number from 0 to 1"):
            parse_share(word)


def test_three_likes_set_the_weights_and_a_line_says_so(index: Index, lines: Lines) -> None:
    likes = ["0.mp4@1", "2.mp4@1", "4.mp4@1"]
    queries = [query_from_moments(index, [index.moment_at(w[:5], 1.0)]) for w in likes]
    weights = choose_weights(index, queries)
    assert weights["motion"] > 0.6
    code, out, err = lines("search", index.path, *like(*likes))
    assert (code, err) == (0, [line_of(weights, "3 likes")])
    assert rows_of(out) == rows_by(index, likes, weights)
    (unliked,) = [query_from_moments(index, [index.moment_at("1.mp4", 1.0)])]
    _, _, err = lines("search", index.path, *like(*likes), "--unlike", "1.mp4@1")
    assert err == [line_of(choose_weights(index, queries, [unliked]), "3 likes")]


def test_fewer_likes_are_weighted_equally_unless_asked(index: Index, lines: Lines) -> None:
    likes = ["0.mp4@1", "2.mp4@1"]
    _, out, err = lines("search", index.path, *like(*likes))
    assert err == []
    assert rows_of(out) == rows_by(index, likes, {"motion": 0.5, "appearance": 0.5})
    queries = [query_from_moments(index, [index.moment_at(w[:5], 1.0)]) for w in likes]
    _, out, err = lines("search", index.path, *like(*likes), "--weights", "auto")
    assert err == [line_of(choose_weights(index, queries), "2 likes")]
    assert rows_of(out) == rows_by(index, likes, choose_weights(index, queries))


def test_labels_set_the_weights(index: Index, lines: Lines) -> None:
    words = ("search", index.path, "0.mp4@1", "--weights", "labels")
    code, _, err = lines(*words)
    assert code == 1
    assert "label more moments" in err[0]
    for moment in index.moments(index.ids()):
        set_label(index, [moment.id], "even" if int(moment.path[0]) % 2 == 0 else "odd")
    weights = choose_weights_by_labels(index)
    _, out, err = lines(*words)
    assert err == [line_of(weights, "the labels")]
    assert rows_of(out) == rows_by(index, ["0.mp4@1"], weights)
    _, _, err = lines(*words[:2], *LIKES, "--weights", "labels")  # three searches, one line
    assert len(err) == 1


@pytest.mark.parametrize(
    "given", [["--weights", "motion=0.8,appearance=0.2"], ["--motion-weight=.8"]]
)
def test_given_weights_come_before_those_of_likes(
    index: Index, lines: Lines, given: list[str]
) -> None:
    code, out, err = lines("search", index.path, *like(*LIKES), *given)
    assert (code, err) == (0, [])
    assert rows_of(out) == rows_by(index, LIKES, {"motion": 0.8, "appearance": 0.2})


def test_arguments_that_exclude_each_other(index: Index, lines: Lines) -> None:
    for words, message in (
        (["0.mp4@1", "--weights", "motion=1", "--motion-weight", "1"], "not both"),
        (["0.mp4@1", "--weights", "auto"], "at least two --like"),
        ([*like("0.mp4@1"), "--weights", "auto"], "at least two --like"),
        (["0.mp4@1", "--motion-weight", "2"], "'2' is not a number from 0 to 1"),
    ):
        code, _, err = lines("search", index.path, *words)
        assert code == 2
        assert message in err[-1]


def test_an_index_of_one_part_has_nothing_to_weight(
    fill: Callable[..., Index], rows: Callable[..., np.ndarray], lines: Lines
) -> None:
    index = fill({f"{i}.mp4": rows(3, seed=i) for i in range(4)})
    code, _, err = lines("search", index.path, *like(*LIKES))
    assert (code, err) == (0, [])
    code, _, err = lines("search", index.path, "0.mp4@1", "--motion-weight", "0.7")
    assert (code, err) == (
        1,
        [
            f"slic: --motion-weight 0.7: {index.path} has no part motion; its parts are embedding. "
            "Use --weights."
        ],
    )


def test_clips_of_files_are_likes_and_a_text_keeps_equal_weights(
    tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path, lines: Lines
) -> None:
    made = create_index(tmp_path / "index", colour_encoder, window_seconds=1.0)
    catalog = Catalog.from_folder(colour_videos, workers=1, cache=False, progress=False)
    update_index(made, catalog, workers=0, progress=False)
    files = [colour_videos / f"{name}.mp4" for name in ("red", "green", "blue")]
    weights = choose_weights(made, [query_from_clip(made, path) for path in files])
    _, _, err = lines("search", made.path, *like(*map(str, files)))
    assert err == [line_of(weights, "3 likes")]
    _, _, err = lines("search", made.path, *like(*map(str, files)), "--text", "red")
    assert err == []
