"""An index follows its collection, does nothing twice, and goes on where it was stopped."""

import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.errors import SearchError
from slic.models.encoder import VideoEncoder, to_input
from slic.runs import StopRequested
from slic.search import (
    Index,
    IndexReport,
    create_index,
    indexing,
    query_from_clip,
    search,
    update_index,
)
from slic.search.moments import clip_indices, mean_direction
from slic.search.reconcile import Changes
from slic.search.streaming import Job, read_moments
from slic.videos.catalog import Catalog

MakeVideo = Callable[..., Path]
Nobody = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def videos(tmp_path: Path, make_video: MakeVideo) -> Path:
    """Return a folder of three videos of different content."""
    folder = tmp_path / "videos"
    make_video(folder / "a.mp4", frames=60, size=(64, 48))
    make_video(folder / "b.mp4", frames=70, size=(64, 48))
    make_video(folder / "sub" / "c.avi", frames=80, size=(64, 48), codec="mpeg4")
    return folder


def updated(index: Index, videos: Path) -> IndexReport:
    catalog = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
    return update_index(index, catalog, workers=0, progress=False)


@pytest.fixture
def index(tmp_path: Path, encoder: VideoEncoder, videos: Path) -> Index:
    made = create_index(tmp_path / "index", encoder, window_seconds=1.0)
    updated(made, videos)
    return made


def contents(index: Index) -> dict[str, list[tuple[float, float, bytes]]]:
    """Return times and vectors of every video's moments, by path."""
    rows = index.database.connection.execute(
        "SELECT v.path, m.start_seconds, m.end_seconds, m.vector FROM moments m"
        " JOIN videos v ON v.id = m.video_id ORDER BY v.path, m.number"
    )
    found: dict[str, list[tuple[float, float, bytes]]] = {}
    for path, *moment in rows:
        found.setdefault(path, []).append(tuple(moment))
    return found


def test_the_vectors_are_those_of_the_clips(index: Index) -> None:
    for video in index.videos():
        cut = index.windows(video.frames, video.fps)
        job = Job(video.id, video.as_video(), cut, np.arange(len(cut.start)))
        ids = index.moment_numbers([video.id])[video.id]
        for number, clips in read_moments(job, index.clip_shape):
            assert len(clips) == len(clip_indices(cut, index.clip_shape, number))
            with torch.no_grad():
                z = index.encoder(to_input(torch.from_numpy(clips))).numpy()
            assert index.vectors([ids[number]]) == pytest.approx(mean_direction(z[None]), abs=1e-5)
    assert [video.path for video in index.videos()] == ["a.mp4", "b.mp4", "sub/c.avi"]
    assert index.count == sum(video.moments for video in index.videos()) == 4 + 5 + 6


def test_an_encoder_without_a_head_is_indexed_by_its_features(
    tmp_path: Path, encoder: VideoEncoder, videos: Path
) -> None:
    headless = VideoEncoder(replace(encoder.config, embedding=0)).eval()
    index = create_index(tmp_path / "index", headless)
    updated(index, videos)
    assert index.settings.dimension == headless.feature_size
    (hit,) = search(index, query_from_clip(index, videos / "b.mp4"), k=1)
    assert hit.score == pytest.approx(1.0, abs=1e-5)
    assert indexing.embed_moments(headless, []).shape == (0, headless.feature_size)


def test_nothing_is_done_twice(index: Index, videos: Path) -> None:
    before = contents(index)
    report = updated(index, videos)
    assert (report.embedded, report.changes.unchanged) == (0, 3)
    (videos / "a.mp4").touch()  # another time, the same content
    report = updated(index, videos)
    assert (report.embedded, report.changes.unchanged) == (0, 3)
    assert contents(index) == before


def test_moved_copied_changed_new_and_deleted_files(
    index: Index, videos: Path, make_video: MakeVideo
) -> None:
    before = contents(index)
    kept = [video.id for video in index.videos() if video.path in ("a.mp4", "b.mp4")]
    ids = index.moment_numbers(kept)
    (videos / "a.mp4").rename(videos / "sub" / "moved.mp4")
    shutil.copy(videos / "b.mp4", videos / "copy.mp4")
    make_video(videos / "sub" / "c.avi", frames=50, size=(64, 48), codec="mpeg4")
    make_video(videos / "new.mp4", frames=40, size=(64, 48))
    report = updated(index, videos)
    changes = report.changes
    assert (changes.moved, changes.changed, changes.removed) == (
        ["sub/moved.mp4"],
        ["sub/c.avi"],
        [],
    )
    assert sorted(changes.added) == ["copy.mp4", "new.mp4"]
    after = contents(index)
    assert report.embedded == len(after["new.mp4"]) + len(after["sub/c.avi"])
    assert after["sub/moved.mp4"] == before["a.mp4"]
    assert after["copy.mp4"] == after["b.mp4"] == before["b.mp4"]
    assert len(after["sub/c.avi"]) < len(before["sub/c.avi"])
    assert index.moment_numbers(kept) == ids  # ids stay, and so what refers to them
    (videos / "copy.mp4").unlink()
    report = updated(index, videos)
    assert (report.embedded, report.changes.removed) == (0, ["copy.mp4"])
    assert "copy.mp4" not in contents(index)
    near = index.nearest(index.vectors(index.ids()[:1]), 50)
    assert (
        sorted(i for i in near.ids[0].tolist() if i >= 0) == index.ids().tolist()
    )  # nor the store


def test_two_files_that_changed_places_keep_their_moments(index: Index, videos: Path) -> None:
    before = contents(index)
    (videos / "a.mp4").rename(videos / "x")
    (videos / "b.mp4").rename(videos / "a.mp4")
    (videos / "x").rename(videos / "b.mp4")
    report = updated(index, videos)
    assert (report.embedded, sorted(report.changes.moved)) == (0, ["a.mp4", "b.mp4"])
    assert contents(index) == before | {"a.mp4": before["b.mp4"], "b.mp4": before["a.mp4"]}


def test_a_whole_folder_that_moved_is_not_embedded_again(index: Index, videos: Path) -> None:
    before = contents(index)
    videos.rename(videos.with_name("elsewhere"))
    report = updated(index, videos.with_name("elsewhere"))
    assert (report.embedded, len(report.changes.moved)) == (0, 3)
    assert contents(index) == before
    assert all(video.file.exists() for video in index.videos())


def test_another_folder_is_added_and_takes_nothing_away(
    index: Index, tmp_path: Path, make_video: MakeVideo
) -> None:
    make_video(tmp_path / "more" / "d.mp4", frames=45, size=(64, 48))
    report = updated(index, tmp_path / "more")
    assert (report.changes.added, report.changes.removed) == (["d.mp4"], [])
    assert len(index.videos()) == 4


def test_a_file_that_became_unreadable_leaves_and_is_named(index: Index, videos: Path) -> None:
    (videos / "b.mp4").write_bytes((videos / "b.mp4").read_bytes()[:300])
    report = updated(index, videos)
    assert report.changes.removed == ["b.mp4"]
    assert [refused.id for refused in report.changes.refused] == ["b.mp4"]
    assert list(contents(index)) == ["a.mp4", "sub/c.avi"]


def test_files_that_cannot_be_reached_stay_and_are_told(
    index: Index, videos: Path, tmp_path: Path, make_video: MakeVideo
) -> None:
    before = contents(index)
    make_video(tmp_path / "more" / "d.mp4", frames=45, size=(64, 48))
    videos.rename(tmp_path / "away")  # the disk is not mounted
    for mounted_empty in (False, True):
        if mounted_empty:
            videos.mkdir()
        changes = updated(index, tmp_path / "more").changes
        assert changes.removed == []
        assert changes.unreachable == [videos / name for name in ("a.mp4", "b.mp4", "sub/c.avi")]
    videos.rmdir()
    (tmp_path / "away").rename(videos)
    assert updated(index, videos).changes.unreachable == []
    assert contents(index).items() >= before.items()


def test_below_a_folder_that_cannot_be_listed_nothing_is_removed(
    encoder: VideoEncoder,
    open_folder: Path,
    nobody: Nobody,
    make_video: MakeVideo,
    make_frames: MakeVideo,
) -> None:
    videos = open_folder / "videos"
    make_video(videos / "a.mp4", size=(64, 48))
    make_video(videos / "sub" / "b.mp4", size=(64, 48))
    make_frames(videos / "frames")
    index = create_index(open_folder / "index", encoder)
    updated(index, videos)
    index.close()
    for path in (index.path, *index.path.iterdir()):
        path.chmod(0o777)
    for name in ("frames", "sub"):
        (videos / name).chmod(0)
    with nobody():
        changes = updated(index, videos).changes
    index.close()
    for name in ("frames", "sub"):
        (videos / name).chmod(0o755)
    assert changes.removed == []
    assert changes.unreachable == [videos / "frames", videos / "sub" / "b.mp4"]


def test_a_file_of_a_list_on_another_disk_stays_while_that_is_away(
    tmp_path: Path, encoder: VideoEncoder, videos: Path
) -> None:
    listing = tmp_path / "lists" / "some.csv"
    listing.parent.mkdir()
    listing.write_text(f"path\n{videos / 'a.mp4'}\n")
    index = create_index(tmp_path / "index", encoder)

    def changes() -> Changes:
        catalog = Catalog.from_list(listing, workers=1, cache=False, progress=False)
        return update_index(index, catalog, workers=0, progress=False).changes

    assert len(changes().added) == 1
    videos.rename(tmp_path / "away")
    assert (changes().removed, changes().unreachable) == ([], [videos / "a.mp4"])
    (tmp_path / "away").rename(videos)
    (videos / "a.mp4").unlink()
    assert changes().removed == [str(videos / "a.mp4")]


def test_a_video_that_breaks_off_is_refused_and_the_others_are_indexed(
    tmp_path: Path, encoder: VideoEncoder, videos: Path
) -> None:
    catalog = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
    shutil.copy(videos / "a.mp4", tmp_path / "kept.mp4")
    data = (videos / "b.mp4").read_bytes()
    (videos / "b.mp4").write_bytes(data[: len(data) // 2])  # after the scan
    index = create_index(tmp_path / "index", encoder, window_seconds=1.0)
    report = update_index(index, catalog, workers=0, progress=False)
    assert [refused.id for refused in report.changes.refused] == ["b.mp4"]
    assert list(contents(index)) == ["a.mp4", "sub/c.avi"]


def test_stopped_and_gone_on_is_the_index_made_in_one_go(
    tmp_path: Path,
    encoder: VideoEncoder,
    videos: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(indexing, "BATCH_CLIPS", 8)
    stopped = create_index(tmp_path / "stopped", encoder, window_seconds=1.0)
    commit, calls = indexing._commit, 0

    def commit_some(*words: Any) -> int:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            raise StopRequested
        return commit(*words)

    monkeypatch.setattr(indexing, "_commit", commit_some)
    stops = 0
    for _ in range(20):
        try:
            updated(stopped, videos)
            break
        except StopRequested:
            stops += 1
    assert stops > 2
    whole, resumed = contents(index), contents(stopped)
    assert resumed.keys() == whole.keys()
    for path in whole:
        assert [row[:2] for row in resumed[path]] == [row[:2] for row in whole[path]]
        for (*_, one), (*_, other) in zip(resumed[path], whole[path], strict=True):
            vectors = np.frombuffer(one, "<f4"), np.frombuffer(other, "<f4")
            assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)


def test_an_index_refuses_what_does_not_fit(index: Index, encoder: VideoEncoder) -> None:
    assert create_index(index.path, encoder).count == index.count
    assert create_index(index.path, encoder, window_seconds=1.0, stride_seconds=0.5)
    with pytest.raises(SearchError, match=r"made with --window 1\.0, not 3\.0"):
        create_index(index.path, encoder, window_seconds=3.0)
    with pytest.raises(SearchError, match="made with --store embedded, not http"):
        create_index(index.path, encoder, store="http://localhost:1")
    torch.manual_seed(1)
    other = VideoEncoder(encoder.config)
    with pytest.raises(SearchError, match=f"made with encoder {encoder.fingerprint()}, not with"):
        create_index(index.path, other)
    other.save_pretrained(index.path / "encoder")
    with pytest.raises(SearchError, match="put the right one there"):
        _ = Index.open(index.path).encoder


def test_a_missing_package_is_told_before_anything_is_embedded(
    tmp_path: Path,
    encoder: VideoEncoder,
    videos: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "slic.search.stores.embedded", raising=False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(SearchError, match=r"pip install 'slic-video\[search\]'"):
        create_index(tmp_path / "new", encoder)
    assert not (tmp_path / "new").exists()
    before = contents(index)
    (videos / "a.mp4").unlink()
    with pytest.raises(SearchError, match=r"pip install 'slic-video\[search\]'"):
        updated(Index.open(index.path), videos)
    assert contents(index) == before


def test_what_cannot_be_leaves_no_index_behind(tmp_path: Path, encoder: VideoEncoder) -> None:
    pytest.importorskip("pymilvus")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"window_seconds": 0.0}, "--window 0 --stride 0: both must be above 0 s"),
        ({"stride_seconds": 0.0}, "--window 2 --stride 0: both must be above 0 s"),
        ({"store": "foo"}, "foo: the Milvus server .* as http://host:19530"),
        ({"store": "http://127.0.0.1:9"}, "http://127.0.0.1:9: the Milvus server"),
    ]
    for words, told in wrong:
        with pytest.raises(SearchError, match=told):
            create_index(tmp_path / "index", encoder, **words)
    assert not (tmp_path / "index").exists()


def test_no_index_a_foreign_file_and_another_version_are_one_line(
    index: Index, tmp_path: Path
) -> None:
    with pytest.raises(SearchError, match="no index here"):
        Index.open(tmp_path)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "index.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(SearchError, match="not the database of an index"):
        Index.open(tmp_path / "strange")
    with index.database.transaction() as connection:
        connection.execute("UPDATE about SET value = '99' WHERE key = 'version'")
    with pytest.raises(SearchError, match="has version 99"):
        Index.open(index.path)
