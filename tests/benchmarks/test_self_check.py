"""Numbers without labels, against plain loops over their definition."""

import math
from typing import Any

import numpy as np
import pytest

from self_check import correlation, gains, pair_numbers


def embeddings(seed: int, n: int = 14) -> np.ndarray:
    """Draw two clips per video, near each other more often than not."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1, 5)) + 0.7 * rng.normal(size=(n, 2, 5))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("seed", range(3))
def test_retrieval_of_the_other_clip_and_nearest_neighbours(seed: int) -> None:
    x = embeddings(seed)
    n = len(x)
    ranks = []
    for i in range(n):
        own = cosine(x[i, 0], x[i, 1])
        ranks.append(1 + sum(cosine(x[i, 0], x[j, 1]) > own for j in range(n) if j != i))
    places = [(i, side) for i in range(n) for side in range(2)]
    same = 0
    for place in places:
        others = [other for other in places if other != place]
        nearest = others[int(np.argmax([cosine(x[place], x[other]) for other in others]))]
        same += nearest[0] == place[0]
    numbers = pair_numbers(x)
    assert numbers.recall == pytest.approx(sum(rank == 1 for rank in ranks) / n)
    assert numbers.reciprocal_rank == pytest.approx(sum(1 / rank for rank in ranks) / n)
    assert numbers.same_file == pytest.approx(same / (2 * n))


def test_alignment_and_uniformity_as_wang_and_isola_define_them() -> None:
    x = embeddings(0)
    n = len(x)
    unit = x / np.linalg.norm(x, axis=2, keepdims=True)
    apart = [float(np.linalg.norm(unit[i, 0] - unit[i, 1])) ** 2 for i in range(n)]
    kernel = [
        math.exp(-2 * float(np.linalg.norm(unit[i, 0] - unit[j, 0])) ** 2)
        for i in range(n)
        for j in range(i)
    ]
    numbers = pair_numbers(x)
    assert numbers.alignment == pytest.approx(sum(apart) / n, rel=1e-5)
    assert numbers.uniformity == pytest.approx(math.log(sum(kernel) / len(kernel)), rel=1e-5)


def test_alike_embeddings_are_aligned_and_not_uniform() -> None:
    numbers = pair_numbers(np.ones((6, 2, 3)))
    assert numbers.alignment == pytest.approx(0.0, abs=1e-6)
    assert numbers.uniformity == pytest.approx(0.0, abs=1e-6)


def row(step: int, recall: float, alignment: float, score: float) -> dict[str, Any]:
    same = {"task": "t", "encoder": "e", "layer": "head", "vector": "v"}
    numbers = dict.fromkeys(("reciprocal_rank", "same_file", "uniformity"), 0.0)
    return {
        **same,
        **numbers,
        "step": step,
        "recall": recall,
        "alignment": alignment,
        "mAP": score,
    }


def test_a_correlation_is_positive_if_the_better_number_has_the_better_score() -> None:
    rows = [row(0, 0.1, 0.9, 0.2), row(60, 0.3, 0.5, 0.3), row(240, 0.2, 0.1, 0.8)]
    assert correlation(rows, "recall") == pytest.approx(0.5)
    assert correlation(rows, "alignment") == pytest.approx(1.0)  # small is good
    (gain,) = gains(rows)
    assert gain["recall"] == pytest.approx(0.1)
    assert gain["mAP"] == pytest.approx(0.6)
