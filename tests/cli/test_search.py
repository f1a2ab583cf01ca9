"""``slic search``: words for moments and times, and a page of an index with a strange name."""

import json
import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.cli.search import find_moment_of, seconds
from slic.models.encoder import VideoEncoder
from slic.search import Index, set_label
from slic.search.calibration import sample_moments, similarity_scale

Lines = Callable[..., tuple[int, list[str], list[str]]]
MakeIndex = Callable[..., Index]


def test_a_moment_of_a_file_with_a_line_break_in_its_name(make_index: MakeIndex) -> None:
    index = make_index({"a\nb.mp4": 3})
    assert find_moment_of(index, "a\nb.mp4@2.2") == 2
    assert find_moment_of(index, "a.mp4") is None


@pytest.mark.parametrize(
    ("word", "value"), [("90", 90.0), ("1.5", 1.5), ("1:30", 90.0), ("1:02:03.5", 3723.5)]
)
def test_seconds(word: str, value: float) -> None:
    assert seconds(word) == value


@pytest.mark.parametrize("word", ["", "x", "-1", "inf", "nan", "1:2:3:4"])
def test_what_is_no_time_is_refused(word: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a time in seconds"):
        seconds(word)


def test_hits_are_printed_with_their_labels(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 4, "b.mp4": 1})
    set_label(index, [5], "wave")
    code, out, _ = lines("search", index.path, "a.mp4@1", "--where", "path = 'b.mp4'")
    assert code == 0
    assert out[0] == "a.mp4@1:"
    assert out[1].split()[2:] == ["0:00.0", "-", "0:02.0", "b.mp4", "[wave]"]
    _, out, _ = lines("search", index.path, "a.mp4@1", "--where", "path = 'b.mp4'", "--json")
    (found,) = json.loads("".join(out))
    assert [hit["label"] for hit in found["hits"]] == ["wave"]
    assert found["hits"][0]["percentile"] is None  # five moments are too few to compare with
    _, out, _ = lines("search", index.path, "a.mp4@1", "--where", "path = 'none'")
    assert out == ["a.mp4@1:", "  nothing found."]


def test_json_says_how_many_random_pairs_are_less_alike(
    make_index: MakeIndex, lines: Lines
) -> None:
    index = make_index({f"{i}.mp4": 4 for i in range(9)})
    likes = ["--like", "0.mp4@1", "--like", "1.mp4@1", "--unlike", "2.mp4@1"]
    for words, likes_unlikes in ((["0.mp4@1"], (1, 0)), (likes, (2, 1))):
        _, out, _ = lines("search", index.path, *words, "--json")
        (found,) = json.loads("".join(out))
        scale = similarity_scale(
            sample_moments(index), likes=likes_unlikes[0], unlikes=likes_unlikes[1]
        )
        assert scale is not None
        scores = [hit["score"] for hit in found["hits"]]
        ranks = [hit["percentile"] for hit in found["hits"]]
        assert ranks == scale.percentile_ranks(scores).tolist()
        assert len(set(ranks)) > 1


def test_arguments_that_exclude_each_other(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 4}).path
    for words in (["a.mp4@1", "--like", "a.mp4@2"], [], ["a.mp4@1", "a.mp4@2", "--from=1"]):
        code, _, err = lines("search", index, *words)
        assert code == 2
        assert "give" in err[-1]


def test_a_page_of_an_index_whose_folder_is_not_unicode(
    make_index: MakeIndex, lines: Lines, tmp_path: Path
) -> None:
    index = make_index({"a": 4}, name=os.fsdecode(b"caf\xe9"))
    lines("search", index.path, "a@1", "--html", tmp_path / "page.html")
    assert "caf?" in (tmp_path / "page.html").read_text("utf-8")


def test_an_index_is_searched_by_text_likes_filters_and_weights(
    tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path, lines: Lines
) -> None:
    colour_encoder.save_pretrained(tmp_path / "encoder")
    words = ("index", colour_videos, "--out", tmp_path / "index", "--workers", 0, "--window", 1)
    code, _, _ = lines(*words, "--encoder", tmp_path / "encoder")
    assert code == 0
    assert lines(*words)[0] == 0  # with the encoder that the index has
    code, out, _ = lines("search", tmp_path / "index", "--text", "red")
    assert (code, out[0], out[1].split()[-1]) == (0, "red:", "red.mp4")
    likes = ("--text", "blue", "--like", "green.mp4@1")
    _, out, _ = lines("search", tmp_path / "index", *likes, "--weights", "text=1")
    assert (out[0], out[1].split()[-1]) == ("blue, like green.mp4@1:", "blue.mp4")
    _, out, _ = lines("search", tmp_path / "index", *likes, "--where", "path='red.mp4'")
    assert [line.split()[-1] for line in out[1:]] == ["red.mp4"]
    _, out, _ = lines("search", tmp_path / "index", "--text", "red", "--rerank", 2, "--k", 1)
    assert [line.split()[-1] for line in out[1:]] == ["red.mp4"]
    assert lines("search", tmp_path / "index", *likes, "--rerank", 2)[0] == 2
    code, _, err = lines("search", tmp_path / "index", "--text", "red", "--weights", "motion=1")
    assert (code, err) == (
        1,
        ["slic: weights motion=1: the query has only text; give one of these a weight above 0."],
    )


def test_an_index_without_text_says_what_to_do(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 2})
    code, _, err = lines("search", index.path, "--text", "red")
    assert (code, err) == (
        1,
        [
            f"slic: {index.path}: no text search, because its encoder has no text tower; index the "
            "videos with one that has, such as X-CLIP, into another folder."
        ],
    )


def test_without_an_encoder_the_built_in_one_is_used_and_named(
    tmp_path: Path, colour_videos: Path, lines: Lines
) -> None:
    words = ("index", colour_videos, "--out", tmp_path / "index", "--workers", 0)
    code, _, err = lines(*words)
    assert code == 0
    (note,) = [line for line in err if "built in" in line]
    assert "slic pretrain" in note
    assert list(Index.open(tmp_path / "index").parts) == ["appearance", "motion"]
    _, _, err = lines(*words)
    assert [line for line in err if "built in" in line] == []
    _, out, _ = lines("search", tmp_path / "index", colour_videos / "red.mp4", "--k", 1)
    assert out[1].split()[-1] == "red.mp4"
