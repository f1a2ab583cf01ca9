"""Which video of an index a file of labels means."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.search import Index
from slic.search.label_files.base import LabelRow
from slic.search.label_files.finding import VideoFinder

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]
Add = Callable[..., list[int]]


@pytest.fixture
def finder(fill: Fill, rows: Rows, add: Add) -> VideoFinder:
    """Return the finder of an index of two roots, one file of which is twice there."""
    index = fill({path: rows(1) for path in ("a.mp4", "sub/b.mp4", "x/same.mp4", "dot.v2.mp4")})
    add(index, "x/same.mp4", rows(1), root="/w")  # the fixture gives it the same content
    add(index, "y/same.mp4", rows(1), root="/w")
    add(index, "z/c.mp4", rows(1), root="/w")
    add(index, "z/c.avi", rows(1), root="/w")
    return VideoFinder(index.videos(), folder=Path("/v/lists"))


def find(finder: VideoFinder, *paths: str, names: tuple[str, ...] = ()) -> str | None:
    row = LabelRow(paths=paths, names=names, label="x", start=None, end=None, place="row 1")
    found = finder.find(row)
    return None if found is None else found.content_id.removeprefix("content of ")


@pytest.mark.parametrize(
    ("path", "video"),
    [
        ("a.mp4", "a.mp4"),
        ("/v/a.mp4", "a.mp4"),
        ("../sub/b.mp4", "sub/b.mp4"),  # from the folder of the file of labels
        ("/v/lists/.././a.mp4", "a.mp4"),
        ("x/same.mp4", "x/same.mp4"),  # both have this content
        ("/w/x/same.mp4", "x/same.mp4"),
        ("b.mp4", None),  # only the end of a path: another file may be meant
        ("/elsewhere/a.mp4", None),
        ("", None),
        ("a\0.mp4", None),
    ],
)
def test_paths_are_exact(finder: VideoFinder, path: str, video: str | None) -> None:
    assert find(finder, path) == video


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("b.mp4", "sub/b.mp4"),
        ("b", "sub/b.mp4"),
        ("/sub/b.mp4", "sub/b.mp4"),
        ("v/sub/b.mp4", "sub/b.mp4"),
        ("dot.v2", "dot.v2.mp4"),
        ("dot", None),
        ("same.mp4", None),  # two contents
        ("y/same.mp4", "y/same.mp4"),
        ("c", None),
        ("c.avi", "z/c.avi"),
        ("ub/b.mp4", None),
    ],
)
def test_names_count_if_they_fit_one_video(
    finder: VideoFinder, name: str, video: str | None
) -> None:
    assert find(finder, names=(name,)) == video
    assert find(finder, "gone.mp4", names=(name,)) == video


def test_the_content_decides_where_it_is_known(finder: VideoFinder) -> None:
    row = LabelRow(
        paths=("a.mp4",), label="x", start=None, end=None, place="", content_id="content of z/c.avi"
    )
    assert (found := finder.find(row)) is not None
    assert found.path == "z/c.avi"
