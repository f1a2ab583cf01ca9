"""Weighted vectors are weighted cosines, and the tables say what the records have."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from balance import (
    WEIGHTS,
    likes_scores,
    likes_table,
    page_table,
    picture,
    read_records,
    table,
    weighted,
    written,
)


def vectors(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    x = {"appearance": rng.standard_normal((n, 5)), "motion": rng.standard_normal((n, 3))}
    return {name: rows / np.linalg.norm(rows, axis=1)[:, None] for name, rows in x.items()}


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_inner_products_are_weighted_cosines(weight: float) -> None:
    rng = np.random.default_rng(0)
    a, b = vectors(rng, 4), vectors(rng, 6)
    found = weighted(a, weight) @ weighted(b, weight).T
    expected = (1 - weight) * a["appearance"] @ b["appearance"].T
    np.testing.assert_allclose(found, expected + weight * a["motion"] @ b["motion"].T)


def test_likes_find_the_vector_that_tells_the_labels() -> None:
    rng, labels = np.random.default_rng(1), ["walk", "wave", "box"] * 20
    gallery = vectors(rng, 60)
    told = np.eye(3)[[i % 3 for i in range(60)]] + 0.2 * rng.standard_normal((60, 3))
    gallery["motion"] = told / np.linalg.norm(told, axis=1)[:, None]
    found = likes_scores(gallery, labels)
    assert found["1.0"] > found["0.5"] > found["0.0"]
    assert found["chosen"] > found["0.5"]


def record(run: str, seed: int, precision: float) -> dict[str, Any]:
    curve = {str(weight): [50.0, precision + 10 * weight] for weight in WEIGHTS}
    likes = {"chosen": precision, **{str(weight): precision + weight for weight in WEIGHTS}}
    return {
        "task": "hard", "draw": "test", "run": run, "seed": seed, "curve": curve, "likes": likes,
    }  # fmt: skip


def test_tables_have_means_and_deviations_over_seeds() -> None:
    records = [record("built-in", 0, 20.0), *(record("two-stream", s, 30.0 + s) for s in (0, 1))]
    _, _, before, after = table(records, "test")
    assert before.startswith("| *hard* | built-in | 50.0 / 20.0 |")
    assert after.startswith("| *hard* | two-stream (2) | 50.0 ± 0.0 / 30.5 ± 0.7 |")
    assert [*likes_table(records, "test")][2:] == [
        "| *hard* | 31.0 | 30.5 | 31.5 |",
        "The weight from likes costs 1.0 points on average.",
    ]
    drawn = picture(records, "test")
    assert drawn.count("<svg ") == 2
    assert "hard: mAP" in drawn
    assert [*table(records, "validation")][2:] == []


def test_the_table_of_the_results_is_that_of_the_records() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "results.md").read_text("utf-8")
    text = page_table(read_records(root / "benchmarks" / "learning" / "balance.jsonl"))
    assert text.count("**after**") == 11
    assert written(page, text) == page, "run balance.py with --records and --page"


def test_only_the_table_of_a_page_is_replaced() -> None:
    text = page_table([record("built-in", 0, 20.0), record("two-stream", 0, 30.0)])
    head, _, before, after = text.splitlines()
    assert head.endswith("| appearance alone | equal weights | motion alone |")
    assert before == "| *hard* | before | 50.0 / 20.0 | 50.0 / 25.0 | 50.0 / 30.0 |"
    assert after == "| *hard* | **after** | 50.0 / 30.0 | 50.0 / 35.0 | 50.0 / 40.0 |"
    page = "a\n<!-- balance.py: begin -->\nold\n<!-- balance.py: end -->\nb\n"
    assert written(page, "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="needs the marks"):
        written("a", "new")
