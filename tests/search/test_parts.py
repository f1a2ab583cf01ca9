"""Parts and weights: by hand, and against the definition of a weighted mean of cosines."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from slic.errors import SearchError
from slic.neighbours.rows import slices_of
from slic.search.parts import (
    check_weights,
    present_parts,
    query_factors,
    unit_parts,
    vector_factors,
)

PARTS = {"appearance": 2, "motion": 3, "text": 1}


def test_parts_lie_one_after_the_other() -> None:
    assert slices_of(PARTS) == {
        "appearance": slice(0, 2),
        "motion": slice(2, 5),
        "text": slice(5, 6),
    }


def test_parts_get_length_one_and_a_zero_part_stays_zero() -> None:
    x = np.array([[3.0, 4.0, 0.0, 0.0, 0.0, -2.0]])
    assert unit_parts(x, PARTS).tolist() == [[pytest.approx(0.6), pytest.approx(0.8), 0, 0, 0, -1]]
    assert present_parts(x, PARTS) == ["appearance", "text"]


@given(st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.5]), min_size=3, max_size=3), st.integers(0, 99))
def test_inner_products_are_the_weighted_mean_of_the_cosines(given: list[float], seed: int) -> None:
    weights = dict(zip(PARTS, given, strict=True))
    a, b = unit_parts(np.random.default_rng(seed).normal(size=(2, 6)), PARTS)
    if not any(given):
        with pytest.raises(SearchError, match="one must be above 0"):
            vector_factors(PARTS, weights)
        return
    cosines = {name: float(a[part] @ b[part]) for name, part in slices_of(PARTS).items()}
    wanted = sum(weights[name] * cosines[name] for name in PARTS) / sum(given)
    assert (a * query_factors(PARTS, weights, list(PARTS))) @ b == pytest.approx(wanted, abs=1e-6)
    factors = vector_factors(PARTS, weights)
    assert (a * factors) @ (b * factors) == pytest.approx(wanted, abs=1e-6)


def test_the_weights_of_parts_that_a_query_lacks_do_not_count() -> None:
    factors = query_factors(PARTS, {"motion": 3.0, "text": 1.0}, ["text"])
    assert factors.tolist() == [0, 0, 0, 0, 0, 1]
    assert query_factors(PARTS, None, ["motion", "text"]).tolist() == [0, 0, 0.5, 0.5, 0.5, 0.5]
    with pytest.raises(SearchError, match="motion=1: the query has only text"):
        query_factors(PARTS, {"motion": 1.0}, ["text"])


def test_one_part_is_left_as_it_is() -> None:
    assert query_factors({"embedding": 4}, None, ["embedding"]).tolist() == [1, 1, 1, 1]
    assert vector_factors({"embedding": 4}, {"embedding": 0.7}).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("wrong", [{"motion": -1.0}, {"motion": float("nan")}, {"motion": 0.0}, {}])
def test_wrong_weights_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SearchError, match="each must be a number of at least 0"):
        check_weights(PARTS, wrong)


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SearchError, match=r"'look'.*it has appearance, motion, text"):
        check_weights(PARTS, {"look": 1.0})
