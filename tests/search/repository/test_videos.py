"""Videos are stored and read back the same, and their paths tell them apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from slic.search import Index
from slic.search.repository.videos import (
    FileState,
    find_videos_by_path,
    insert_video,
    move_video,
    release_path,
    select_files,
    unique_paths,
)
from slic.videos.video import Video

Add = Callable[..., list[int]]
Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def make_video(path: str, *, root: str = "/v") -> Video:
    return Video(
        id=path, path=Path(root) / path, frames=50, fps=12.5, width=64, height=48,
    )  # fmt: skip


def test_a_video_is_the_same_in_the_index(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(1)})
    video = make_video("a/b.mp4", root="/w")
    state = FileState(size=5, mtime_ns=6, content_id="c")
    with index.database.transaction() as connection:
        video_id = insert_video(connection, video, root="/w", state=state)
    indexed = index.video(video_id)
    assert (indexed.video, indexed.content_id, indexed.moments) == (video, "c", 0)
    assert (indexed.path, indexed.file) == ("a/b.mp4", Path("/w/a/b.mp4"))
    assert indexed.duration_seconds == 4.0
    with index.database.reading() as connection:
        (file,) = select_files(connection, "/w")
    assert (file.id, file.file) == (video_id, video.path)
    assert (file.size, file.mtime_ns, file.content_id) == (5, 6, "c")


def test_paths_that_several_roots_have_are_absolute(fill: Fill, rows: Rows, add: Add) -> None:
    index = fill({"x": rows(1), "y": rows(1)})
    add(index, "x", rows(1), root="/w")
    with index.database.reading() as connection:
        assert unique_paths(connection) == {1: "/v/x", 2: "y", 3: "/w/x"}
        assert find_videos_by_path(connection, "x") == {"/v/x": 1, "/w/x": 3}
        assert find_videos_by_path(connection, "/w/x") == {"/w/x": 3}
        assert find_videos_by_path(connection, "z") == {}


def test_two_videos_can_exchange_their_paths(fill: Fill, rows: Rows) -> None:
    index = fill({"x": rows(1), "y": rows(1)})
    state = FileState(size=1, mtime_ns=2, content_id="unused")
    with index.database.transaction() as connection:
        for video_id in (1, 2):
            release_path(connection, video_id)
        move_video(connection, 1, root="/v", path="y", state=state)
        move_video(connection, 2, root="/v", path="x", state=state)
    assert {video.id: video.path for video in index.videos()} == {1: "y", 2: "x"}
    assert [video.content_id for video in index.videos()] == ["content of y", "content of x"]
