"""The table of the built-in encoder: each score against plain loops over its definition."""

import numpy as np
import pytest

from default_encoder import Score, Side, score, share, table


def side(count: int, seed: int) -> Side:
    rng = np.random.default_rng(seed)
    vectors = {kind: rng.standard_normal((count, 4)) + 1 for kind in ("appearance", "motion", "x")}
    return Side(vectors, [str(label) for label in rng.integers(0, 3, count)])


def recall(cosines: np.ndarray, queries: list[str], gallery: list[str]) -> float:
    hits = [
        gallery[int(row.argmax())] == label for row, label in zip(cosines, queries, strict=True)
    ]
    return 100 * sum(hits) / len(hits)


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def test_a_query_of_the_gallery_is_left_out_of_it() -> None:
    videos = side(20, 0)
    x = unit(videos.vectors["x"])
    cosines = x @ x.T - 9 * np.eye(20)
    wanted = recall(cosines, videos.labels, videos.labels)
    assert score(videos, videos, "x").recall == pytest.approx(wanted)


def test_both_is_the_mean_of_the_cosines_of_the_two_vectors() -> None:
    queries, gallery = side(15, 1), side(20, 2)
    a, b = (
        unit(queries.vectors[kind]) @ unit(gallery.vectors[kind]).T
        for kind in ("appearance", "motion")
    )
    wanted = recall((a + b) / 2, queries.labels, gallery.labels)
    assert score(queries, gallery, "both").recall == pytest.approx(wanted)


def test_centring_subtracts_the_mean_of_each_side() -> None:
    queries, gallery = side(15, 1), side(20, 2)
    q, g = (unit(s.vectors["x"] - s.vectors["x"].mean(axis=0)) for s in (queries, gallery))
    wanted = recall(q @ g.T, queries.labels, gallery.labels)
    assert score(queries, gallery, "x", centre=True).recall == pytest.approx(wanted)


def test_the_share_is_of_the_best_baseline_by_its_mean_over_seeds() -> None:
    rows = {
        "appearance": [Score(30, 10)],
        "motion": [Score(45, 5)],
        "mean frame": [Score(10, 5)],
        "mean frame, centred": [Score(20, 5)],
        "random R3D": [Score(60, 5), Score(40, 35)],
        "random R3D, centred": [Score(0, 0)],
        "motion descriptor": [Score(30, 8)],
        "motion descriptor, centred": [Score(20, 1)],
        "both": [Score(99, 99)],
    }
    assert share(rows, 0) == pytest.approx(45 / 50)
    assert share(rows, 1) == pytest.approx(10 / 20)
    lines = list(table({"easy": rows}))
    assert "| random R3D | 50.0 ± 14.1 / 20.0 ± 21.2 |" in lines
    assert "| `motion`, learnt |  |" in lines
    assert lines[-1] == "| better vector / best baseline, mAP | 0.50 |"
