"""Routes that correct clusters, and the undo of each."""

import pytest
from starlette.testclient import TestClient

from slic.search import cluster_members, cluster_of, list_clusters
from slic.studio.state import Studio


@pytest.fixture
def before(studio: Studio) -> dict[int, int]:
    return cluster_of(studio.index, level=0)


def test_clusters_are_merged_split_and_restored(
    client: TestClient, studio: Studio, before: dict[int, int]
) -> None:
    first, second, *_ = list_clusters(studio.index, level=0)
    body = {"level": 0, "clusters": [first.id, second.id]}
    merged = client.post("/api/clusters/merge", json=body).json()
    assert merged["clusters"] == [first.id]
    assert len(cluster_members(studio.index, first.id, level=0)) == first.size + second.size
    split = {"cluster": {"level": 0, "id": first.id}, "parts": 3}
    made = client.post("/api/clusters/split", json=split).json()
    assert len(set(made["clusters"])) == 3
    refused = client.post("/api/clusters/undo", json={"change": merged["change"]})
    assert "only the last change can be undone" in refused.json()["error"]
    for change in (made["change"], merged["change"]):
        assert client.post("/api/clusters/undo", json={"change": change}).json() == {"undone": True}
    assert cluster_of(studio.index, level=0) == before
    assert client.post("/api/clusters/undo", json={}).json() == {"undone": False}


def test_moments_move_to_another_cluster_and_to_a_new_one(
    client: TestClient, studio: Studio, before: dict[int, int]
) -> None:
    first, second, *_ = list_clusters(studio.index, level=0)
    ids = cluster_members(studio.index, second.id, level=0)[:2].tolist()
    body = {"level": 0, "moments": ids, "cluster": first.id}
    moved = client.post("/api/clusters/move", json=body).json()
    assert {cluster_of(studio.index, level=0)[i] for i in ids} == {first.id} == {*moved["clusters"]}
    body = {"level": 0, "moments": ids}
    (new,) = client.post("/api/clusters/move", json=body).json()["clusters"]
    assert new not in before.values()
    assert sorted(cluster_members(studio.index, new, level=0).tolist()) == sorted(ids)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("merge", {"level": 0, "clusters": [0]}),
        ("merge", {"level": 0, "clusters": [0, 12345]}),
        ("split", {"cluster": {"level": 0, "id": 12345}}),
        ("split", {"cluster": {"level": 0, "id": 0}, "parts": 51}),
        ("move", {"level": 0, "moments": []}),
        ("move", {"level": 99, "moments": [1]}),
    ],
)
def test_what_cannot_be_corrected_is_refused(
    client: TestClient, path: str, body: dict[str, object]
) -> None:
    answer = client.post(f"/api/clusters/{path}", json=body)
    assert answer.status_code == 422
    assert "\n" not in answer.json()["error"]
