"""Routes for the map: binary data, colours, and errors."""

import json
import time
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from slic.errors import SearchError
from slic.search import list_clusters, set_label
from slic.studio.projection import make_map
from slic.studio.routes.moment_map import NO_COLOUR
from slic.studio.state import Studio


def unpack(body: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(body[:4], "little")
    assert length % 4 == 0
    return json.loads(body[4 : 4 + length]), body[4 + length :]


def test_the_map_is_sent_as_ids_and_positions(client: TestClient, studio: Studio) -> None:
    made = make_map(studio.index.path)
    head, data = unpack(client.get("/api/map").content)
    assert head == {
        "count": len(made.ids),
        "total": len(made.ids),
        "generation": studio.index.generation,
        "preliminary": False,
    }
    ids, places = data[: 4 * len(made.ids)], data[4 * len(made.ids) :]
    assert np.array_equal(np.frombuffer(ids, "<u4"), made.ids)
    assert np.array_equal(np.frombuffer(places, "<u2").reshape(-1, 2), made.positions)


def test_a_large_map_is_sent_as_a_sample_and_a_lasso_holds_all(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slic.studio.routes.moment_map.MAX_SHOWN_POINTS", 5)
    made = make_map(studio.index.path)
    head, data = unpack(client.get("/api/map").content)
    assert (head["count"], head["total"]) == (5, len(made.ids))
    shown = np.frombuffer(data[:20], "<u4")
    assert np.isin(shown, made.ids).all()
    _, codes = unpack(client.get("/api/map/colours").content)
    assert len(codes) == 2 * 5
    scope = {"lasso": [[-0.1, -0.1], [1.1, -0.1], [1.1, 1.1], [-0.1, 1.1]]}
    assert client.post("/api/browse", json={"scope": scope}).json()["total"] == len(made.ids)


def test_a_preliminary_map_comes_at_once_with_its_colours(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(studio._map_worker, "call", lambda *_, **__: asked.append(1))
    monkeypatch.setattr("slic.studio.routes.moment_map.MAX_PRELIMINARY_MOMENTS", 10)
    assert client.get("/api/map?final=true").status_code == 202
    head, data = unpack(client.get("/api/map").content)
    assert head == {
        "count": 10,
        "total": studio.index.count,
        "generation": studio.index.generation,
        "preliminary": True,
    }
    ids = np.frombuffer(data[:40], "<u4")
    assert set(ids) == set(studio.shuffled_ids()[:10])
    assert asked  # the computed map is on its way
    set_label(studio.index, ids[3:4].tolist(), "wave")
    assert client.get("/api/map/colours").status_code == 202
    head, codes = unpack(client.get("/api/map/colours?preliminary=true").content)
    assert head["legend"] == [{"label": "wave", "moments": 1}]
    assert np.frombuffer(codes, "<u2").tolist() == [NO_COLOUR] * 3 + [0] + [NO_COLOUR] * 6
    assert np.array_equal(np.frombuffer(unpack(client.get("/api/map").content)[1][:40], "<u4"), ids)


def test_colours_by_cluster_number_the_clusters_by_size(client: TestClient, studio: Studio) -> None:
    make_map(studio.index.path)
    head, data = unpack(client.get("/api/map/colours?by=cluster").content)
    assert head["generation"] == studio.index.generation
    sizes = [cluster.size for cluster in list_clusters(studio.index)]
    assert [entry["moments"] for entry in head["legend"]] == sizes
    assert np.bincount(np.frombuffer(data, "<u2")).tolist() == sizes


def test_colours_by_label_number_the_labels_by_frequency(
    client: TestClient, studio: Studio
) -> None:
    made = make_map(studio.index.path)
    few, many = made.ids[:1].tolist(), made.ids[3:6].tolist()
    set_label(studio.index, few, "few")
    set_label(studio.index, many, "many")
    head, data = unpack(client.get("/api/map/colours").content)
    assert [entry["label"] for entry in head["legend"]] == ["many", "few"]
    codes = dict(zip(made.ids.tolist(), np.frombuffer(data, "<u2").tolist(), strict=True))
    assert {code for i, code in codes.items() if i in many} == {0}
    assert codes[few[0]] == 1
    assert list(codes.values()).count(NO_COLOUR) == len(codes) - 4


def test_a_map_that_failed_is_an_error_once(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SearchError("no memory left")

    def wait_for_answer() -> Any:
        while (response := client.get("/api/map?final=true")).status_code == 202:
            time.sleep(0.01)
        return response

    monkeypatch.setattr(studio._map_worker, "call", fail)
    assert wait_for_answer().json() == {"error": "no memory left"}
    monkeypatch.setattr(
        studio._map_worker, "call", lambda made, *given, **more: made(*given, **more)
    )
    assert wait_for_answer().status_code == 200
