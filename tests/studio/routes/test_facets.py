"""The route that tells the page what it can filter by."""

from starlette.testclient import TestClient

from slic.search import set_label
from slic.studio.state import Studio


def test_folders_lengths_and_sources_are_those_of_the_index(
    client: TestClient, studio: Studio
) -> None:
    set_label(studio.index, studio.index.ids()[:4].tolist(), "wave")
    found = client.get("/api/facets").json()
    moments = len(studio.index.matching("path like 'deep/%'"))
    assert found["folders"] == [{"path": "deep/", "videos": 1, "moments": moments}]
    assert (found["below"], found["top"], found["more"]) == ("", "", 0)
    lengths = [video.duration_seconds for video in studio.index.videos()]
    assert found["seconds"] == [min(lengths), max(lengths)]
    assert found["sources"] == {"given": 4}
    below = client.get("/api/facets", params={"below": "deep/"}).json()
    assert [folder["path"] for folder in below["folders"]] == ["deep/down/"]
