"""The rows follow their published rule."""

from collections import Counter

import numpy as np

from slic.evaluation.ranking import rank
from slic.report.neighbour_rows import NEIGHBOURS, NeighbourRow, neighbour_rows


def rows(seed: int, classes: int = 5) -> list[NeighbourRow]:
    rng = np.random.default_rng(seed)
    q_label, g_label = rng.integers(0, classes, 50), rng.integers(0, classes, 80)
    centre = rng.normal(size=(classes, 8))
    q = centre[q_label] + rng.normal(size=(50, 8)) * rng.uniform(0, 3, (50, 1))
    g = centre[g_label] + rng.normal(size=(80, 8)) * 0.7
    return neighbour_rows(
        rank(q, g, 10),
        query_names=[f"q{i}" for i in range(50)],
        query_labels=[f"action {i}" for i in q_label],
        gallery_names=[f"g{i}" for i in range(80)],
        gallery_labels=[f"action {i}" for i in g_label],
        strip_of=lambda _: None,
    )


def test_kinds_are_what_they_say() -> None:
    for row in rows(0):
        right = sum(tile.label == row.query.label for tile in row.neighbours)
        kind = {0: "none right", NEIGHBOURS: "all right"}.get(right, "some right")
        assert (row.kind, len(row.neighbours)) == (kind, NEIGHBOURS)
        similarity = [tile.similarity or 0.0 for tile in row.neighbours]
        assert similarity == sorted(similarity, reverse=True)


def test_every_label_has_its_turn_and_no_query_comes_twice() -> None:
    for seed in range(5):
        chosen = rows(seed)
        assert len({row.query.name for row in chosen}) == len(chosen)
        assert max(Counter(row.kind for row in chosen).values()) <= 4
        assert len({row.query.label for row in chosen}) == 5


def test_shares_sum_to_one() -> None:
    share = {row.kind: row.share for row in rows(1)}
    assert len(share) == 3
    assert sum(share.values()) == 1.0
