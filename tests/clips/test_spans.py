"""Every span is checked against an enumeration of all lawful placements."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from slic.clips.spans import (
    centre_span,
    evenly_spaced_spans,
    extent,
    half_overlapping_spans,
    official_placement,
    random_pair,
    random_placement,
    random_span,
    sliding_spans,
)

totals, clips, strides = st.integers(1, 200), st.integers(1, 20), st.integers(1, 9)


def placements(total: int, frames: int, stride: int) -> list[tuple[int, ...]]:
    """List every clip that lies inside the video, the slow and obvious way."""
    candidates = [tuple(s + stride * k for k in range(frames)) for s in range(total)]
    return [clip for clip in candidates if clip[-1] < total]


def lawful_pairs(total: int, frames: int, stride: int) -> set[tuple[int, int]]:
    """Return the first frames of all pairs where one clip ends before the other starts."""
    fit = placements(total, frames, stride)
    return {(a[0], p[0]) for a in fit for p in fit if a[-1] < p[0] or p[-1] < a[0]}


@pytest.mark.parametrize(
    ("total", "frames", "stride"), [(8, 3, 1), (9, 2, 3), (4, 2, 1), (5, 1, 4), (11, 3, 2)]
)
def test_pairs_are_uniform_over_all_lawful_placements_in_both_orders(
    total: int, frames: int, stride: int
) -> None:
    rng, lawful, draws = np.random.default_rng(0), lawful_pairs(total, frames, stride), 6000
    counts: Counter[tuple[int, int]] = Counter()
    for _ in range(draws):
        anchor, positive, overlap = random_pair(total, frames=frames, stride=stride, rng=rng)
        assert not overlap
        counts[int(anchor[0]), int(positive[0])] += 1
    assert set(counts) == lawful
    expected = draws / len(lawful)
    chi_square = sum((n - expected) ** 2 / expected for n in counts.values())
    freedom = len(lawful) - 1
    assert chi_square < freedom + 4 * np.sqrt(2 * freedom) + 4


@given(total=totals, frames=clips, stride=strides, seed=st.integers(0, 9))
def test_a_pair_overlaps_only_where_it_must_and_then_as_little_as_it_can(
    total: int, frames: int, stride: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    anchor, positive, overlap = random_pair(total, frames=frames, stride=stride, rng=rng)
    assert overlap == (not lawful_pairs(total, frames, stride))
    first, second = sorted((anchor.tolist(), positive.tolist()))
    if not overlap:
        assert (first[0], second[0]) in lawful_pairs(total, frames, stride)
    else:
        fit = placements(total, frames, stride) or [tuple(first)]
        assert (first[0], second[0]) == (fit[0][0], fit[-1][0])
    for span in (first, second):
        assert np.all(np.diff(span) == stride)
        assert span[0] >= 0
        assert len(span) == frames


def test_a_video_too_short_for_two_clips_gives_them_in_either_order() -> None:
    rng = np.random.default_rng(0)
    starts = Counter(
        (int(pair.anchor[0]), int(pair.positive[0]))
        for pair in (random_pair(20, frames=16, stride=1, rng=rng) for _ in range(200))
    )
    assert set(starts) == {(0, 4), (4, 0)}
    assert min(starts.values()) > 70


@given(total=totals, frames=clips, stride=strides)
def test_the_centre_span_leaves_as_much_before_it_as_after(
    total: int, frames: int, stride: int
) -> None:
    span = centre_span(total, frames=frames, stride=stride)
    fit = placements(total, frames, stride)
    if fit:
        assert tuple(span) in fit
        assert (total - 1 - span[-1]) - span[0] in (0, 1)
    else:
        assert span.tolist() == [stride * k for k in range(frames)]  # runs past the end


@given(total=totals, count=st.integers(1, 12), frames=clips, stride=strides)
def test_evenly_spaced_spans_stand_on_the_line_of_the_protocol(
    total: int, count: int, frames: int, stride: int
) -> None:
    spans = evenly_spaced_spans(total, count, frames=frames, stride=stride)
    if count == 1:
        assert np.array_equal(spans[0], centre_span(total, frames=frames, stride=stride))
        return
    length = extent(frames, stride)
    centres = np.linspace(length / 2, max(total, length) - length / 2, count)
    for span, centre in zip(spans, centres, strict=True):
        assert span[0] == np.floor(centre - length / 2 + 1e-9)
        assert np.all(np.diff(span) == stride)


def test_evenly_spaced_spans_by_hand() -> None:
    spans = evenly_spaced_spans(26, 3, frames=16, stride=1)
    assert spans[:, 0].tolist() == [0, 5, 10]
    assert spans[-1, -1] == 25


def test_random_spans_reach_every_place_alike() -> None:
    rng, fit = np.random.default_rng(0), placements(9, 3, 2)
    counts = Counter(
        tuple(random_span(9, frames=3, stride=2, rng=rng).tolist()) for _ in range(3000)
    )
    assert set(counts) == set(fit)
    assert max(counts.values()) < 1.2 * min(counts.values())


def test_spans_depend_on_the_generator_alone() -> None:
    pairs = [random_pair(90, frames=8, stride=2, rng=np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(pairs[0].anchor, pairs[1].anchor)
    assert np.array_equal(pairs[0].positive, pairs[1].positive)


@pytest.mark.parametrize(("total", "frames", "stride"), [(0, 4, 1), (9, 0, 1), (9, 4, 0)])
def test_impossible_clips_are_refused_with_their_numbers(
    total: int, frames: int, stride: int
) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        centre_span(total, frames=frames, stride=stride)


@given(total=totals, frames=clips, stride=strides)
def test_windows_follow_each_other_until_the_video_ends(
    total: int, frames: int, stride: int
) -> None:
    window, start, expected = frames * stride, 0, []
    while start == 0 or start + window <= total:
        expected.append([start + stride * k for k in range(frames)])
        start += max(1, window // 2 - 1)
    assert sliding_spans(total, frames=frames, stride=stride).tolist() == expected


def test_windows_of_the_published_code_by_hand() -> None:
    starts = sliding_spans(70, frames=32, stride=1)[:, 0]
    assert starts.tolist() == [0, 15, 30]  # the next would end at frame 77
    assert sliding_spans(32, frames=32, stride=1)[:, 0].tolist() == [0]


@given(total=totals, frames=clips, stride=strides)
def test_half_overlapping_clips_cover_the_video_and_end_with_it(
    total: int, frames: int, stride: int
) -> None:
    spans = half_overlapping_spans(total, frames=frames, stride=stride)
    starts = spans[:, 0].tolist()
    assert np.all(np.diff(spans, axis=1) == stride)
    step, last = stride * max(1, frames // 2), max(0, total - extent(frames, stride))
    assert starts == sorted({*range(0, last + 1, step), last})


def test_half_overlapping_clips_by_hand() -> None:
    assert half_overlapping_spans(40, frames=16, stride=1)[:, 0].tolist() == [0, 8, 16, 24]
    assert half_overlapping_spans(27, frames=16, stride=1)[:, 0].tolist() == [0, 8, 11]
    assert half_overlapping_spans(5, frames=16, stride=1)[:, 0].tolist() == [0]


def test_official_anchors_start_the_video_and_positives_reach_every_later_place_alike() -> None:
    rng, total = np.random.default_rng(0), 20
    shape: dict[str, Any] = {"frames": 4, "stride": 2, "rng": rng}
    starts = []
    for _ in range(4000):
        pair = official_placement(
            anchor_video_frames=9, positive_video_frames=total, same_video=False, **shape
        )
        assert pair.anchor.tolist() == [0, 2, 4, 6]
        assert not pair.overlap
        starts.append(int(pair.positive[0]))
    lawful = [s for s in range(total) if s >= 7 and s + 7 <= total]
    seen = Counter(starts)
    assert sorted(seen) == lawful
    assert max(seen.values()) < 1.25 * min(seen.values())


def test_official_positives_need_a_video_of_two_clips() -> None:
    shape: dict[str, Any] = {"frames": 4, "stride": 2, "rng": np.random.default_rng(0)}
    pair = official_placement(
        anchor_video_frames=14, positive_video_frames=14, same_video=True, **shape
    )
    assert pair.positive[0] == 7
    with pytest.raises(ValueError, match="13 frames is too short for two clips of 7"):
        official_placement(
            anchor_video_frames=14, positive_video_frames=13, same_video=False, **shape
        )


def test_random_placement_is_a_pair_of_one_video_or_two_independent_spans() -> None:
    shape: dict[str, Any] = {"frames": 4, "stride": 2}
    videos = {"anchor_video_frames": 20, "positive_video_frames": 30}
    one, other = (np.random.default_rng(3) for _ in range(2))
    placed = random_placement(**videos, same_video=True, **shape, rng=one)
    assert_array_equal(placed.positive, random_pair(20, **shape, rng=other).positive)
    placed = random_placement(**videos, same_video=False, **shape, rng=one)
    assert_array_equal(placed.anchor, random_span(20, **shape, rng=other))
    assert_array_equal(placed.positive, random_span(30, **shape, rng=other))
    assert not placed.overlap
