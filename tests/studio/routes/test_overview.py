"""Routes for the summary, the clusters and the runs."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from slic.search import clusters_per_level, list_clusters
from slic.studio.routes import overview
from slic.studio.state import Studio


def test_the_summary_counts_the_index(client: TestClient, studio: Studio) -> None:
    levels = list(clusters_per_level(studio.index))
    assert client.get("/api/summary").json() == {
        "title": "index",
        "videos": 8,
        "moments": studio.index.count,
        "levels": levels,
        "level": studio.index.level,
        "labels": [],
        "max_upload_bytes": 500 << 20,
        "runs": False,
        "parts": ["embedding"],
        "weights": None,
        "text": False,
        "compared": None,
        "indexing": None,
    }


def test_clusters_come_with_their_medoids_the_largest_first(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters = list_clusters(studio.index, level=0)
    monkeypatch.setattr(overview, "MAX_CLUSTERS_SHOWN", 2)
    response = client.get("/api/clusters?level=0").json()
    assert (response["level"], response["total"]) == (0, len(clusters))
    assert [shown["id"] for shown in response["clusters"]] == [c.id for c in clusters[:2]]
    assert [shown["medoid"]["moment"] for shown in response["clusters"]] == [
        cluster.medoid for cluster in clusters[:2]
    ]


def test_runs_are_those_of_the_folder(client: TestClient, studio: Studio, tmp_path: Path) -> None:
    assert client.get("/api/runs").json() == {"runs": []}
    record = {"kind": "step", "time": 1.0, "epoch": 0, "step": 1, "loss": 0.5}
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "log.jsonl").write_text(json.dumps(record) + "\n")
    studio.runs = tmp_path / "runs"
    (run,) = client.get("/api/runs").json()["runs"]
    assert (run["name"], run["steps"], run["loss"]) == ("one", 1, 0.5)
    assert client.get("/api/summary").json()["runs"] is True


def test_the_settings_of_the_index_are_shown(client: TestClient, studio: Studio) -> None:
    (about,) = client.get("/api/about").json()["indexes"]
    assert about["folder"] == str(studio.index.path.resolve())
    assert about["encoder"]["backbone"] == "slic/r3d10"
    assert about["encoder"]["clip"] == "4 frames of 32 x 32, stride 2"
    assert about["settings"]["window_seconds"] == 1.0
    assert (about["videos"], about["moments"]) == (8, studio.index.count)
    assert (about["refused"], about["refused_total"]) == ([], 0)
