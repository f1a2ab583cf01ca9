"""How moments are described to the page."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from starlette.testclient import TestClient

from slic.studio import previews
from slic.studio.state import Studio


def test_a_moment_names_its_content(client: TestClient, studio: Studio) -> None:
    contents = {video.id: video.content_id[:12] for video in studio.index.videos()}
    for tile in client.post("/api/browse", json={}).json()["moments"]:
        assert tile["content"] == contents[tile["video"]]


def test_only_small_playable_files_play_in_a_grid(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = client.post("/api/browse", json={"limit": 500}).json()["moments"]
    for tile in tiles:
        assert tile["plays"] == tile["plays_in_grid"] == (not tile["path"].endswith(".avi"))
    monkeypatch.setattr(previews, "MAX_GRID_FILE_BYTES", 10)
    tiles = client.post("/api/browse", json={"limit": 500}).json()["moments"]
    assert any(tile["plays"] for tile in tiles)
    assert not any(tile["plays_in_grid"] for tile in tiles)


def test_files_that_cannot_be_reached_are_tried_again(
    readable_studio: Studio,
    client_of: Callable[[Studio], TestClient],
    nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    client = client_of(readable_studio)
    walk = next(v for v in readable_studio.index.videos() if v.path.startswith("walk"))
    like = [{"moment": int(readable_studio.index.ids()[0])}]
    with nobody():
        tiles = client.post("/api/browse", json={}).json()["moments"]
        assert not any(tile["plays"] or tile["plays_in_grid"] for tile in tiles)
        assert client.post("/api/search", json={"like": like}).status_code == 200
        assert client.get("/api/clusters").status_code == 200
        response = client.get(f"/media/videos/{walk.id}/thumbnail.webp?at=1")
        assert response.status_code == 404
        assert "walk.mp4: the file cannot be reached (Permission denied)" in response.text
    tiles = client.post("/api/browse", json={}).json()["moments"]
    assert any(tile["plays"] for tile in tiles)
