"""Percentile ranks of similarities, against plain loops, and what they are for."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import Index
from slic.search.calibration import (
    MIN_MOMENTS,
    RANDOM_QUERIES,
    MomentSample,
    SimilarityScale,
    sample_moments,
    similarity_scale,
)
from slic.search.parts import unit_parts
from slic.search.query import text_query

Fill = Callable[..., Index]
PARTS = {"appearance": 6, "motion": 4, "text": 3}
WEIGHTS = {"appearance": 0.2, "motion": 0.5, "text": 0.3}


def draw(count: int, *, seed: int = 0, common: float = 0.0, videos: int = 9) -> MomentSample:
    """Draw moments that have the direction ``common`` in common."""
    x = np.random.default_rng(seed).normal(size=(count, sum(PARTS.values()))) + common
    return MomentSample(unit_parts(x, PARTS), np.arange(count) % videos, PARTS)


def rank_by_loops(similarities: np.ndarray, score: float) -> float:
    below = sum(similarity < score for similarity in similarities)
    equal = sum(similarity == score for similarity in similarities)
    return float(100 * (below + equal / 2) / len(similarities))


def mean_of_parts(rows: list[np.ndarray]) -> np.ndarray:
    mean = np.zeros(sum(PARTS.values()))
    for row in rows:
        mean += row / len(rows)
    return mean


def unit(row: np.ndarray) -> np.ndarray:
    return np.concatenate([part / np.linalg.norm(part) for part in np.split(row, [6, 10])])


def test_ranks_are_shares_of_the_pairs_that_are_less_alike() -> None:
    similarities = np.array([-0.5, 0.0, 0.25, 0.25, 0.25, 0.5, 1.0], np.float32)
    scores = [-1.0, -0.5, 0.1, 0.25, 0.5, 1.0, 2.0]
    expected = [rank_by_loops(similarities, score) for score in scores]
    assert SimilarityScale(similarities).percentile_ranks(scores).tolist() == expected
    assert expected[3] == pytest.approx(100 * 3.5 / 7)


@pytest.mark.parametrize(("likes", "unlikes"), [(1, 0), (3, 0), (2, 2)])
def test_random_queries_are_made_from_as_many_likes_and_unlikes(likes: int, unlikes: int) -> None:
    sample = draw(60)
    generator = np.random.default_rng(5)
    expected = []
    for _ in range(RANDOM_QUERIES):
        drawn = generator.integers(60, size=likes + unlikes).tolist()
        vectors = [sample.vectors[row].astype(float) for row in drawn]
        query = mean_of_parts(vectors[:likes])
        if unlikes:
            query = query - 0.5 * mean_of_parts(vectors[likes:])
        query = np.repeat(list(WEIGHTS.values()), list(PARTS.values())) * unit(query)
        for row, other in enumerate(sample.vectors):
            if all(sample.videos[row] != sample.videos[example] for example in drawn):
                expected.append(float(sum(a * b for a, b in zip(query, other, strict=True))))
    scale = similarity_scale(sample, likes=likes, unlikes=unlikes, weights=WEIGHTS, seed=5)
    assert scale is not None
    assert scale.similarities == pytest.approx(np.sort(expected), abs=1e-5)


def test_a_text_is_compared_with_every_moment_of_the_sample() -> None:
    sample = draw(200)
    text = np.array([0.6, 0.8, 0.0], np.float32)
    scale = similarity_scale(sample, likes=0, text=text_query(PARTS, text), weights=WEIGHTS)
    assert scale is not None
    assert scale.similarities == pytest.approx(np.sort(sample.vectors[:, 10:] @ text), abs=1e-6)


def test_the_mean_of_likes_is_compared_with_means() -> None:
    """A mean is nearer to everything, above all where all moments are nearly the same."""
    sample = draw(300, common=4.0)
    one, eight = (similarity_scale(sample, likes=likes) for likes in (1, 8))
    assert one is not None
    assert eight is not None
    typical = float(np.median(eight.similarities))
    assert eight.percentile_ranks([typical])[0] == pytest.approx(50, abs=0.1)
    assert one.percentile_ranks([typical])[0] > 70


def test_still_moments_do_not_count_where_only_motion_has_a_weight() -> None:
    sample = draw(80)
    sample.vectors[:40, 6:10] = 0
    scale = similarity_scale(sample, weights={"motion": 1.0})
    assert scale is not None
    assert len(scale.similarities) < 0.75 * RANDOM_QUERIES * 80
    sample.vectors[:, 6:10] = 0
    assert similarity_scale(sample, weights={"motion": 1.0}) is None
    with pytest.raises(SearchError, match="no such part"):
        similarity_scale(sample, weights={"sound": 1.0})


def test_few_moments_or_one_video_give_no_scale() -> None:
    assert similarity_scale(draw(50, videos=1)) is None
    assert similarity_scale(draw(MIN_MOMENTS - 1)) is None
    assert similarity_scale(draw(MIN_MOMENTS)) is not None


def test_the_scale_of_an_index_tells_a_kind_from_another(
    fill: Fill, kinds: Callable[..., np.ndarray]
) -> None:
    index = fill({f"{i}.mp4": kinds(6, seed=i) for i in range(4)})
    scale = similarity_scale(sample_moments(index))
    assert scale is not None
    ids = index.ids()[18:36]  # six moments of each of three kinds, in another video
    similarities = index.vectors(ids) @ index.vectors([1])[0]
    ranks = scale.percentile_ranks(similarities.tolist())
    assert ranks[:6].min() > 100 * 2 / 3 > ranks[6:].max()  # a third of the pairs are of one kind
