"""The queue follows its definition by plain loops, from the first label on."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import Index, MomentClassifier, set_label
from slic.search.classifier import given_labels
from slic.search.label_queue import KERNEL_WIDTH, SPACING, LabelQueue, herd, uncertainty_of

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def margins(classifier: MomentClassifier, vectors: np.ndarray) -> list[float]:
    """Return the difference of the two greatest shares of the votes of each moment."""
    sorted_shares = [sorted(row.tolist()) for row in classifier.votes(vectors).shares]
    return [row[-1] - row[-2] for row in sorted_shares]


def gains_by_loops(
    index: Index, covering: Sequence[int], uncertainty: Sequence[float]
) -> dict[int, float]:
    """Return how much coverage every moment adds, by the definition."""
    moments = index.moments(index.ids())
    x = index.vectors(index.ids())
    distance = {
        (a.id, b.id): max(0.0, 1.0 - float(u @ v))
        for a, u in zip(moments, x, strict=True)
        for b, v in zip(moments, x, strict=True)
    }
    pairs = [d for (a, b), d in distance.items() if a < b]
    width = KERNEL_WIDTH * float(np.median(pairs))
    gains = {}
    for candidate in moments:
        gains[candidate.id] = 0.0
        for moment, uncertain in zip(moments, uncertainty, strict=True):
            siblings = sum(other.video_id == moment.video_id for other in moments)
            kernel = math.exp(-distance[moment.id, candidate.id] / width)
            covered = max((math.exp(-distance[moment.id, c] / width) for c in covering), default=0)
            gains[candidate.id] += uncertain / siblings * max(0.0, kernel - covered)
    return gains


def test_without_labels_each_moment_adds_most_coverage(fill: Fill, rows: Rows) -> None:
    index = fill({f"{n}.mp4": rows(3 + n, seed=n) for n in range(5)})
    first = LabelQueue(index).next_moments([], k=4)
    videos = {m.id: m.video_id for m in index.moments(index.ids())}
    for number, moment in enumerate(first):
        gains = gains_by_loops(index, first[:number], [1.0] * index.count)
        recent = {videos[other] for other in first[max(0, number - SPACING) : number]}
        apart = [gain for i, gain in gains.items() if videos[i] not in recent]
        assert gains[moment] == pytest.approx(max(apart), rel=1e-4)
    assert LabelQueue(index).next_moments([], k=4) == first


def test_labelled_moments_cover_and_uncertain_ones_count_more(labelled: Index) -> None:
    classifier = MomentClassifier.from_index(labelled)
    given = given_labels(labelled)
    (chosen,) = LabelQueue(labelled).next_moments(given, classifier, k=1)
    accuracy = float(np.mean(classifier.left_out.correct))
    assert 0.5 < accuracy <= 1.0
    uncertainty = [1 - accuracy * m for m in margins(classifier, labelled.all_vectors()[1])]
    gains = gains_by_loops(labelled, list(given), uncertainty)
    open_ = {i: gain for i, gain in gains.items() if i not in given}
    assert open_[chosen] == pytest.approx(max(open_.values()), rel=1e-4)
    flat = gains_by_loops(labelled, list(given), [1.0] * labelled.count)
    assert chosen not in given
    assert flat[chosen] > gains[chosen]
    kind = (chosen - 1) % 18 // 6
    assert kind == 2  # nobody labelled this one, and nothing covers it


def test_one_label_and_one_class_are_equally_uncertain_everywhere(labelled: Index) -> None:
    one = np.ones((3, 1), np.float32)
    assert uncertainty_of(one, 1.0).tolist() == [1.0, 1.0, 1.0]
    two = np.array([[0.9, 0.1], [0.5, 0.5]], np.float32)
    assert uncertainty_of(two, 0.5) == pytest.approx([0.6, 1.0])
    queue = LabelQueue(labelled)
    (chosen,) = queue.next_moments([2], k=1)
    gains = gains_by_loops(labelled, [2], [1.0] * labelled.count)
    assert gains[chosen] == pytest.approx(max(gains.values()), rel=1e-4)


def test_moments_of_a_video_are_apart_and_none_comes_twice(fill: Fill, kinds: Rows) -> None:
    index = fill({f"{n}.mp4": kinds(5, seed=n) for n in range(5)})
    queue = LabelQueue(index)
    order = queue.next_moments([], k=1000)
    assert sorted(order) == index.ids().tolist()
    videos = [m.video_id for m in index.moments(order)]
    for number in range(60):  # after that, some videos have no moment left
        assert videos[number] not in videos[max(0, number - SPACING) : number]
    rest = queue.next_moments(order[:3], k=1000, ahead=order[3:5], skipped=order[5:7])
    assert sorted(rest) == sorted(order[7:])


def test_copies_count_as_one_video(fill: Fill, rows: Rows) -> None:
    often, twice = rows(1, seed=1), rows(1, seed=2)
    files = {"1.mp4": often, "2.mp4": often, "3.mp4": often, "4.mp4": twice, "5.mp4": twice}
    index = fill(files)
    (first,) = LabelQueue(index).next_moments([], k=1)
    assert first <= 3
    with index.database.transaction() as connection:
        connection.execute("UPDATE videos SET content_id = 'same' WHERE path < '4'")
    (first,) = LabelQueue(index).next_moments([], k=1)
    assert first > 3


def test_a_large_index_is_worked_through_in_parts(fill: Fill, rows: Rows) -> None:
    index = fill({f"{n}": rows(10, seed=n) for n in range(10)})
    queue = LabelQueue(index, pool_moments=20, seed=3)
    labelled: list[int] = []
    parts = []
    while chosen := queue.next_moments(labelled, k=5):
        parts.append({*chosen})
        labelled += chosen
    assert sorted(labelled) == index.ids().tolist()
    part = np.random.default_rng(3).permutation(index.ids())[:20]
    assert parts[0] <= {*part.tolist()}
    assert parts[1] <= {*part.tolist()}
    assert not parts[3] & {*part.tolist()}  # less than half of it was left
    other = LabelQueue(index, pool_moments=20, seed=4)
    assert other.next_moments([], k=5) != queue.next_moments([], k=5)


def test_a_scope_limits_the_choice(labelled: Index) -> None:
    among = labelled.ids()[40:50]
    chosen = LabelQueue(labelled).next_moments([], k=100, among=among)
    assert sorted(chosen) == among.tolist()
    assert LabelQueue(labelled).next_moments([], k=3, among=among[:0]) == []
    with pytest.raises(SearchError, match="there is no moment"):
        LabelQueue(labelled).next_moments([10**6], k=3)


def test_equal_moments_can_be_ranked(fill: Fill, rows: Rows) -> None:
    index = fill({"a": np.repeat(rows(1), 4, axis=0)})
    assert len(LabelQueue(index).next_moments([], k=4)) == 4


def test_lazy_gains_choose_as_all_gains(fill: Fill, rows: Rows) -> None:
    index = fill({f"{n}": rows(1, seed=n) for n in range(60)})
    queue = LabelQueue(index)
    queue.next_moments([], k=1)
    pool = queue._pool
    assert pool is not None
    uncertainty = np.random.default_rng(0).random(60).astype(np.float32)
    covered, chosen = np.zeros(60, np.float32), list[int]()
    for _ in range(20):
        gains = np.maximum(pool.kernel - covered, 0.0) @ uncertainty
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, pool.kernel[chosen[-1]])
    everything = np.ones(60, bool)
    covered = np.zeros(60, np.float32)
    assert herd(pool, uncertainty, covered=covered, allowed=everything, k=20) == chosen


def test_labels_change_what_comes_next(fill: Fill, kinds: Rows) -> None:
    index = fill({f"{n}.mp4": kinds(4, seed=n) for n in range(6)})
    queue = LabelQueue(index)
    seen = set()
    for _ in range(6):
        given = given_labels(index)
        classifier = MomentClassifier.from_index(index) if len(given) > 1 else None
        (moment,) = queue.next_moments(given, classifier, k=1)
        kind = (moment - 1) % 12 // 4
        seen.add(kind)
        set_label(index, [moment], f"kind {kind}")
    assert seen == {0, 1, 2}  # every kind is found within the first six
