"""Routes for files, previews and thumbnails."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from slic.search import IndexedVideo
from slic.studio.state import Studio
from slic.videos.video import Video

FindVideo = Callable[[str], IndexedVideo]


def test_a_playable_file_is_sent_in_ranges(client: TestClient, video_of: FindVideo) -> None:
    video = video_of("walk")
    whole = video.file.read_bytes()
    address = f"/media/videos/{video.id}"
    assert client.get(address).content == whole
    part = client.get(address, headers={"Range": "bytes=10-99"})
    assert part.status_code == 206
    assert part.content == whole[10:100]
    assert part.headers["content-range"] == f"bytes 10-99/{len(whole)}"
    assert part.headers["content-type"] == "video/mp4"
    assert client.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_file_that_browsers_do_not_play_is_sent_as_a_preview(
    client: TestClient, video_of: FindVideo
) -> None:
    address = f"/media/videos/{video_of('jump').id}"
    assert client.get(address).status_code == 415
    preview = client.get(f"{address}/preview.mp4?start=0.4&end=1.4")
    assert preview.content[4:8] == b"ftyp"
    assert preview.headers["content-type"] == "video/mp4"
    thumbnail = client.get(f"{address}/thumbnail.webp?at=1")
    assert thumbnail.content[8:12] == b"WEBP"
    assert thumbnail.headers["cache-control"] == "private, max-age=3600"


def test_a_preview_is_encoded_once_for_each_span(
    client: TestClient, studio: Studio, video_of: FindVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[float] = []

    def encode(_video: Video, *, start_seconds: float, end_seconds: float) -> bytes:
        encoded.append(start_seconds)
        return f"{start_seconds} {end_seconds}".encode()

    monkeypatch.setattr(studio.media, "_film", encode)
    address = f"/media/videos/{video_of('jump').id}/preview.mp4?end=1&start="
    texts = [client.get(address + start).text for start in ("0", "0.5", "0")]
    assert texts == ["0.0 1.0", "0.5 1.0", "0.0 1.0"]
    assert encoded == [0.0, 0.5]


@pytest.mark.parametrize("path", ["", "/preview.mp4?start=0&end=1", "/thumbnail.webp?at=1"])
def test_a_missing_file_is_named(client: TestClient, video_of: FindVideo, path: str) -> None:
    video = video_of("walk")
    moved = video.file.rename(video.file.with_suffix(".moved"))
    try:
        response = client.get(f"/media/videos/{video.id}{path}")
    finally:
        moved.rename(video.file)
    assert response.status_code == 404
    assert response.json()["error"] == (
        "walk.mp4: the file cannot be reached (No such file or directory). "
        "If it was moved or deleted, run `slic index` again."
    )
