"""Which pictures of a folder make one video, and what is said of the others."""

from collections.abc import Callable
from pathlib import Path

import pytest

from slic.videos.frame_folder import Numbering, frame_paths, numbered_frames, report_numbering


def test_the_largest_group_in_the_order_of_numbers() -> None:
    names = ["f10.jpg", "f9.jpg", "f9.txt", "x1.jpg", "cover.jpg"]
    assert numbered_frames(names) == Numbering(["f9.jpg", "f10.jpg"], missing=0, unused=2)
    both = [f"{stem}_{i:03d}.jpg" for i in range(3) for stem in ("img", "flow_x", "flow_y")]
    found = numbered_frames([*both, "img_003.jpg"])
    assert found == Numbering([f"img_{i:03d}.jpg" for i in range(4)], missing=0, unused=6)
    assert numbered_frames(["one1.jpg", "two2.jpg", ".f1.jpg", ".f2.jpg"]).names == []


@pytest.mark.parametrize(
    "name",
    ["{:04d}_rgb.jpg", "frame_{:03d}_of_030.jpg", "v2_c3_{}.png", "{}.JPG", "a-{:02d}-b.webp"],
)
def test_the_number_may_stand_anywhere(name: str) -> None:
    names = [name.format(number) for number in range(1, 12)]
    assert numbered_frames(reversed(names)) == Numbering(names, missing=0, unused=0)


def test_numbers_of_clips_are_not_numbers_of_frames() -> None:
    names = [f"clip{clip}_{number:03d}.jpg" for clip in range(3) for number in range(20)]
    found = numbered_frames(names)
    assert found == Numbering([f"clip0_{i:03d}.jpg" for i in range(20)], missing=0, unused=40)


def test_gaps_and_other_pictures_are_reported(
    tmp_path: Path, make_frames: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_frames(tmp_path / "video", frames=9, name="a_{:03d}.jpg")
    report_numbering(folder)
    assert caplog.text == ""
    (folder / "a_004.jpg").unlink()
    make_frames(folder, frames=3, name="b_{:03d}.jpg")
    assert len(frame_paths(folder)) == 8
    report_numbering(folder)
    assert "3 of 11 pictures are not used; each clip needs a folder of its own" in caplog.text
    assert "1 frame numbers are missing" in caplog.text
