"""Collections on an S3 server: an index of them equals the one of the same files on a disk."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.errors import CatalogError
from slic.models.encoder import VideoEncoder
from slic.search import Index, create_index, update_index
from slic.search.label_files.base import LabelRow
from slic.search.label_files.finding import VideoFinder
from slic.storage import ObjectState, RemotePath, content_key, list_folder, pinned, traffic
from slic.storage.states import object_state
from slic.videos import objects
from slic.videos.catalog import Catalog
from slic.videos.contents import content_id
from tests.conftest import tiny_encoder

Put = Callable[[str, bytes | None], str]
MakeVideo = Callable[..., Path]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Path:
    """Return a folder of three videos."""
    folder = tmp_path_factory.mktemp("videos")
    for number, name in enumerate(("a.mp4", "doors/b.mkv", "doors/c.avi")):
        codec = "mpeg4" if name.endswith("avi") else "libx264"
        make_video(folder / name, frames=50 + number, codec=codec, size=(64, 48))
    return folder


@pytest.fixture
def stored(s3: Put, videos: Path) -> str:
    """Return the address of the same videos on the S3 server."""
    for file in videos.rglob("*.*"):
        if file.suffix in {".mp4", ".mkv", ".avi"}:
            s3(f"v/{file.relative_to(videos).as_posix()}", file.read_bytes())
    return "s3://films/v"


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return tiny_encoder()


def scan(place: Any) -> Catalog:
    return Catalog.from_folder(place, progress=False, workers=1)


def fill(index: Index, place: Any) -> Any:
    return update_index(index, scan(place), workers=0, progress=False).changes


def moments_of(index: Index) -> dict[str, list[tuple[float, float]]]:
    with index.database.reading() as connection:
        rows = connection.execute(
            "SELECT v.path, m.start_seconds, m.end_seconds FROM moments m"
            " JOIN videos v ON v.id = m.video_id ORDER BY v.path, m.number"
        ).fetchall()
    found: dict[str, list[tuple[float, float]]] = {}
    for path, start, end in rows:
        found.setdefault(path, []).append((start, end))
    return found


def vectors_of(index: Index) -> dict[str, np.ndarray]:
    with index.database.reading() as connection:
        rows = connection.execute(
            "SELECT v.path, m.vector FROM moments m JOIN videos v ON v.id = m.video_id"
            " ORDER BY v.path, m.number"
        ).fetchall()
    found: dict[str, list[np.ndarray]] = {}
    for path, vector in rows:
        found.setdefault(path, []).append(np.frombuffer(vector, np.float32))
    return {path: np.stack(vectors) for path, vectors in found.items()}


def test_an_index_of_objects_equals_that_of_files(
    stored: str, s3: Put, videos: Path, encoder: VideoEncoder, tmp_path: Path
) -> None:
    here = create_index(tmp_path / "here", encoder)
    there = create_index(tmp_path / "there", encoder)
    fill(here, videos)
    assert fill(there, stored).added == ["a.mp4", "doors/b.mkv", "doors/c.avi"]
    assert moments_of(here) == moments_of(there)
    for path, vectors in vectors_of(here).items():
        np.testing.assert_allclose(vectors_of(there)[path], vectors, atol=1e-5)

    traffic.clear()
    assert fill(there, stored).unchanged == 3
    assert (traffic.requests, traffic.looks, traffic.listings) == (0, 0, 1)
    with there.database.reading():
        (video, *_) = there.videos()
    assert video.file == RemotePath(f"{stored}/a.mp4")

    s3("v/moved.avi", (videos / "doors" / "c.avi").read_bytes())
    s3("v/doors/c.avi", None)
    s3("v/doors/b.mkv", b"no video")
    changes = fill(there, stored)
    assert changes.moved == ["moved.avi"]
    assert [refused.id for refused in changes.refused] == ["doors/b.mkv"]
    assert sorted(moments_of(there)) == ["a.mp4", "moved.avi"]
    here.close()
    there.close()


def test_an_object_that_vanished_is_named_and_the_rest_is_indexed(
    stored: str, s3: Put, encoder: VideoEncoder, tmp_path: Path
) -> None:
    catalog = scan(stored)
    s3("v/doors/b.mkv", None)
    index = create_index(tmp_path / "index", encoder)
    (tmp_path / "cache" / "slic").rename(tmp_path / "gone")  # what was scanned is not at hand
    changes = update_index(index, catalog, workers=0, progress=False).changes
    refused = {one.id: one.reason for one in changes.refused}
    assert set(moments_of(index)) | set(refused) == {"a.mp4", "doors/b.mkv", "doors/c.avi"}
    assert all("no such object" in reason for reason in refused.values())
    finder = VideoFinder(index.videos(), folder=tmp_path)
    path = pinned(RemotePath(f"{stored}/a.mp4"))
    for name in ("a.mp4", path.url):
        found = finder.find(LabelRow(paths=(name,), label="x", start=None, end=None, place="1"))
        assert found is not None
        assert found.content_id == content_id(path) == content_key(path.url, path.known)
    assert list_folder(RemotePath(stored))["a.mp4"].known == path.known
    index.close()


def test_one_listing_tells_all(stored: str, s3: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        s3(f"v/walk/frame_{number:03d}.jpg", b"picture")
    s3("v/.hidden/a.mp4", b"x")
    s3("v/notes.txt", b"x")
    found, refused = objects.find_objects(RemotePath(stored))
    assert sorted(thing.id for thing in found) == ["a.mp4", "doors/b.mkv", "doors/c.avi"]
    assert [one.id for one in refused] == ["walk"]
    assert "only video files are read" in refused[0].reason
    assert (traffic.looks, traffic.requests) == (0, 0)
    assert all(thing.path.stat().st_mtime_ns == thing.mtime_ns for thing in found)

    monkeypatch.setattr(objects, "MIN_LISTED", 2)
    traffic.clear()
    listed = [
        ("a", RemotePath(f"{stored}/doors/{name}")) for name in ("b.mkv", "c.avi", "none.avi")
    ]
    pinned_now = objects.pin_objects(listed)
    assert [thing.size > 0 for thing in pinned_now] == [True, True, False]
    assert (traffic.listings, traffic.looks) == (1, 1)


def test_what_cannot_be_listed_is_named(stored: str, site: Any) -> None:
    assert stored
    for address, reason in (
        ("s3://no-such-bucket/v", "cannot be listed"),
        ("s3://films/nothing", "no video found"),
        (f"{site.address}/v", "give a csv or parquet list"),
        ("gs://films/v", "gcsfs is not installed"),
        ("az://films/v", "pip install adlfs"),
    ):
        with pytest.raises(CatalogError, match=reason):
            scan(address)


def test_versions_and_content_ids() -> None:
    day = datetime(2024, 5, 1, tzinfo=UTC)
    one, two = (object_state(5, day, tag) for tag in ('"a"', '"b"'))
    assert one.mtime_ns // 10**9 == two.mtime_ns // 10**9 == day.timestamp()
    assert one.mtime_ns != two.mtime_ns  # two versions within a second
    assert object_state(5, "Wed, 01 May 2024 00:00:00 GMT", None).mtime_ns == day.timestamp() * 1e9
    md5 = ObjectState(5, 1, '"0123456789abcdef0123456789abcdef"')
    moved = md5._replace(mtime_ns=2)
    assert content_key("s3://films/a", md5) == content_key("s3://films/b", moved)
    assert content_key("https://host/a", md5) != content_key("https://host/b", md5)
    assert content_key("s3://films/a", one) != content_key("s3://films/b", one)  # no checksum
    assert len(content_key("s3://films/a", md5)) == 32
