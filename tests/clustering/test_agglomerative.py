"""Agglomerative clustering, against merges by plain loops."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from slic.clustering.agglomerative import Agglomerative
from slic.clustering.agreement import adjusted_mutual_information
from slic.errors import TrainingError

Group = list[int]


def variance_growth(unit: np.ndarray) -> Callable[[Group, Group], float]:
    """Return Ward's distance: what a merge adds to the sum of squares around the means."""

    def squares(group: Group) -> float:
        return float(((unit[group] - unit[group].mean(axis=0)) ** 2).sum())

    return lambda a, b: squares(a + b) - squares(a) - squares(b)


def of_pairs(unit: np.ndarray, reduce: Callable[[Any], Any]) -> Callable[[Group, Group], float]:
    return lambda a, b: float(reduce([1.0 - unit[i] @ unit[j] for i in a for j in b]))


@pytest.mark.parametrize("linkage", ["average", "complete", "single", "ward"])
def test_the_two_nearest_clusters_are_merged_until_k_remain(linkage: Any) -> None:
    x = np.random.default_rng(0).normal(size=(25, 4))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    reductions: dict[str, Any] = {"average": np.mean, "complete": max, "single": min}
    by_pairs = of_pairs(unit, reductions.get(linkage, min))
    distance = variance_growth(unit) if linkage == "ward" else by_pairs
    groups: list[Group] = [[i] for i in range(25)]
    while len(groups) > 6:
        a, b = min(combinations(groups, 2), key=lambda pair: distance(*pair))
        groups = [g for g in groups if g not in (a, b)] + [a + b]
    expected = np.empty(25, int)
    for number, group in enumerate(groups):
        expected[group] = number
    labels = Agglomerative(6, linkage=linkage)(x).labels
    assert adjusted_mutual_information(labels, expected) == pytest.approx(1.0)


def test_the_name_in_tables() -> None:
    assert str(Agglomerative(7, linkage="ward")) == "agglomerative 7, ward"


def test_as_many_clusters_as_points_and_more() -> None:
    assert Agglomerative(3)(np.eye(3)).labels.tolist() == [0, 1, 2]
    assert Agglomerative(1)(np.eye(1)).labels.tolist() == [0]
    with pytest.raises(TrainingError, match="4 clusters of 3 embeddings"):
        Agglomerative(4)(np.eye(3))
