"""Uploads are bounded in size and number, and refused ones leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slic.errors import SearchError, VideoError
from slic.search import IndexedVideo
from slic.studio.uploads import Upload, UploadStore, UploadTooLargeError, inspect_upload


async def in_chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def files_of(store: UploadStore) -> list[Path]:
    return list(store.folder.iterdir())


def test_an_upload_is_stored_as_it_comes(tmp_path: Path) -> None:
    store = UploadStore(folder=tmp_path, max_bytes=8)
    path = asyncio.run(store.receive(in_chunks(b"12345", b"678")))
    assert path.read_bytes() == b"12345678"


def test_a_refused_upload_leaves_no_file(tmp_path: Path) -> None:
    store = UploadStore(folder=tmp_path, max_bytes=8)
    with pytest.raises(UploadTooLargeError, match="more than 0 MB"):
        asyncio.run(store.receive(in_chunks(b"12345", b"6789")))
    with pytest.raises(SearchError, match="is empty"):
        asyncio.run(store.receive(in_chunks()))
    assert files_of(store) == []


def test_a_fifth_upload_waits_until_another_has_arrived(tmp_path: Path) -> None:
    store = UploadStore(folder=tmp_path)

    async def send_five() -> Path:
        arrive = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"begin"
            await arrive.wait()
            yield b"end"

        four = [asyncio.create_task(store.receive(slowly())) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(SearchError, match="Other videos are being sent"):
            await store.receive(in_chunks(b"fifth"))
        arrive.set()
        await asyncio.gather(*four)
        return await store.receive(in_chunks(b"fifth"))

    assert asyncio.run(send_five()).read_bytes() == b"fifth"


@pytest.mark.parametrize(
    ("length", "refused"), [(None, False), ("8", False), ("9", True), ("many", False)]
)
def test_a_size_is_refused_by_the_header(tmp_path: Path, length: str | None, refused: bool) -> None:
    store = UploadStore(folder=tmp_path, max_bytes=8)
    if refused:
        with pytest.raises(UploadTooLargeError):
            store.check_size(length)
    else:
        store.check_size(length)


def test_the_least_recently_used_upload_is_deleted(
    tmp_path: Path, video_of: Callable[[str], IndexedVideo]
) -> None:
    video = video_of("walk").video
    store = UploadStore(folder=tmp_path, max_uploads=2)
    for key in "abc":
        (tmp_path / key).touch()
        store.add(Upload(key, replace(video, path=tmp_path / key)))
        store.get("a" if key == "b" else key)  # so that b is the oldest when c comes
    with pytest.raises(SearchError, match="Drop it again"):
        store.get("b")
    assert store.get("a").key == "a"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a", "c"]


def test_a_file_that_is_not_a_video_is_refused_without_its_path(
    tmp_path: Path, video_of: Callable[[str], IndexedVideo]
) -> None:
    assert inspect_upload(video_of("jump").file).frames == 75
    for content in (b"this is no video" * 100, b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 4000):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(VideoError, match=r"^This file cannot be read as a video") as caught:
            inspect_upload(tmp_path / "file")
        assert str(tmp_path) not in str(caught.value)
