"""A file is opened only while it is the one that was indexed, and what was opened is read."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from slic.search import Index, IndexedVideo
from slic.studio import opened
from slic.studio.opened import ChangedFileError, IndexedFiles, UnreachableFileError
from slic.studio.state import Studio
from slic.videos.contents import content_id, digest_of_files

ADDRESSES = ("", "/preview.mp4?start=0&end=1", "/thumbnail.webp?at=1")
PATHS = pytest.mark.parametrize("path", ADDRESSES)


@pytest.fixture
def own(shared_index: Path, tmp_path: Path) -> Iterator[Studio]:
    """Return a studio of a copy of the videos too, which a test may change."""
    shutil.copytree(shared_index, tmp_path / "index")
    shutil.copytree(shared_index.parent / "videos", tmp_path / "videos")
    with sqlite3.connect(tmp_path / "index" / "index.sqlite") as database:
        database.execute("UPDATE videos SET root = ?", (str(tmp_path / "videos"),))
    database.close()
    made = Studio(Index.open(tmp_path / "index"))
    yield made
    made.close()


@pytest.fixture
def walk(own: Studio) -> IndexedVideo:
    return next(video for video in own.index.videos() if video.path == "walk.mp4")


@pytest.fixture
def page(own: Studio, client_of: Callable[[Studio], TestClient]) -> TestClient:
    return client_of(own)


def test_what_was_opened_is_read_after_the_path_leads_elsewhere(walk: IndexedVideo) -> None:
    content = walk.file.read_bytes()
    with IndexedFiles().open(walk) as file:
        walk.file.unlink()
        walk.file.symlink_to("/etc/passwd")
        assert file.address.read_bytes() == content


def other_file(walk: IndexedVideo) -> None:
    shutil.copy(walk.file.parent / "run.webm", walk.file)


def other_video_behind_a_link(walk: IndexedVideo) -> None:
    secret = walk.file.parent.parent / "secret.mp4"
    shutil.copy2(walk.file.parent / "deep/down/wave.mp4", secret)
    walk.file.unlink()
    walk.file.symlink_to(secret)


def same_size_and_time(walk: IndexedVideo) -> None:
    before = walk.file.stat()
    content = bytearray(walk.file.read_bytes())
    content[-100] ^= 1
    walk.file.write_bytes(content)
    os.utime(walk.file, ns=(before.st_atime_ns, before.st_mtime_ns))


def a_pipe(walk: IndexedVideo) -> None:
    walk.file.unlink()
    os.mkfifo(walk.file)


def a_device(walk: IndexedVideo) -> None:
    walk.file.unlink()
    walk.file.symlink_to("/dev/zero")


def a_folder(walk: IndexedVideo) -> None:
    walk.file.unlink()
    walk.file.mkdir()


def a_folder_of_pictures(walk: IndexedVideo) -> None:
    a_folder(walk)
    for number in range(3):
        cv2.imwrite(str(walk.file / f"{number}.png"), np.zeros((32, 32, 3), np.uint8))


def a_folder_of_pipes(walk: IndexedVideo) -> None:
    a_folder(walk)
    for number in range(3):
        os.mkfifo(walk.file / f"{number}.png")


SWAPS = (
    other_file,
    other_video_behind_a_link,
    same_size_and_time,
    a_pipe,
    a_device,
    a_folder,
    a_folder_of_pictures,
    a_folder_of_pipes,
)


@PATHS
@pytest.mark.parametrize("known", [False, True], ids=["at first", "after it was shown"])
@pytest.mark.parametrize("swap", SWAPS)
def test_nothing_of_another_file_is_shown(
    page: TestClient,
    walk: IndexedVideo,
    swap: Callable[[IndexedVideo], None],
    known: bool,
    path: str,
) -> None:
    address = f"/media/videos/{walk.id}{path}"
    if known:
        assert page.get(address).status_code == 200
    swap(walk)
    answer = page.get(address)
    assert answer.status_code == 409
    assert answer.json()["error"] == (
        "walk.mp4: this is not the file that was indexed, so it is not shown. "
        "Run `slic index` again."
    )
    tiles = page.post("/api/browse", json={"limit": 500}).json()["moments"]
    assert not any(tile["plays"] for tile in tiles if tile["path"] == "walk.mp4")
    assert any(tile["plays"] for tile in tiles)


@PATHS
def test_a_file_with_another_time_and_the_same_content_is_shown(
    page: TestClient, walk: IndexedVideo, path: str
) -> None:
    os.utime(walk.file, ns=(1, 1))
    assert page.get(f"/media/videos/{walk.id}{path}").status_code == 200
    tiles = page.post("/api/browse", json={"limit": 500}).json()["moments"]
    assert all(tile["plays"] for tile in tiles if tile["path"] == "walk.mp4")


def test_a_large_file_is_compared_by_its_time(
    walk: IndexedVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "MAX_DIGESTED_BYTES", 10)
    IndexedFiles().open(walk).__exit__()
    os.utime(walk.file, ns=(1, 1))
    with pytest.raises(ChangedFileError):
        IndexedFiles().open(walk)


def test_a_change_while_a_preview_is_made_is_noticed(own: Studio, walk: IndexedVideo) -> None:
    with own.media.files.open(walk) as file:
        same_size_and_time(walk)
        with pytest.raises(ChangedFileError):
            file.check_unchanged(walk)


def test_the_content_is_read_once(walk: IndexedVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    files, read = IndexedFiles(), []

    def digest(given: Iterator[BinaryIO]) -> str:
        read.append(1)
        return digest_of_files(given)

    monkeypatch.setattr(opened, "digest_of_files", digest)
    for _ in range(3):
        files.open(walk).__exit__()
    assert read == [1]


def test_an_index_from_a_stranger_shows_no_video_that_he_does_not_have(
    own: Studio, page: TestClient, walk: IndexedVideo, tmp_path: Path
) -> None:
    """He knows its path, size and time, as `ls -l` shows them, but not its content."""
    private = Path(shutil.copy(walk.file.parent / "deep/down/wave.mp4", tmp_path / "private.mp4"))
    state = private.stat()
    with own.index.database.transaction() as database:
        database.execute(
            "UPDATE videos SET path = ?, size = ?, mtime_ns = ? WHERE id = ?",
            (str(private), state.st_size, state.st_mtime_ns, walk.id),
        )
    for path in ADDRESSES:
        assert page.get(f"/media/videos/{walk.id}{path}").status_code == 409


def test_a_folder_of_pictures_is_shown_until_one_changes(
    own: Studio, page: TestClient, walk: IndexedVideo
) -> None:
    a_folder_of_pictures(walk)
    pictures = sorted(walk.file.iterdir())
    row = {
        "size": sum(path.stat().st_size for path in pictures),
        "content_id": content_id(walk.file),
        "frames": 3,
        "timeline": b"",
    }
    with own.index.database.transaction() as database:
        assignments = ", ".join(f"{name} = ?" for name in row)
        statement = f"UPDATE videos SET {assignments} WHERE id = ?"
        database.execute(statement, (*row.values(), walk.id))
    address = f"/media/videos/{walk.id}"
    assert page.get(f"{address}/thumbnail.webp?at=0").status_code == 200
    assert page.get(address).status_code == 415
    cv2.imwrite(str(pictures[1]), np.full((32, 32, 3), 9, np.uint8))
    assert page.get(f"{address}/thumbnail.webp?at=0").status_code == 409


def test_what_cannot_be_read_is_said_to_be(walk: IndexedVideo) -> None:
    walk.file.unlink()
    with pytest.raises(UnreachableFileError, match="No such file"):
        IndexedFiles().open(walk)


def test_no_file_stays_open(page: TestClient, walk: IndexedVideo) -> None:
    requests: list[tuple[str, dict[str, str]]] = [
        ("", {}),
        ("", {"Range": "bytes=0-9"}),
        ("", {"Range": "bytes=0-9,20-29"}),
        ("", {"Range": "bytes=99999999-"}),
        ("", {"Range": "nonsense"}),
        ("/thumbnail.webp?at=1", {}),
    ]

    def opened_here() -> int:
        entries = [entry for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
        return sum(entry.readlink() == walk.file for entry in entries)

    for path, headers in requests:
        page.get(f"/media/videos/{walk.id}{path}", headers=headers)
        page.head(f"/media/videos/{walk.id}{path}", headers=headers)
    assert opened_here() == 0


def test_a_pipe_does_not_stop_the_studio(page: TestClient, walk: IndexedVideo) -> None:
    a_pipe(walk)
    answers: list[int] = []

    def ask() -> None:
        addresses = [f"/media/videos/{walk.id}{path}" for path in ADDRESSES * 4]
        answers.extend(page.get(address).status_code for address in addresses)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(60)
    assert answers == [409] * 12
