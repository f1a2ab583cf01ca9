"""Indexing in the background: what is reported, stopped, continued and left beside the videos."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from slic.models.encoder import VideoEncoder
from slic.search import Index, clusters_per_level, create_index
from slic.studio.indexing import (
    INDEX_NAME,
    BackgroundIndexing,
    IndexingProgress,
    Pace,
    index_folder_of,
)
from slic.studio.state import Studio


def test_the_index_is_beside_the_videos_or_else_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "list.csv").touch()
    assert index_folder_of(videos) == videos / INDEX_NAME
    assert index_folder_of(videos / "list.csv") == videos / ".list.csv.slic-index"
    videos.chmod(0o555)
    cached = index_folder_of(videos)
    assert (cached.parent, cached.name[:7]) == (tmp_path / "cache" / "slic", "videos-")
    assert index_folder_of(videos / "list.csv") != cached
    videos.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, colour_videos: Path, colour_encoder: VideoEncoder) -> Path:
    """Return a folder of three videos with an index that is empty."""
    videos = Path(shutil.copytree(colour_videos, tmp_path / "videos"))
    create_index(videos / INDEX_NAME, colour_encoder, window_seconds=1.0).close()
    return videos


@pytest.mark.slow
def test_a_folder_is_indexed_and_clustered_and_a_broken_file_counted(
    folder: Path, client_of: Callable[[Studio], TestClient]
) -> None:
    (folder / "broken.mp4").write_bytes(b"no video")
    indexing = BackgroundIndexing(folder / INDEX_NAME, folder, workers=0)
    studio = Studio(Index.open(folder / INDEX_NAME), indexing=indexing)
    assert studio.title == "videos"
    summary = client_of(studio).get("/api/summary").json()["indexing"]
    assert (summary["phase"], summary["running"]) == ("scanning", True)
    assert studio.current_map() is None  # not computed meanwhile
    early = client_of(studio).post("/api/search", json={"like": [{"moment": 1}]})
    assert (early.status_code, early.json()["moments"]) == (200, [])
    indexing.start()
    indexing.join()
    count = studio.index.count
    rate = indexing.progress.per_second
    assert indexing.progress == IndexingProgress("finished", count, count, 1, per_second=rate)
    assert clusters_per_level(studio.index)
    found = client_of(studio).get("/api/indexing").json()
    assert (found["videos"], found["moments"]) == (3, count)
    assert found["indexing"]["running"] is False
    assert found["indexing"]["seconds_left"] is None
    (about,) = client_of(studio).get("/api/about").json()["indexes"]
    (refused,) = about["refused"]
    assert refused["path"] == "broken.mp4"
    assert refused["reason"]
    studio.close()


def test_the_pace_is_that_of_the_last_minute() -> None:
    counts = [(0.0, 0), (10.0, 5), (20.0, 25), (75.0, 60), (90.0, 100)]
    pace = Pace(seconds=60.0)
    found = [pace.per_second(count, now) for now, count in counts]
    assert found == [0.0, 5 / 10, 25 / 20, 35 / 55, 40 / 15]
    left = IndexingProgress("embedding", done=60, total=100, per_second=0.5).seconds_left
    assert left == 80.0
    assert IndexingProgress("embedding", total=100).seconds_left is None


@pytest.mark.slow
def test_a_stopped_indexing_keeps_what_it_has_and_the_next_continues(folder: Path) -> None:
    for number in range(40):
        shutil.copy(folder / "red.mp4", folder / f"{number}.mp4")
        with (folder / f"{number}.mp4").open("ab") as file:
            file.write(bytes([number]))  # other content
    first = BackgroundIndexing(folder / INDEX_NAME, folder, workers=0)
    first.start()
    while first.progress.done == 0 and first.progress.running:
        time.sleep(0.002)
    first.close()
    assert first.progress.phase == "stopped"
    index = Index.open(folder / INDEX_NAME)
    kept = index.ids().tolist()
    assert 0 < len(kept) == first.progress.done < first.progress.total
    second = BackgroundIndexing(folder / INDEX_NAME, folder, workers=0)
    second.start()
    second.join()
    assert second.progress.phase == "finished"
    assert second.progress.total == first.progress.total - len(kept)
    assert index.ids().tolist()[: len(kept)] == kept
    assert index.count == first.progress.total


@pytest.mark.slow
def test_a_process_that_dies_is_a_failure(folder: Path) -> None:
    indexing = BackgroundIndexing(folder / INDEX_NAME, folder, workers=0)
    indexing.start()
    indexing._process.kill()
    indexing.join()
    assert indexing.progress.phase == "failed"
    assert "Start the studio again" in indexing.progress.message
    indexing.close()


@pytest.mark.slow
def test_an_error_reaches_the_page(folder: Path) -> None:
    for path in folder.glob("*.mp4"):
        path.unlink()
    indexing = BackgroundIndexing(folder / INDEX_NAME, folder)
    indexing.start()
    indexing.join()
    assert indexing.progress.phase == "failed"
    assert "no video" in indexing.progress.message
