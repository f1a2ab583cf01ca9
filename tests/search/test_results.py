"""Hits are the places that plain loops over all moments would choose."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.cli.search import moment_of
from slic.errors import SearchError
from slic.search import Index, Query, query_from_moments, refine, search

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def near(x: np.ndarray, *, seed: int) -> np.ndarray:
    """Return directions a little beside these."""
    beside = x + 0.2 * np.random.default_rng(seed).normal(size=x.shape)
    return np.asarray(beside / np.linalg.norm(beside, axis=1, keepdims=True), dtype=np.float32)


def test_one_window_ranks_by_similarity_and_merges_what_touches(fill: Fill) -> None:
    e = np.eye(4, dtype=np.float32)
    index = fill(
        {
            "a": np.stack([e[1], e[0], e[0], e[1], e[2], e[2], e[0]]),
            "b": np.stack([e[2], (3 * e[0] + 4 * e[1]) / 5]),
        }
    )
    hits = search(index, Query(e[:1]), k=1)
    assert hits[0].path == "a"
    assert hits[0].score == pytest.approx(1.0)
    found = search(index, Query(e[:1]), k=10, where="start_seconds in (1, 2, 6)")
    told = [(hit.path, hit.start_seconds, hit.end_seconds, hit.best_start_seconds) for hit in found]
    assert told == [("a", 1.0, 4.0, 1.0), ("a", 6.0, 8.0, 6.0), ("b", 1.0, 3.0, 1.0)]
    assert [hit.score for hit in found] == pytest.approx([1.0, 1.0, 0.6])
    wide = search(index, Query(e[:1]), k=10)
    assert [hit.path for hit in wide] == ["a", "b"]  # all of a touches; so does all of b
    assert wide[1].score == pytest.approx(0.6)
    assert (wide[1].best_start_seconds, wide[1].start_seconds) == (1.0, 0.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_long_query_is_found_where_all_of_it_fits(fill: Fill, rows: Rows, seed: int) -> None:
    videos = {f"v{i}": rows(30, seed=10 * seed + i) for i in range(5)}
    index = fill(videos)
    noise = 0.2 * rows(8, seed=99)
    part = videos["v3"][11:19] + noise
    query = Query((part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32))
    hits = search(index, query, k=3)
    assert (hits[0].path, hits[0].start_seconds, hits[0].end_seconds) == ("v3", 11.0, 20.0)
    scores = {
        (path, start): float((x[start : start + 8] * query.vectors).sum(axis=1).mean())
        for path, x in videos.items()
        for start in range(23)
    }
    assert hits[0].score == pytest.approx(scores["v3", 11], abs=1e-5)
    assert hits[0].score == pytest.approx(max(scores.values()), abs=1e-5)
    for hit in hits[1:]:
        if hit.start_seconds + 9 == hit.end_seconds:  # lies inside its video
            assert hit.score == pytest.approx(scores[hit.path, int(hit.start_seconds)], abs=1e-5)
    for one in hits:  # places beside a find are not finds of their own
        for other in hits:
            apart = one.end_seconds < other.start_seconds or other.end_seconds < one.start_seconds
            assert one is other or one.path != other.path or apart


def test_a_long_still_video_does_not_crowd_out_the_others(fill: Fill, rows: Rows) -> None:
    still = np.repeat(rows(1), 119, axis=0)
    others = {f"v{i}": near(still[:3], seed=i) for i in range(6)}
    index = fill({"still": still, **others})
    for k in (5, 7, 20, 10**9):
        hits = search(index, Query(still[:1]), k=k)
        assert len(hits) == min(k, 7)
        assert len({hit.video_id for hit in hits}) == len(hits)
        assert hits[0].path == "still"
    x = np.concatenate([v[:3] for v in others.values()])
    assert hits[1].score == pytest.approx((x @ still[0]).max(), abs=1e-5)
    filtered = search(index, Query(still[:1]), k=5, where="path <> 'v0'")
    assert len(filtered) == 5


def test_nor_does_it_from_a_long_query(fill: Fill, rows: Rows) -> None:
    still = np.repeat(rows(1), 60, axis=0)
    index = fill({"still": still, **{f"v{i}": near(still[:40], seed=i) for i in range(6)}})
    hits = search(index, Query(still[:40]), k=3)
    assert hits[0].path == "still"
    assert len({hit.path for hit in hits}) == 3


def test_hits_that_a_wider_lookup_would_merge_stay_apart(fill: Fill) -> None:
    similarity = np.abs(np.arange(41) - 20) / 20  # high at both ends of the video
    index = fill({"a": np.stack([similarity, np.sqrt(1 - similarity**2)], axis=1)})
    e = np.eye(2, dtype=np.float32)
    hits = search(index, Query(e[:1]), k=3)
    assert [(hit.start_seconds, hit.end_seconds) for hit in hits] == [(0.0, 13.0), (29.0, 42.0)]


def test_the_moments_of_the_query_are_not_among_the_results(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(6), "b": rows(6)})  # a copy: every moment has a twin
    moment = index.moment_at("a", 3.9)
    assert index.moments([moment])[0].number == 3
    first = search(index, query_from_moments(index, [moment]), k=1)[0]
    assert (first.path, first.best_start_seconds) == ("b", 3.0)
    assert first.score == pytest.approx(1.0)


def test_a_path_that_two_folders_have_is_refused_and_told_in_full(
    fill: Fill, rows: Rows, add: Callable[..., list[int]]
) -> None:
    index = fill({"x.mp4": rows(3), "y.mp4": rows(3, seed=1)})
    (twin, *_) = add(index, "x.mp4", rows(3, seed=2), root="/w")
    told = "x.mp4: 2 videos of .* have this path, among them /v/x.mp4 and /w/x.mp4; give the abs"
    with pytest.raises(SearchError, match=told):
        index.moment_at("x.mp4", 1.0)
    assert index.moment_at("/w/x.mp4", 1.0) == twin
    assert index.moment_at("/v/x.mp4", 1.0) == 1
    assert index.moment_at("/v/y.mp4", 1.0) == index.moment_at("y.mp4", 1.0) == 4
    paths = {hit.path for hit in search(index, Query(rows(1)), k=9)}
    assert paths == {"/v/x.mp4", "/w/x.mp4", "y.mp4"}


def test_a_moment_of_a_file_with_a_line_break_in_its_name(fill: Fill, rows: Rows) -> None:
    index = fill({"a\nb.mp4": rows(3)})
    assert moment_of(index, "a\nb.mp4@2.2") == 2
    assert moment_of(index, "a.mp4") is None


def test_likes_and_unlikes_by_hand(fill: Fill) -> None:
    e = np.eye(3, dtype=np.float32)
    fill({"a": e})
    like, unlike = [Query(e[:1]), Query(e[1:2])], [Query(e[2:])]
    sought = np.array([0.5, 0.5, -0.5])
    refined = refine(like, unlike, unlike_weight=0.5)
    assert refined.vectors[0] == pytest.approx(sought / np.linalg.norm(sought))
    assert refine(like[:1], []) is like[0]
    with pytest.raises(SearchError, match="Nothing is liked"):
        refine([], unlike)
    with pytest.raises(SearchError, match="cancel each other"):
        refine(like[:1], like[:1], unlike_weight=1.0)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_filtered_neighbours_are_the_nearest_of_those_that_pass(
    fill: Fill, rows: Rows, share: float
) -> None:
    index = fill({"a": rows(200)})
    ids, x = index.all_vectors()
    passes = ids <= share * 200
    queries = rows(4, seed=3)
    near = index.nearest(queries, 7, where=f"start_seconds < {share * 200}")
    for row, query in enumerate(queries):
        order = np.argsort(-(x[passes] @ query))[:7]
        assert near.ids[row].tolist() == ids[passes][order].tolist()
    nothing = index.nearest(queries, 7, where="start_seconds < 0")
    assert (nothing.ids == -1).all()
    assert search(index, Query(queries[:1]), where="start_seconds < 0") == []


def test_an_empty_index_and_no_results_are_one_line(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(0)})
    with pytest.raises(SearchError, match="the index has no moments"):
        search(index, Query(rows(1)))
    with pytest.raises(SearchError, match="at least 1 result"):
        search(index, Query(rows(1)), k=0)
    with pytest.raises(SearchError, match="there is no moment 7"):
        query_from_moments(index, [7])
    with pytest.raises(SearchError, match="not a video of"):
        index.moment_at("nowhere", 1.0)
