"""Folders with counts, against plain loops, and the extents of the videos of an index."""

from collections.abc import Callable
from pathlib import PurePosixPath

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from slic.search import Index
from slic.search.facets import FolderCount, VideoExtent, common_folder, folders_below, video_extents

names = st.text(st.sampled_from("ab ü%"), min_size=1, max_size=2)
paths = st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), unique=True)


def folders_by_loops(extents: list[VideoExtent], folder: str) -> list[FolderCount]:
    found = set()
    for extent in extents:
        for parent in PurePosixPath(extent.path).parents:
            outer = "" if str(parent.parent) == "." else f"{parent.parent}/"
            if str(parent) != "." and outer == folder:
                found.add(f"{parent}/")
    inside = {path: [e for e in extents if e.path.startswith(path)] for path in found}
    return [
        FolderCount(path, len(inside[path]), sum(extent.moments for extent in inside[path]))
        for path in sorted(found)
    ]


@given(paths, st.sampled_from(["", "a/", "a/b/", "ü/", "%/"]))
def test_folders_are_those_that_plain_loops_find(made: list[str], folder: str) -> None:
    extents = [VideoExtent(path, 1.0, number) for number, path in enumerate(sorted(made))]
    assert folders_below(extents, folder) == folders_by_loops(extents, folder)


def test_a_folder_of_an_absolute_path_is_found() -> None:
    (root,) = folders_below([VideoExtent("/videos/a.mp4", 2.0, 3)])
    assert root == FolderCount("/", 1, 3)


def test_the_common_folder_is_the_deepest_that_has_all_videos() -> None:
    extents = [VideoExtent(path, 1.0, 1) for path in ("/a/b/c/1", "/a/b/cc/2", "/a/b/3")]
    assert common_folder(extents) == "/a/b/"
    assert common_folder([]) == ""


def test_extents_are_those_of_the_videos(
    fill: Callable[..., Index], rows: Callable[..., np.ndarray]
) -> None:
    index = fill({"b/two.mp4": rows(2), "a.mp4": rows(5, seed=1)})
    found = video_extents(index)
    assert [(e.path, e.moments) for e in found] == [("a.mp4", 5), ("b/two.mp4", 2)]
    assert [e.seconds for e in found] == pytest.approx([v.duration_seconds for v in index.videos()])
