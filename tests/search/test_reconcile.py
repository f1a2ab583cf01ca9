"""An index follows the files of its collections: moved, copied, changed, deleted, unreachable."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from slic.models.encoder import VideoEncoder
from slic.search import Index, IndexReport, create_index, update_index
from slic.search.reconcile import CollectionChanges
from slic.videos.catalog import Catalog

Nobody = Callable[[], AbstractContextManager[None]]
MakeVideo = Callable[..., Path]
Updated = Callable[[Index, Path], IndexReport]
Contents = Callable[[Index], dict[str, list[tuple[float, float, bytes]]]]


def test_nothing_is_done_twice(
    updated: Updated, contents: Contents, index_of_videos: Index, videos: Path
) -> None:
    before = contents(index_of_videos)
    report = updated(index_of_videos, videos)
    assert (report.embedded, report.changes.unchanged) == (0, 3)
    (videos / "a.mp4").touch()  # another time, the same content
    report = updated(index_of_videos, videos)
    assert (report.embedded, report.changes.unchanged) == (0, 3)
    assert contents(index_of_videos) == before


def test_moved_copied_changed_new_and_deleted_files(
    updated: Updated,
    contents: Contents,
    index_of_videos: Index,
    videos: Path,
    make_video: MakeVideo,
) -> None:
    before = contents(index_of_videos)
    kept = [video.id for video in index_of_videos.videos() if video.path in ("a.mp4", "b.mp4")]
    ids = index_of_videos.moment_numbers(kept)
    (videos / "a.mp4").rename(videos / "sub" / "moved.mp4")
    shutil.copy(videos / "b.mp4", videos / "copy.mp4")
    make_video(videos / "sub" / "c.avi", frames=50, size=(64, 48), codec="mpeg4")
    make_video(videos / "new.mp4", frames=40, size=(64, 48))
    report = updated(index_of_videos, videos)
    changes = report.changes
    assert (changes.moved, changes.changed, changes.removed) == (
        ["sub/moved.mp4"],
        ["sub/c.avi"],
        [],
    )
    assert sorted(changes.added) == ["copy.mp4", "new.mp4"]
    after = contents(index_of_videos)
    assert report.embedded == len(after["new.mp4"]) + len(after["sub/c.avi"])
    assert after["sub/moved.mp4"] == before["a.mp4"]
    assert after["copy.mp4"] == after["b.mp4"] == before["b.mp4"]
    assert len(after["sub/c.avi"]) < len(before["sub/c.avi"])
    assert index_of_videos.moment_numbers(kept) == ids  # ids stay, and so what refers to them
    (videos / "copy.mp4").unlink()
    report = updated(index_of_videos, videos)
    assert (report.embedded, report.changes.removed) == (0, ["copy.mp4"])
    assert "copy.mp4" not in contents(index_of_videos)
    near = index_of_videos.nearest(index_of_videos.vectors(index_of_videos.ids()[:1]), 50)
    assert (
        sorted(i for i in near.ids[0].tolist() if i >= 0) == index_of_videos.ids().tolist()
    )  # nor the store


def test_two_files_that_changed_places_keep_their_moments(
    updated: Updated, contents: Contents, index_of_videos: Index, videos: Path
) -> None:
    before = contents(index_of_videos)
    (videos / "a.mp4").rename(videos / "x")
    (videos / "b.mp4").rename(videos / "a.mp4")
    (videos / "x").rename(videos / "b.mp4")
    report = updated(index_of_videos, videos)
    assert (report.embedded, sorted(report.changes.moved)) == (0, ["a.mp4", "b.mp4"])
    assert contents(index_of_videos) == before | {
        "a.mp4": before["b.mp4"],
        "b.mp4": before["a.mp4"],
    }


def test_a_whole_folder_that_moved_is_not_embedded_again(
    updated: Updated, contents: Contents, index_of_videos: Index, videos: Path
) -> None:
    before = contents(index_of_videos)
    videos.rename(videos.with_name("elsewhere"))
    report = updated(index_of_videos, videos.with_name("elsewhere"))
    assert (report.embedded, len(report.changes.moved)) == (0, 3)
    assert contents(index_of_videos) == before
    assert all(video.file.exists() for video in index_of_videos.videos())


def test_another_folder_is_added_and_takes_nothing_away(
    updated: Updated, index_of_videos: Index, tmp_path: Path, make_video: MakeVideo
) -> None:
    make_video(tmp_path / "more" / "d.mp4", frames=45, size=(64, 48))
    report = updated(index_of_videos, tmp_path / "more")
    assert (report.changes.added, report.changes.removed) == (["d.mp4"], [])
    assert len(index_of_videos.videos()) == 4


def test_a_file_that_became_unreadable_leaves_and_is_named(
    updated: Updated, contents: Contents, index_of_videos: Index, videos: Path
) -> None:
    (videos / "b.mp4").write_bytes((videos / "b.mp4").read_bytes()[:300])
    report = updated(index_of_videos, videos)
    assert report.changes.removed == ["b.mp4"]
    assert [refused.id for refused in report.changes.refused] == ["b.mp4"]
    assert list(contents(index_of_videos)) == ["a.mp4", "sub/c.avi"]


def test_files_that_cannot_be_reached_stay_and_are_reported(
    updated: Updated,
    contents: Contents,
    index_of_videos: Index,
    videos: Path,
    tmp_path: Path,
    make_video: MakeVideo,
) -> None:
    before = contents(index_of_videos)
    make_video(tmp_path / "more" / "d.mp4", frames=45, size=(64, 48))
    videos.rename(tmp_path / "away")  # the disk is not mounted
    for mounted_empty in (False, True):
        if mounted_empty:
            videos.mkdir()
        changes = updated(index_of_videos, tmp_path / "more").changes
        assert changes.removed == []
        assert changes.unreachable == [videos / name for name in ("a.mp4", "b.mp4", "sub/c.avi")]
    videos.rmdir()
    (tmp_path / "away").rename(videos)
    assert updated(index_of_videos, videos).changes.unreachable == []
    assert contents(index_of_videos).items() >= before.items()


def test_below_a_folder_that_cannot_be_listed_nothing_is_removed(
    updated: Updated,
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

    def changes() -> CollectionChanges:
        catalog = Catalog.from_list(listing, workers=1, cache=False, progress=False)
        return update_index(index, catalog, workers=0, progress=False).changes

    assert len(changes().added) == 1
    videos.rename(tmp_path / "away")
    assert (changes().removed, changes().unreachable) == ([], [videos / "a.mp4"])
    (tmp_path / "away").rename(videos)
    (videos / "a.mp4").unlink()
    assert changes().removed == [str(videos / "a.mp4")]
