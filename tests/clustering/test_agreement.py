"""Agreement of partitions against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score

from slic.clustering.agreement import adjusted_mutual_information


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(1, 80), p=st.integers(1, 30), q=st.integers(1, 30)
)
def test_agreement_is_that_of_scikit_learn(seed: int, n: int, p: int, q: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, p, n), rng.integers(0, q, n)
    expected = adjusted_mutual_info_score(a, b)
    assert adjusted_mutual_information(a, b) == pytest.approx(expected, abs=1e-8)
    assert adjusted_mutual_information(a, a) == pytest.approx(1.0)


def test_a_single_cluster_or_all_singletons_agree_with_others_by_chance_only() -> None:
    one, alone, some = np.zeros(6, dtype=int), np.arange(6), np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_mutual_information(one, some) == 0.0
    assert adjusted_mutual_information(alone, some) == pytest.approx(0.0, abs=1e-9)
    assert adjusted_mutual_information(one, alone) == 0.0
