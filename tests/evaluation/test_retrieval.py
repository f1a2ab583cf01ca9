"""Scores are checked against plain loops over the definitions and against reference numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SlicError
from slic.evaluation import retrieval
from slic.evaluation.retrieval import evaluate, rank

KS = (1, 2, 5, 1000)


def slow_order(query: np.ndarray, gallery: np.ndarray) -> list[int]:
    cosine = [g @ query / np.linalg.norm(g) / np.linalg.norm(query) for g in gallery]
    return sorted(range(len(gallery)), key=lambda i: -cosine[i])


def slow_scores(
    q: np.ndarray, q_labels: list[str], g: np.ndarray, g_labels: list[str]
) -> tuple[dict[int, float], float, dict[str, float]]:
    hits: dict[int, list[bool]] = {k: [] for k in KS}
    precisions, by_class = [], dict[str, list[bool]]()
    for query, label in zip(q, q_labels, strict=True):
        match = [g_labels[i] == label for i in slow_order(query, g)]
        for k in KS:
            hits[k].append(any(match[:k]))
        at_match = [sum(match[: i + 1]) / (i + 1) for i in range(len(match)) if match[i]]
        precisions.append(sum(at_match) / len(at_match) if at_match else 0.0)
        by_class.setdefault(label, []).append(match[0])
    return (
        {k: sum(hit) / len(hit) for k, hit in hits.items()},
        sum(precisions) / len(precisions),
        {label: sum(hit) / len(hit) for label, hit in sorted(by_class.items())},
    )


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "BLOCK_ELEMENTS", 200)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(4))
def test_scores_match_plain_loops_when_no_query_is_dropped(seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, g = rng.normal(size=(23, 3)), rng.normal(size=(61, 3))
    q_labels = [f"action {i}" for i in rng.integers(0, 8, 23)]
    g_labels = [f"action {i}" for i in rng.integers(0, 6, 61)]  # 6 and 7 cannot be found
    scores = evaluate(q, q_labels, g, g_labels, ks=KS)
    recall, precision, per_class = slow_scores(q, q_labels, g, g_labels)
    assert scores.recall == pytest.approx(recall)
    assert scores.mean_average_precision == pytest.approx(precision, abs=1e-6)
    assert scores.per_class_recall == pytest.approx(per_class)
    assert (scores.queries, scores.gallery) == (23, 61)
    assert scores.unmatched_queries == sum(label not in g_labels for label in q_labels) > 0


@pytest.mark.usefixtures("small_blocks")
def test_rank_is_the_slow_order_and_ties_keep_the_order_of_the_gallery() -> None:
    rng = np.random.default_rng(0)
    q, g = rng.normal(size=(9, 4)), rng.normal(size=(50, 4))
    g[40] = g[10]
    index, similarity = rank(q, g, 1000)
    assert index.tolist() == [slow_order(query, g) for query in q]
    assert (np.diff(similarity, axis=1) <= 0).all()
    assert np.array_equal(rank(q, g, 3).indices, index[:, :3])


def test_clips_are_averaged_before_they_are_scaled() -> None:
    rng = np.random.default_rng(1)
    q, g = rng.normal(size=(5, 10, 4)), rng.normal(size=(30, 10, 4))
    q[:, 0] *= 100.0  # scaled clip by clip, the loud clip would count no more than the others
    assert np.array_equal(rank(q, g, 30).indices, rank(q.mean(axis=1), g.mean(axis=1), 30).indices)


def test_centring_takes_off_each_side_s_own_mean() -> None:
    rng = np.random.default_rng(2)
    q, g = rng.normal(size=(8, 4)), rng.normal(size=(30, 4))
    shifted = rank(q + 5.0, g - 7.0, 30, centre=True)
    by_hand = rank(q - q.mean(axis=0), g - g.mean(axis=0), 30)
    assert np.array_equal(shifted.indices, by_hand.indices)


def test_parity_with_the_reference(shared: Path) -> None:
    truth = np.load(shared / "reference" / "retrieval.npz")
    scores = evaluate(
        truth["query"],
        [str(label) for label in truth["query_labels"]],
        truth["gallery"],
        [str(label) for label in truth["gallery_labels"]],
        ks=truth["ks"].tolist(),
    )
    assert list(scores.recall.values()) == pytest.approx(truth["recall"].tolist())


def test_scores_are_json_and_say_their_protocol() -> None:
    x, labels = np.eye(3), ["walk", "run", "wave"]
    protocol = str(retrieval.PROTOCOLS["paper"])
    scores = evaluate(x, labels, x[:2], labels[:2], protocol=protocol)
    assert json.loads(json.dumps(scores.as_dict()))["recall"]["1"] == pytest.approx(2 / 3)
    assert "mean over 10 clips" in protocol
    assert protocol in scores.table()
    assert "1 queries have no match" in scores.table()


def test_bad_embeddings_are_named() -> None:
    x = np.ones((3, 2))
    x[1, 0] = np.nan
    with pytest.raises(SlicError, match="video 1 is not finite"):
        rank(x, np.ones((2, 2)), 1)
    with pytest.raises(SlicError, match="at least one video"):
        rank(np.ones((0, 2)), np.ones((2, 2)), 1)
    with pytest.raises(ValueError, match="2 embeddings but 1 labels"):
        evaluate(np.ones((2, 2)), ["a"], np.ones((2, 2)), ["a", "b"])
