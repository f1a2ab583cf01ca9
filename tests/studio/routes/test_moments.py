"""Routes to search, browse and upload."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from slic.search import IndexedVideo, query_from_moments, search
from slic.studio.state import Studio


def test_browsing_shows_every_moment_once(client: TestClient, studio: Studio) -> None:
    seen: list[int] = []
    while True:
        body = {"offset": len(seen), "limit": 7}
        response = client.post("/api/browse", json=body).json()
        assert response["total"] == studio.index.count
        seen += [tile["moment"] for tile in response["moments"]]
        if not response["moments"]:
            break
    assert sorted(seen) == studio.index.ids().tolist()


def test_a_search_returns_the_hits_of_the_index(client: TestClient, studio: Studio) -> None:
    moment = int(studio.index.ids()[4])
    response = client.post("/api/search", json={"like": [{"moment": moment}], "k": 5}).json()
    hits = search(studio.index, query_from_moments(studio.index, [moment]), k=5)
    assert [tile["moment"] for tile in response["moments"]] == [hit.moment_id for hit in hits]
    assert [tile["score"] for tile in response["moments"]] == pytest.approx([h.score for h in hits])
    percentiles = [tile["percentile"] for tile in response["moments"]]
    assert percentiles == sorted(percentiles, reverse=True)
    assert 0 <= percentiles[-1] <= percentiles[0] <= 100
    assert (response["weights"], response["weights_from"]) == (None, "equal")
    assert response["compared_with"] == "pairs"


def test_filters_are_those_of_the_index(client: TestClient, studio: Studio) -> None:
    where = "path like 'deep/%' and start_seconds > 0.4"
    response = client.post("/api/browse", json={"scope": {"where": where}}).json()
    assert {t["moment"] for t in response["moments"]} == set(studio.index.matching(where).tolist())
    for bad in ("path like", "1; drop table labels", "(select count(*) from sqlite_master) > 0"):
        refused = client.post("/api/browse", json={"scope": {"where": bad}})
        assert refused.status_code == 422
        assert "\n" not in refused.json()["error"]


def test_one_moment_is_the_one_of_its_id(client: TestClient, studio: Studio) -> None:
    (moment,) = studio.index.moments(studio.index.ids()[3:4].tolist())
    tile = client.get(f"/api/moments/{moment.id}").json()
    assert (tile["moment"], tile["path"], tile["start"]) == (
        moment.id,
        moment.path,
        moment.start_seconds,
    )
    assert client.get("/api/moments/999999").status_code == 422


def test_an_uploaded_video_is_searched(
    client: TestClient, studio: Studio, video_of: Callable[[str], IndexedVideo]
) -> None:
    data = video_of("jump").file.read_bytes()
    upload = client.post("/api/uploads", content=data).json()
    assert upload["seconds"] == pytest.approx(3.0)
    like = [{"upload": upload["upload"], "start": 1.0, "end": 2.0}]
    best = client.post("/api/search", json={"like": like}).json()["moments"][0]
    assert best["path"] == "jump.avi"
    assert best["start"] == pytest.approx(1.0)
    assert best["score"] == pytest.approx(1.0, abs=1e-3)
    assert client.get(f"/media/uploads/{upload['upload']}/preview.mp4").content[4:8] == b"ftyp"
    empty = client.post("/api/search", json={"like": [{**like[0], "start": 2.9, "end": 2.9}]})
    assert empty.status_code == 422

    refused = client.post("/api/uploads", content=b"this is no video" * 100)
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("This file cannot be read as a video")
    assert str(studio.index.path.parent) not in refused.text
    assert "/tmp" not in refused.text
    assert client.post("/api/uploads", content=b"").json()["error"] == "The file is empty."
    assert len(list(studio.uploads.folder.glob("[0-9a-f]" * 32))) == 1  # the refused are deleted


def test_an_upload_without_a_content_length_is_cut_off(client: TestClient, studio: Studio) -> None:
    studio.uploads.max_bytes = 1 << 20
    response = client.post("/api/uploads", content=(b"x" * 65536 for _ in range(64)))
    assert response.status_code == 413
    assert "more than 1 MB" in response.json()["error"]
    assert not list(studio.uploads.folder.glob("[0-9a-f]" * 32))


def test_an_upload_that_does_not_exist_is_refused(client: TestClient) -> None:
    like = [{"upload": "../../etc/passwd", "start": 0, "end": 1}]
    response = client.post("/api/search", json={"like": like})
    assert response.status_code == 422
    assert "no longer available" in response.json()["error"]
