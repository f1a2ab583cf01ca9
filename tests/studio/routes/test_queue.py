"""What to label next, and how labels agree: by the routes, against plain loops."""

import numpy as np
from starlette.testclient import TestClient

from slic.search import set_label
from slic.search.label_queue import LabelQueue
from slic.studio.state import Studio


def ask(client: TestClient, **more: object) -> dict[str, object]:
    response = client.post("/api/queue", json=more)
    assert response.status_code == 200, response.json()
    answer: dict[str, object] = response.json()
    return answer


def ids_of(answer: dict[str, object]) -> list[int]:
    tiles = answer["moments"]
    assert isinstance(tiles, list)
    return [tile["moment"] for tile in tiles]


def test_the_queue_without_labels_is_that_of_the_search(client: TestClient, studio: Studio) -> None:
    answer = ask(client, limit=6)
    assert ids_of(answer) == LabelQueue(studio.index).next_moments([], k=6)
    assert answer["left"] == studio.index.count
    assert answer["verdicts"] == {
        "labelled": 0, "checked": 0, "right": 0, "wrong": 0, "unknown": 0, "labels": [],
    }  # fmt: skip


def test_labelled_skipped_and_shown_moments_are_left_out(
    client: TestClient, studio: Studio
) -> None:
    first, second, third, *_ = ids_of(ask(client, limit=6))
    set_label(studio.index, [first], "wave")
    answer = ask(client, limit=200, ahead=[second, 10**9], skipped=[third])
    rest = ids_of(answer)
    assert not {first, second, third} & {*rest}
    assert len(rest) == studio.index.count - 3
    assert answer["left"] == studio.index.count - 1
    tiles = answer["moments"]
    assert isinstance(tiles, list)
    assert all(tile["guess"] is None for tile in tiles)
    set_label(studio.index, rest[:4], "kick")
    guesses = {tile["guess"] for tile in ask(client)["moments"]}  # type: ignore[attr-defined]
    assert guesses <= {"wave", "kick", None}


def test_a_scope_limits_the_queue(client: TestClient, studio: Studio) -> None:
    video = studio.index.videos()[0]
    answer = ask(client, limit=200, scope={"where": f"video_id = {video.id}"})
    assert sorted(ids_of(answer)) == studio.index.matching(f"video_id = {video.id}").tolist()
    assert answer["left"] == video.moments
    refused = client.post("/api/queue", json={"scope": {"where": "no column"}})
    assert refused.status_code == 422


def test_verdicts_by_loops(client: TestClient, studio: Studio) -> None:
    index = studio.index
    ids = index.ids()[:18].tolist()
    labels = {moment: ("a", "b", "c")[n % 3] for n, moment in enumerate(ids)}
    for label in "abc":
        set_label(index, [i for i in ids if labels[i] == label], label)
    moments = {m.id: m for m in index.moments(ids)}
    x = dict(zip(ids, index.vectors(ids), strict=True))

    def others(moment: int) -> list[int]:
        own = moments[moment]
        same_class = [i for i in ids if labels[i] == labels[moment]]
        if any(moments[i].video_id != own.video_id for i in same_class):
            return [i for i in ids if moments[i].video_id != own.video_id]
        raise AssertionError("each class is in several videos")

    own_class = [max(float(x[i] @ x[j]) for j in others(i) if labels[j] == labels[i]) for i in ids]
    threshold = float(np.quantile(own_class, 0.05))
    expected: dict[str, list[int]] = {"right": [], "wrong": [], "unknown": []}
    for moment in ids:
        voters = sorted(others(moment), key=lambda j: -float(x[moment] @ x[j]))[:10]
        votes = dict.fromkeys("abc", 0.0)
        for j in voters:
            votes[labels[j]] += float(np.exp(float(x[moment] @ x[j]) / 0.07))
        guess = max(votes, key=lambda label: votes[label])
        known = float(x[moment] @ x[voters[0]]) >= threshold - 1e-6
        verdict = "unknown" if not known else "right" if guess == labels[moment] else "wrong"
        expected[verdict].append(moment)
    counted = client.get("/api/verdicts").json()
    assert counted["labelled"] == counted["checked"] == 18
    assert counted["index"] == index.settings.identity
    for verdict, found in expected.items():
        assert counted[verdict] == len(found)
        shown = client.get(f"/api/verdicts/{verdict}").json()
        assert sorted(tile["moment"] for tile in shown["moments"]) == sorted(found)
        sure = [tile["confidence"] for tile in shown["moments"]]
        assert sure == sorted(sure, reverse=True)
    assert [row["moments"] for row in counted["labels"]] == [6, 6, 6]
    assert sum(row["wrong"] for row in counted["labels"]) == len(expected["wrong"])
    assert expected["wrong"]
    wrong_a = client.get("/api/verdicts/wrong?label=a&limit=1").json()
    assert wrong_a["total"] == sum(labels[i] == "a" for i in expected["wrong"])
    assert all(tile["label"] == "a" != tile["guess"] for tile in wrong_a["moments"])


def test_one_label_is_unknown_and_other_verdicts_do_not_exist(
    client: TestClient, studio: Studio
) -> None:
    set_label(studio.index, studio.index.ids()[:1].tolist(), "alone")
    counted = client.get("/api/verdicts").json()
    assert (counted["labelled"], counted["unknown"]) == (1, 1)
    (tile,) = client.get("/api/verdicts/unknown").json()["moments"]
    assert (tile["label"], tile["guess"]) == ("alone", None)
    assert client.get("/api/verdicts/maybe").status_code == 422
