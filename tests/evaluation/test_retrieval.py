"""Scores are checked against plain loops over the definitions and against reference numbers."""

import json
import math
from collections import Counter
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest

from slic.evaluation import ranking, retrieval
from slic.evaluation.base import LabelledSplit
from slic.evaluation.retrieval import chance_precision, chance_recall, evaluate
from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS
from slic.neighbours import exact
from slic.videos.catalog import Catalog

KS = (1, 2, 5, 1000)


def slow_order(query: np.ndarray, gallery: np.ndarray) -> list[int]:
    cosine = [g @ query / np.linalg.norm(g) / np.linalg.norm(query) for g in gallery]
    return sorted(range(len(gallery)), key=lambda i: -cosine[i])


def slow_scores(
    q: np.ndarray, q_labels: list[str], g: np.ndarray, g_labels: list[str]
) -> tuple[dict[int, float], float, dict[str, float], dict[str, Counter[str]]]:
    hits: dict[int, list[bool]] = {k: [] for k in KS}
    precisions, by_class, confusion = [], dict[str, list[bool]](), dict[str, Counter[str]]()
    for query, label in zip(q, q_labels, strict=True):
        order = slow_order(query, g)
        match = [g_labels[i] == label for i in order]
        for k in KS:
            hits[k].append(any(match[:k]))
        at_match = [sum(match[: i + 1]) / (i + 1) for i in range(len(match)) if match[i]]
        precisions.append(sum(at_match) / len(at_match) if at_match else 0.0)
        by_class.setdefault(label, []).append(match[0])
        confusion.setdefault(label, Counter())[g_labels[order[0]]] += 1
    return (
        {k: sum(hit) / len(hit) for k, hit in hits.items()},
        sum(precisions) / len(precisions),
        {label: sum(hit) / len(hit) for label, hit in sorted(by_class.items())},
        confusion,
    )


def random_queries_and_gallery(seed: int) -> tuple[np.ndarray, list[str], np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    q, g = rng.normal(size=(23, 3)), rng.normal(size=(61, 3))
    q_labels = [f"action {i}" for i in rng.integers(0, 8, 23)]
    g_labels = [f"action {i}" for i in rng.integers(0, 6, 61)]  # 6 and 7 cannot be found
    return q, q_labels, g, g_labels


@pytest.mark.parametrize("elements", [200, 2**25])
@pytest.mark.parametrize("seed", range(4))
def test_scores_match_plain_loops_when_no_query_is_dropped(
    seed: int, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "MAX_BLOCK_SIMILARITIES", elements)
    q, q_labels, g, g_labels = random_queries_and_gallery(seed)
    scores = evaluate(q, q_labels, g, g_labels, ks=KS)
    recall, precision, per_class, confusion = slow_scores(q, q_labels, g, g_labels)
    assert scores.recall == pytest.approx(recall)
    assert scores.mean_average_precision == pytest.approx(precision)
    assert scores.per_class_recall == pytest.approx(per_class)
    assert scores.confusion == confusion
    assert sum(sum(found.values()) for found in scores.confusion.values()) == 23
    assert (scores.queries, scores.gallery) == (23, 61)
    assert scores.unmatched_queries == sum(label not in g_labels for label in q_labels) > 0


@pytest.mark.parametrize("ks", [(1,), (1, 5, 20), (1, 1000)])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_without_average_precision_all_else_is_the_same(
    seed: int, large: bool, ks: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:  # then the nearest are kept, and no whole row
        monkeypatch.setattr(retrieval, "GALLERY_BLOCK_ROWS", 13)
        monkeypatch.setattr(exact, "GALLERY_BLOCK_ROWS", 13)
    both = random_queries_and_gallery(seed)
    with_it = evaluate(*both, ks=ks)
    without = evaluate(*both, ks=ks, average_precision=False)
    assert without.as_dict() == with_it.as_dict() | {"mean_average_precision": None}
    assert math.isnan(without.mean_average_precision)
    assert "mAP" in with_it.table()
    assert "mAP" not in without.table()


def test_of_equally_near_videos_the_first_of_the_gallery_is_nearest() -> None:
    x = np.eye(2, dtype=np.float32)
    gallery = x[[1, 0, 0]]  # both copies of the query are at similarity 1
    for labels, recall in ((["other", "run", "walk"], 0.0), (["other", "walk", "run"], 1.0)):
        scores = evaluate(x[:1], ["walk"], gallery, labels, ks=(1, 2))
        assert scores.recall == {1: recall, 2: 1.0}
        assert scores.confusion == {"walk": {labels[1]: 1}}


def test_parity_with_the_reference(shared: Path) -> None:
    truth = np.load(shared / "reference" / "retrieval.npz")
    for average_precision in (True, False):
        scores = evaluate(
            truth["query"],
            [str(label) for label in truth["query_labels"]],
            truth["gallery"],
            [str(label) for label in truth["gallery_labels"]],
            ks=truth["ks"].tolist(),
            average_precision=average_precision,
        )
        assert list(scores.recall.values()) == pytest.approx(truth["recall"].tolist())


def test_scores_are_json_with_their_protocol() -> None:
    x, labels = np.eye(3), ["walk", "run", "wave"]
    protocol = RETRIEVAL_PROTOCOLS["paper"].description
    scores = evaluate(x, labels, x[:2], labels[:2], protocol=protocol)
    as_json = json.loads(json.dumps(scores.as_dict()))
    assert as_json["recall"]["1"] == pytest.approx(2 / 3)
    assert as_json["confusion"] == {"run": {"run": 1}, "walk": {"walk": 1}, "wave": {"walk": 1}}
    assert "mean over 10 clips" in protocol
    assert protocol in scores.table()
    assert "1 queries have no match" in scores.table()


def test_the_table_shows_the_lowest_labels_and_the_most_confused_pairs() -> None:
    x = np.eye(12)
    labels = [f"action {i:02}" for i in range(12)]
    found = labels.copy()
    found[3], found[7] = labels[5], labels[5]  # 3 and 7 are taken for 5
    lines = evaluate(x, labels, x, found).table().splitlines()
    lowest = lines[lines.index("R@1 by label, the 10 lowest of 12") + 1 :]
    assert [line.split()[1:] for line in lowest[:3]] == [
        ["03", "0.0"],
        ["07", "0.0"],
        ["00", "100.0"],
    ]
    assert lines[-2:] == [f"  action {i} -> action 05: 100 % (queries: 1)" for i in ("03", "07")]


def test_queries_and_gallery_have_one_label_each() -> None:
    with pytest.raises(ValueError, match="2 embeddings but 1 labels"):
        evaluate(np.ones((2, 2)), ["a"], np.ones((2, 2)), ["a", "b"])


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_chance_counts_every_choice_of_neighbours(six_videos: Catalog, k: int) -> None:
    gallery = ["a", "a", "b", "c", "a"]
    queries = ["a", "b", "d", "a"]
    choices = list(combinations(gallery, min(k, len(gallery))))
    hits = [label in choice for label in queries for choice in choices]
    split = LabelledSplit(
        train=six_videos, train_labels=gallery, test=six_videos, test_labels=queries
    )
    assert chance_recall(split, k) == pytest.approx(np.mean(hits))


def test_chance_precision_is_the_mean_over_every_order(six_videos: Catalog) -> None:
    gallery = ["a", "a", "b", "c", "a"]
    queries = ["a", "b", "d", "a"]
    split = LabelledSplit(
        train=six_videos, train_labels=gallery, test=six_videos, test_labels=queries
    )

    def precision(order: tuple[str, ...], label: str) -> float:
        ranks = [rank for rank, other in enumerate(order, start=1) if other == label]
        return float(np.mean([(n + 1) / rank for n, rank in enumerate(ranks)])) if ranks else 0.0

    wanted = np.mean([precision(order, q) for q in queries for order in permutations(gallery)])
    assert chance_precision(split) == pytest.approx(wanted)
