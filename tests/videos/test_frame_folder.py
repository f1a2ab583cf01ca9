"""Which pictures of a folder make which clips, and what is reported of the others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.videos.catalog import Catalog
from slic.videos.frame_folder import frame_paths, picture_clips
from slic.videos.frames import read_frames

MakeFrames = Callable[..., Path]


def test_frames_are_in_the_order_of_their_numbers() -> None:
    names = ["f10.jpg", "f9.jpg", "f9.txt", "x1.jpg", "cover.jpg"]
    assert picture_clips(names) == ({"f*.jpg": ["f9.jpg", "f10.jpg"]}, 2)
    assert picture_clips(["one1.jpg", "two2.jpg", ".f1.jpg", ".f2.jpg"]) == ({}, 2)


@pytest.mark.parametrize(
    "name",
    ["{:04d}_rgb.jpg", "frame_{:03d}_of_030.jpg", "v2_c3_{}.png", "{}.JPG", "a-{:02d}-b.webp"],
)
def test_the_number_may_stand_anywhere(name: str) -> None:
    names = [name.format(number) for number in range(1, 12)]
    assert [*picture_clips(reversed(names)).clips.values()] == [names]


def test_extracted_flow_is_no_clip() -> None:
    names = [f"{stem}_{i:03d}.jpg" for i in range(3) for stem in ("img", "flow_x", "flow_y")]
    images = [f"img_{i:03d}.jpg" for i in range(3)]
    assert picture_clips(names) == ({"img_*.jpg": images}, 6)
    mixed = [f"{stem}_{i}.jpg" for i in range(3) for stem in ("v_Run_g01", "w_Run_g01", "u")]
    assert [*picture_clips(mixed).clips] == ["v_Run_g01_*.jpg", "w_Run_g01_*.jpg"]
    alone = [f"flow_x_{i}.jpg" for i in range(3)]
    assert picture_clips(alone) == ({"flow_x_*.jpg": alone}, 0)


def test_several_clips_in_a_folder_are_several_videos(
    tmp_path: Path,
    make_frames: MakeFrames,
    shown_number: Callable[[np.ndarray], int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for stem, frames in (("run1", 5), ("run2", 7), ("wave", 3)):
        make_frames(tmp_path / "set", frames=frames, name=stem + "_{:03d}.jpg")
    make_frames(tmp_path / "set", frames=1, name="cover{}.png")
    make_frames(tmp_path / "alone", frames=4)
    catalog = Catalog.from_folder(tmp_path, progress=False, cache=False)
    assert [(video.id, video.frames) for video in catalog] == [
        ("alone", 4),
        ("set/run1_*.jpg", 5),
        ("set/run2_*.jpg", 7),
        ("set/wave_*.jpg", 3),
    ]
    assert [shown_number(frame) for frame in read_frames(catalog[2], [6, 0])] == [6, 0]
    assert "set: 1 pictures belong to no clip and are not used" in caplog.text
    assert catalog == Catalog.from_folder(tmp_path, progress=False, cache=True)
    assert catalog == Catalog.from_folder(tmp_path, progress=False, cache=True)


def test_gaps_are_reported(
    tmp_path: Path, make_frames: MakeFrames, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_frames(tmp_path / "set" / "video", frames=9, name="a_{:03d}.jpg")
    (folder / "a_004.jpg").unlink()
    (folder / "a_005.jpg").unlink()
    (video,) = Catalog.from_folder(tmp_path / "set", progress=False, cache=False)
    assert (video.frames, len(frame_paths(folder))) == (7, 7)
    assert "video: 2 frame numbers are missing" in caplog.text
