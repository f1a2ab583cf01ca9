"""Weights from likes and labels: against plain loops over the formula, and what must hold."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from slic.errors import LabelError, SearchError
from slic.neighbours.rows import slices_of
from slic.search import Index, query_from_moments, set_label, weighting
from slic.search.parts import unit_parts
from slic.search.query import Query
from slic.search.weighting import (
    choose_weights,
    choose_weights_by_labels,
    weights_from_labels,
    weights_from_likes,
)

PARTS = {"appearance": 16, "motion": 12, "text": 8}
Fill = Callable[..., Index]


def draw(
    count: int, *, seed: int, about: Mapping[str, int] | None = None, noise: float = 0.6
) -> np.ndarray:
    """Draw vectors of unit parts: a part in ``about`` lies around the direction of this number."""
    x = np.random.default_rng(seed).normal(size=(count, sum(PARTS.values())))
    for name, number in (about or {}).items():
        part = slices_of(PARTS)[name]
        centre = np.random.default_rng(1000 + number).normal(size=PARTS[name])
        x[:, part] = 3 * centre / np.linalg.norm(centre) + noise * x[:, part]
    return unit_parts(x, PARTS)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def gain_by_loops(alike: Sequence[float], different: Sequence[float]) -> float:
    mean = sum(different) / len(different)
    variance = sum((value - mean) ** 2 for value in different) / len(different)
    return max(0.0, (sum(alike) / len(alike) - mean) / variance)


def shares(gains: Mapping[str, float]) -> dict[str, float]:
    total = sum(gains.values())
    if total == 0:
        return dict.fromkeys(gains, 1 / len(gains))
    return {name: gain / total for name, gain in gains.items()}


def from_likes_by_loops(likes: np.ndarray, others: np.ndarray) -> dict[str, float]:
    gains = {}
    for name, part in slices_of(PARTS).items():
        alike = [cosine(a[part], b[part]) for a, b in combinations(likes, 2)]
        gains[name] = gain_by_loops(
            alike, [cosine(a[part], b[part]) for a in likes for b in others]
        )
    return shares(gains)


@given(st.integers(2, 6), st.integers(2, 9), st.integers(0, 999))
def test_weights_of_likes_are_those_of_the_formula(n: int, m: int, seed: int) -> None:
    likes, others = draw(n, seed=seed), draw(m, seed=seed + 1000)
    weights = weights_from_likes(likes, others, PARTS)
    assert weights == pytest.approx(from_likes_by_loops(likes, others), abs=1e-4)
    assert sum(weights.values()) == pytest.approx(1)


@given(st.permutations(range(5)), st.integers(0, 99))
def test_the_order_of_the_likes_does_not_matter(order: list[int], seed: int) -> None:
    likes, others = draw(5, seed=seed, about={"motion": 1}), draw(30, seed=seed + 1)
    weights = weights_from_likes(likes, others, PARTS)
    assert weights_from_likes(likes[order], others, PARTS) == pytest.approx(weights)


@given(st.integers(5, 8), st.integers(0, 99), st.sampled_from(sorted(PARTS)))
def test_a_part_of_noise_gets_less_than_one_that_separates(n: int, seed: int, telling: str) -> None:
    likes, others = draw(n, seed=seed, about={telling: 1}, noise=0.3), draw(50, seed=seed + 1)
    weights = weights_from_likes(likes, others, PARTS)
    assert weights[telling] > max(weights[name] for name in PARTS if name != telling)


def test_a_part_that_is_equal_everywhere_or_zero_gets_nothing() -> None:
    likes, others = draw(4, seed=0, about={"motion": 1}), draw(20, seed=1)
    for x in (likes, others):
        x[:, slices_of(PARTS)["appearance"]] = draw(1, seed=2)[0, slices_of(PARTS)["appearance"]]
        x[:, slices_of(PARTS)["text"]] = 0
    weights = weights_from_likes(likes, others, PARTS)
    assert weights == pytest.approx({"appearance": 0, "motion": 1, "text": 0}, abs=1e-6)
    likes[:], others[:] = (
        likes[0],
        likes[0],
    )  # nothing tells them apart: equal, where there is a part
    equal = {"appearance": 0.5, "motion": 0.5, "text": 0}
    assert weights_from_likes(likes, others, PARTS) == equal
    assert weights_from_likes(likes, others[:0], PARTS) == equal


def test_without_spread_a_part_that_separates_gets_all() -> None:
    likes, others = np.zeros((2, 36), np.float32), np.zeros((3, 36), np.float32)
    likes[:, 0], others[:, 1] = 1, 1  # appearance: the same in each group, at a right angle
    likes[:, 16:], others[:, 16:] = draw(2, seed=0)[:, 16:], draw(3, seed=1)[:, 16:]
    assert weights_from_likes(likes, others, PARTS)["appearance"] > 0.999


def test_one_like_is_refused() -> None:
    with pytest.raises(SearchError, match="1 likes: weights follow from at least 2"):
        weights_from_likes(draw(1, seed=0), draw(3, seed=1), PARTS)


@given(st.integers(0, 999), st.data())
def test_weights_of_labels_are_those_of_the_formula(seed: int, data: st.DataObject) -> None:
    words = st.lists(st.sampled_from("abc"), min_size=7, max_size=7)
    labels, groups, x = data.draw(words), data.draw(words), draw(7, seed=seed)
    pairs = list(combinations(range(7), 2))
    alike = [(i, j) for i, j in pairs if labels[i] == labels[j] and groups[i] != groups[j]]
    different = [(i, j) for i, j in pairs if labels[i] != labels[j]]
    if not alike or not different:
        with pytest.raises(LabelError, match="label more moments"):
            weights_from_labels(x, labels, groups, PARTS)
        return
    gains = {}
    for name, part in slices_of(PARTS).items():
        cosines = {(i, j): cosine(x[i, part], x[j, part]) for i, j in pairs}
        gains[name] = gain_by_loops([cosines[p] for p in alike], [cosines[p] for p in different])
    assert weights_from_labels(x, labels, groups, PARTS) == pytest.approx(shares(gains), abs=1e-4)


@pytest.fixture
def index(fill: Fill) -> Index:
    """Return an index of six videos of 4 moments: kind by motion, scene by appearance."""
    videos = {
        f"{motion}-{scene}.mp4": draw(
            4, seed=10 * motion + scene, about={"motion": motion, "appearance": 10 + scene}
        )
        for motion, scene in product(range(2), range(3))
    }
    return fill(videos, parts=PARTS)


def queries(index: Index, *paths: str) -> list[Query]:
    return [query_from_moments(index, [index.moment_at(path, 1.0)]) for path in paths]


def test_likes_of_an_index_are_compared_with_unlikes_and_other_videos(index: Index) -> None:
    by_motion, by_scene = queries(index, "0-0.mp4", "0-1.mp4"), queries(index, "1-0.mp4")
    clip = Query(draw(3, seed=5, about={"motion": 0}), parts=PARTS)  # of a file, three windows long
    weights = choose_weights(index, [*by_motion, clip], by_scene)
    likes = np.stack([query.direction for query in (*by_motion, clip)])
    others = index.vectors(index.matching("path not in ('0-0.mp4', '0-1.mp4')"))
    wanted = weights_from_likes(likes, np.concatenate([by_scene[0].vectors, others]), PARTS)
    assert weights == pytest.approx(wanted)
    assert max(weights, key=lambda name: weights[name]) == "motion"
    same_scene = choose_weights(index, queries(index, "0-0.mp4", "1-0.mp4"))
    assert max(same_scene, key=lambda name: same_scene[name]) == "appearance"


def test_others_are_a_random_sample_that_the_seed_draws(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weighting, "MAX_OTHERS", 5)
    likes = [query_from_moments(index, [i]) for i in (1, 2, 5)]  # two of one video, one of another
    first = choose_weights(index, likes)
    assert choose_weights(index, likes, ids=index.ids()[::-1]) == first  # their order is no matter
    assert any(choose_weights(index, likes, seed=seed) != first for seed in range(1, 5))


def test_without_other_videos_weights_are_equal(fill: Fill) -> None:
    index = fill({"a.mp4": draw(6, seed=0)}, parts=PARTS)
    likes = [query_from_moments(index, [i]) for i in (1, 3, 5)]
    assert choose_weights(index, likes) == pytest.approx(dict.fromkeys(PARTS, 1 / 3))


def test_labels_of_an_index_set_the_weights(index: Index) -> None:
    moments = {m.id: m for m in index.moments(index.ids())}
    with pytest.raises(LabelError, match="label more moments"):
        choose_weights_by_labels(index)
    for motion in "01":
        ids = [i for i, m in moments.items() if m.path.startswith(motion) and m.number % 2]
        set_label(index, ids, f"kind {motion}")
    weights = choose_weights_by_labels(index)
    labelled = [i for i, m in moments.items() if m.number % 2]
    wanted = weights_from_labels(
        index.vectors(labelled),
        [f"kind {moments[i].path[0]}" for i in labelled],
        [moments[i].path for i in labelled],
        PARTS,
    )
    assert weights == pytest.approx(wanted)
    assert weights["motion"] > 0.5
