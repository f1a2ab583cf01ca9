"""Videos in storage: the page plays and shows the version that was indexed, and no other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from slic.search import Index
from slic.storage import RemotePath, content_key, look_up
from slic.storage.backends import close_connections
from slic.studio import media
from slic.studio.state import Studio
from slic.studio.worker import WorkerPool
from tests.storage.servers import Site, serving

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(media, "WorkerPool", WorkerPool)  # its processes have this cache
    with serving() as site:
        yield site
        close_connections()


@pytest.fixture
def stored(site: Site, index_folder: Path) -> Path:
    """Return the index with one of its videos on the site."""
    index = Index.open(index_folder)
    root = f"{site.address}/v"
    with index.database.transaction() as connection:
        (video,) = [video for video in index.videos() if video.path == "walk.mp4"]
        path = RemotePath(site.put("/v/walk.mp4", video.file.read_bytes()))
        state = look_up(path.address)
        connection.execute(
            "UPDATE videos SET root = ?, size = ?, mtime_ns = ?, content_id = ? WHERE id = ?",
            (root, state.size, state.mtime_ns, content_key(path.url, state), video.id),
        )
    index.close()
    return index_folder


def test_what_the_page_gets_of_an_object(
    stored: Path, site: Site, client_of: Callable[[Studio], TestClient]
) -> None:
    studio = Studio(Index.open(stored))
    try:
        client = client_of(studio)
        (walk,) = [video for video in studio.index.videos() if video.path == "walk.mp4"]
        data, address = site.pages["/v/walk.mp4"].data, f"/media/videos/{walk.id}"
        whole = client.get(address)
        print(whole.text)
        assert (whole.status_code, whole.content) == (200, data)
        for wanted, (start, end) in {
            "bytes=5-9": (5, 10),
            "bytes=100-": (100, len(data)),
            "bytes=-7": (len(data) - 7, len(data)),
        }.items():
            part = client.get(address, headers={"Range": wanted})
            assert (part.status_code, part.content) == (206, data[start:end])
            assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(data)}"
        assert client.get(address, headers={"Range": f"bytes={len(data)}-"}).status_code == 416
        assert client.get(f"{address}/thumbnail.webp?at=1").content[8:12] == b"WEBP"
        assert b"ftyp" in client.get(f"{address}/preview.mp4?start=0&end=1").content[:16]

        site.put("/v/walk.mp4", data[::-1])
        studio.media.files._versions.clear()  # as after ten seconds
        assert client.get(address).status_code == 409
        del site.pages["/v/walk.mp4"]
        studio.media.files._versions.clear()
        assert client.get(address).status_code == 404
    finally:
        studio.close()
