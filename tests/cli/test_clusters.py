"""``slic cluster``: lists, corrections and what it refuses."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from slic.search import Index, cluster_members, cluster_of, list_clusters, set_label

Lines = Callable[..., tuple[int, list[str], list[str]]]
MakeIndex = Callable[..., Index]


def clusters(lines: Lines, *words: object) -> dict[str, Any]:
    code, out, _ = lines("cluster", *words, "--json")
    assert code == 0
    document: dict[str, Any] = json.loads("".join(out))
    return document


def test_clusters_are_listed_with_their_medoid_and_label(
    make_index: MakeIndex, lines: Lines
) -> None:
    index = make_index({"a.mp4": 12})
    document = clusters(lines, index.path, "--level=0")
    assert sum(c["size"] for c in document["clusters"]) == 12
    assert document["clusters_per_level"][0] == len(document["clusters"])
    first = document["clusters"][0]
    set_label(index, cluster_members(index, first["id"]).tolist(), "wave")
    _, out, _ = lines("cluster", index.path)
    assert out[0].startswith(f"level 0 of {len(document['clusters'])}")
    assert out[1].split() == ["cluster", "moments", "coherence", "typical", "moment", "label"]
    middle = first["medoid"]["start_seconds"] + 1
    assert out[2].split()[3:] == [f"a.mp4@{middle}", "wave", "(100%)"]


def test_moments_that_came_later_are_in_no_cluster(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 12})
    clusters(lines, index.path)
    make_index({"b.mp4": 3})
    _, out, _ = lines("cluster", index.path)
    again = f"slic cluster {index.path} --again"
    assert out[-1] == f"3 moments are newer than the clusters and in none of them: {again}"
    assert sum(c["size"] for c in clusters(lines, index.path, "--again")["clusters"]) == 15


def test_moving_and_merging(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 20})
    clusters(lines, index.path, "--level=0")
    first, second, *rest = list_clusters(index)
    (medoid,) = index.moments([second.medoid])
    word = f"a.mp4@{medoid.start_seconds + 1}"
    lines("cluster", index.path, "--move", word, "--to", first.id)
    assert cluster_of(index)[medoid.id] == first.id
    lines("cluster", index.path, "--merge", first.id, second.id)
    assert list_clusters(index)[0].size == first.size + second.size
    assert len(list_clusters(index)) == len(rest) + 1


def test_splitting_moving_to_a_new_cluster_and_undo(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 20})
    before = clusters(lines, index.path, "--level=0")["clusters"]
    largest = list_clusters(index)[0]
    after = clusters(lines, index.path, "--split", largest.id, "--parts", 3)["clusters"]
    assert len(after) == len(before) + 2
    word = f"a.mp4@{index.moments([largest.medoid])[0].start_seconds + 1}"
    alone = clusters(lines, index.path, "--move", word, "--to", "new")["clusters"]
    assert alone[-1]["size"] == 1
    assert clusters(lines, index.path, "--undo")["clusters"] == after
    assert clusters(lines, index.path, "--undo")["clusters"] == before
    code, _, err = lines("cluster", index.path, "--undo")
    assert (code, "is left to undo" in err[-1]) == (1, True)


def test_outliers_and_duplicates(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 6})
    make_index({"b.mp4": 6})  # the same random vectors
    _, out, _ = lines("cluster", index.path, "--outliers=2", "--duplicates=3")
    assert [line.split()[0] for line in out] == ["outlier", "outlier", "duplicate"]
    first, second = out[2].split()[2:]
    assert (first.split("@")[0], second.split("@")[0]) == ("a.mp4", "b.mp4")
    assert first.split("@")[1] == second.split("@")[1]


def test_what_cannot_be_done_is_one_line(make_index: MakeIndex, lines: Lines) -> None:
    index = make_index({"a.mp4": 6}).path
    clusters(lines, index)
    assert "--to is for --move, which is not given" in lines("cluster", index, "--to", "1")[2][-1]
    assert "--parts is for --split" in lines("cluster", index, "--parts", "3")[2][-1]
    assert lines("cluster", index, "--move", "a.mp4@1", "--to", "old")[0] == 2
    for words, message in (
        (["--level=99"], "has levels 0 to"),
        (["--merge", "0"], "at least two clusters"),
        (["--move", "somewhere", "--to", "0"], "neither the number of a cluster nor"),
    ):
        code, _, err = lines("cluster", index, *words)
        assert (code, len(err)) == (1, 1)
        assert message in err[0]


def test_clusters_remember_the_weights_of_the_parts(
    fill: Callable[..., Index], lines: Lines
) -> None:
    e = np.eye(4, dtype=np.float32)
    rows = np.stack([e[i] + e[2 + j] for i in range(2) for j in range(2) for _ in range(4)])
    index = fill({"a": rows}, parts={"appearance": 2, "motion": 2})
    by_motion = ("cluster", index.path, "--again", "--weights", "motion=1,appearance=0")
    assert lines(*by_motion)[0] == 0
    assert [c.coherence for c in list_clusters(index)] == [pytest.approx(1.0)] * 2
    moves = {tuple(rows[m - 1, 2:]) for m in cluster_members(index, 0, level=0)}
    assert len(moves) == 1
    code, _, err = lines("cluster", index.path, "--weights", "motion=1")
    assert (code, "--weights is for --again and --duplicates" in err[-1]) == (2, True)
