"""Hits are the places that plain loops over all moments would choose."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import Index, Query, query_from_moments, search

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
    places = [
        (hit.path, hit.start_seconds, hit.end_seconds, hit.best_start_seconds) for hit in found
    ]
    assert places == [("a", 1.0, 4.0, 1.0), ("a", 6.0, 8.0, 6.0), ("b", 1.0, 3.0, 1.0)]
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


def test_an_empty_index_and_no_results_are_one_line(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(0)})
    with pytest.raises(SearchError, match="the index has no moments; run `slic index` first"):
        search(index, Query(rows(1)))
    with pytest.raises(SearchError, match="k 0: it must be at least 1"):
        search(index, Query(rows(1)), k=0)
    full = fill({"a": rows(3)}, name="full")
    assert search(full, Query(rows(1)), where="start_seconds < 0") == []


def test_weights_of_the_parts_choose_what_counts(fill: Fill) -> None:
    e = np.eye(4, dtype=np.float32)
    looks, moves, both = e[0] + e[3], e[1] + e[2], e[0] + e[2]
    parts = {"appearance": 2, "motion": 2}
    index = fill({"looks": looks[None], "moves": moves[None], "both": both[None]}, parts=parts)
    query = Query(both[None], parts=parts)

    def scores(**weights: float) -> dict[str, float]:
        hits = search(index, query, weights=weights or None)
        return {hit.path: hit.score for hit in hits}

    assert scores() == {"both": 1.0, "looks": 0.5, "moves": 0.5}
    assert scores(motion=1.0) == {"both": 1.0, "moves": 1.0, "looks": 0.0}
    assert scores(motion=0.25, appearance=0.75) == {"both": 1.0, "looks": 0.75, "moves": 0.25}
    with pytest.raises(SearchError, match="no such part"):
        scores(text=1.0)
