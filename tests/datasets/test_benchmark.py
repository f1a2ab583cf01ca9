"""Official lists are found, and videos on disk are matched with them by name."""

from pathlib import Path

import pytest

from slic.datasets.benchmark import (
    Benchmark,
    OfficialVideo,
    match_videos,
    path_aliases,
    require_unique,
)
from slic.errors import LabelError


def test_lists_are_found_in_or_beside_the_folder(
    tiny: Benchmark, tiny_lists: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    for root in (tmp_path, tiny_lists, videos, tiny_lists / ".." / "videos"):
        assert tiny.find_lists(root, None) == tiny_lists
    with pytest.raises(LabelError, match=r"in nowhere\. .* \(--annotations DIR\)\."):
        tiny.find_lists(videos, Path("nowhere"))


def test_lists_elsewhere_must_be_named(tiny: Benchmark, tiny_lists: Path, tmp_path: Path) -> None:
    elsewhere = tiny_lists.rename(tmp_path / "elsewhere")
    assert tiny.find_lists(Path("x"), elsewhere) == elsewhere
    (videos := tmp_path / "videos").mkdir()
    with pytest.raises(LabelError, match=r"tiny: no official lists \(tinyLists/split\[1\].txt\)"):
        tiny.find_lists(videos, None)
    with pytest.raises(LabelError, match=r"videos: there is no such folder"):
        tiny.find_lists(tmp_path / "other" / "videos", None)


def test_a_video_is_matched_by_name_folder_and_stem() -> None:
    videos = [OfficialVideo("run/a.avi", "run", "train"), OfficialVideo("walk/b.avi", "walk", None)]
    ids = ["UCF/run/a.avi", "a.mp4", "walk/b", "c.avi"]
    assert match_videos(videos, ids, aliases=path_aliases) == {
        "run/a.avi": ["UCF/run/a.avi", "a.mp4"],
        "walk/b.avi": ["walk/b"],
    }


def test_a_name_in_two_classes_needs_its_folder() -> None:
    videos = [OfficialVideo(f"{label}/a.avi", label, "train") for label in ("run", "walk")]
    assert match_videos(videos, ["walk/a.avi", "a.avi"], aliases=path_aliases) == {
        "walk/a.avi": ["walk/a.avi"]
    }


def test_two_files_of_one_video_cannot_be_labelled(
    tiny: Benchmark, tiny_lists: Path, tiny_names: list[str]
) -> None:
    labeller = tiny.labeller("1", root=tiny_lists)
    assert labeller(tiny_names).ids("test") == (*tiny_names[10:12], *tiny_names[22:])
    with pytest.raises(LabelError, match=r"tiny: 'copy/run_00.avi' and 'run/run_00.avi' are the"):
        labeller([*tiny_names, "copy/run_00.avi"])
    with pytest.raises(LabelError, match=r"tiny: none of its 24 labelled videos is in "):
        labeller(["other.avi"])


def test_rows_of_lists_are_unique(tmp_path: Path) -> None:
    video = OfficialVideo("a.avi", "run", "train")
    assert require_unique([video], lists=tmp_path) == (video,)
    with pytest.raises(LabelError, match=r"'a.avi' is listed twice"):
        require_unique([video, video], lists=tmp_path)
    with pytest.raises(LabelError, match="the official lists are empty"):
        require_unique([], lists=tmp_path)
