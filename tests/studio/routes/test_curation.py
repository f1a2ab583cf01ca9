"""Routes of the view "Curate": progress, groups, copies, outliers."""

import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from slic.errors import SearchError
from slic.search import Duplicate, Survey, isolated_moments, outliers, set_label
from slic.studio.state import Studio
from slic.studio.worker import Progress


def wait(client: TestClient, address: str) -> dict[str, Any]:
    """Return the answer once the search has ended."""
    while "progress" in (found := client.get(address).json()):
        assert set(found["progress"]) == {"done", "total"}
        time.sleep(0.02)
    answer: dict[str, Any] = found
    return answer


def pretend(studio: Studio, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    monkeypatch.setattr(studio.jobs, "poll", lambda *_, **__: answer)


def test_outliers_are_those_of_the_search(client: TestClient, studio: Studio) -> None:
    found = wait(client, "/api/curation/outliers")
    expected = isolated_moments(studio.index, most=500)
    assert [(tile["moment"], tile["score"]) for tile in found["moments"]] == expected[:60]
    assert found["total"] == len(expected)
    by_cluster = wait(client, "/api/curation/outliers?by=cluster&offset=2")
    assert [tile["moment"] for tile in by_cluster["moments"]] == [
        moment for moment, _ in outliers(studio.index, limit=62)[2:]
    ]


def test_near_duplicates_are_groups_without_copies_and_what_is_labelled(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = studio.index.videos()
    first, second, third = (
        min(studio.index.moment_numbers([video.id])[video.id].values()) for video in videos[:3]
    )
    pairs = [
        Duplicate(min(first, second), max(first, second), 0.99),
        Duplicate(min(second, third), max(second, third), 0.95),
    ]
    pretend(studio, monkeypatch, Survey(pairs, []))
    (group,) = client.get("/api/curation/duplicates").json()["groups"]
    assert [tile["moment"] for tile in group["moments"]] == sorted((first, second))
    assert (group["similarity"], group["size"]) == (0.99, 2)
    (group,) = client.get("/api/curation/duplicates?threshold=0.9").json()["groups"]
    assert [tile["moment"] for tile in group["moments"]] == sorted((first, second, third))
    set_label(studio.index, [second], "duplicate")
    assert client.get("/api/curation/duplicates?threshold=0.9").json() == {"total": 0, "groups": []}


def test_copies_are_videos_of_the_same_content(client: TestClient, studio: Studio) -> None:
    assert client.get("/api/curation/copies").json() == {"total": 0, "groups": []}
    one, other, *_ = studio.index.videos()
    with studio.index.database.transaction() as connection:
        connection.execute(
            "UPDATE videos SET content_id = ? WHERE id = ?", (one.content_id, other.id)
        )
    (group,) = client.get("/api/curation/copies").json()["groups"]
    assert [tile["video"] for tile in group["moments"]] == [one.id, other.id]
    assert group["size"] == 2


def test_progress_errors_and_missing_clusters_are_told(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(studio, monkeypatch, Progress(1024, 5000))
    told = {"progress": {"done": 1024, "total": 5000}}
    assert client.get("/api/curation/duplicates").json() == told
    assert client.get("/api/curation/outliers").json() == told
    assert client.get("/api/curation/duplicates?threshold=0.1").status_code == 422
    with studio.index.database.transaction() as connection:
        connection.execute("DELETE FROM tree")
    assert client.get("/api/curation/outliers?by=cluster").json() == {"unclustered": True}

    def fail(*_: object, **__: object) -> None:
        raise SearchError(f"{studio.index.path}: the disk is full")

    monkeypatch.setattr(studio.jobs, "poll", fail)
    answer = client.get("/api/curation/outliers")
    assert (answer.status_code, answer.json()) == (422, {"error": "index: the disk is full"})
