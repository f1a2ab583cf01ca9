"""Routes to label moments and to undo."""

from starlette.testclient import TestClient

from slic.search import set_label
from slic.studio.state import Studio


def test_a_label_is_set_at_once_and_undone(client: TestClient, studio: Studio) -> None:
    moments = studio.index.ids()[:3].tolist()
    hostile = "<b onmouseover=alert(1)>'; drop table labels --"
    response = client.post("/api/labels", json={"moments": moments, "label": hostile})
    assert response.json()["moments"] == 3
    assert {"label": hostile, "moments": 3} in client.get("/api/summary").json()["labels"]
    assert client.post("/api/undo", json={}).json()["undone"] == 3
    assert client.get("/api/summary").json()["labels"] == []


def test_labels_of_no_moment_are_refused(client: TestClient) -> None:
    for body, message in (
        ({"moments": [10**9], "label": "x"}, "no moment"),
        ({"moments": [], "label": "x"}, "No moment is selected"),
        ({"scope": {"where": "path = 'none'"}, "label": "x"}, "No moment is selected"),
    ):
        refused = client.post("/api/labels", json=body)
        assert refused.status_code == 422
        assert message in refused.json()["error"]


def test_only_the_last_change_is_undone(client: TestClient, studio: Studio) -> None:
    moments = studio.index.ids()[:3].tolist()
    mine = client.post("/api/labels", json={"moments": moments, "label": "mine"}).json()
    theirs = client.post("/api/labels", json={"moments": moments[:1], "label": "theirs"}).json()
    refused = client.post("/api/undo", json={"change": mine["change"]})
    assert refused.status_code == 422
    assert "only the last change" in refused.json()["error"]
    assert client.post("/api/undo", json={"change": theirs["change"]}).json() == {"undone": 1}


def test_removing_a_label_counts_the_moments_that_had_one(
    client: TestClient, studio: Studio
) -> None:
    ids = studio.index.ids().tolist()
    client.post("/api/labels", json={"moments": ids[:1], "label": "x"})
    assert client.post("/api/labels", json={"moments": ids[:1]}).json()["moments"] == 1
    assert client.post("/api/labels", json={"moments": ids[5:8]}).json()["moments"] == 0


def test_a_whole_cluster_is_labelled(client: TestClient) -> None:
    cluster = client.get("/api/clusters").json()["clusters"][0]
    scope = {"cluster": {"level": cluster["level"], "id": cluster["id"]}}
    response = client.post("/api/labels", json={"scope": scope, "label": "wave"}).json()
    assert response["moments"] == cluster["size"]
    labelled = client.get("/api/clusters").json()["clusters"][0]
    assert (labelled["label"], labelled["label_share"]) == ("wave", 1.0)


def test_labels_of_another_process_are_seen(client: TestClient, studio: Studio) -> None:
    client.get("/api/summary")
    set_label(studio.index, studio.index.ids()[:2].tolist(), "from the command line")
    assert client.get("/api/summary").json()["labels"][0]["moments"] == 2
