"""Extracted flow images are read in the layout of the authors' tools."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from slic.clips.extracted_flow import ExtractedFlow
from slic.errors import CatalogError, VideoError
from slic.videos.video import Video

SIZE = (40, 30)  # clips are read at
VIDEO = Video(id="Run/v_1.avi", path=Path("v_1.avi"), frames=9, fps=25.0, width=80, height=90)


def extract(folder: Path, *, count: int, component: str = "u", size: tuple[int, int]) -> None:
    """Write pictures whose level grows: picture k has 100 + 3 k."""
    folder.mkdir(parents=True)
    for k in range(1, count + 1):
        level = 100 + 3 * k if component == "u" else 200 - 3 * k
        picture = np.full((size[1], size[0]), level, np.uint8)
        cv2.imwrite(str(folder / f"frame{k:06d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])


def plain(i: int, component: str) -> float:
    """Return the motion of frame i (from 0) in pixels of `SIZE`, by the definition."""
    k = min(i, 7) + 1
    level = 100 + 3 * k if component == "u" else 200 - 3 * k
    pixels = -20 + 40 * level / 255
    return pixels * (SIZE[0] / 80 if component == "u" else SIZE[1] / 90)


@pytest.mark.parametrize("name", ["v_1", "Run/v_1", "v_1.avi", "Run/v_1.avi"])
def test_motion_is_in_pixels_of_the_clip(tmp_path: Path, name: str) -> None:
    for component in ("u", "v"):
        extract(tmp_path / component / name, count=8, component=component, size=(80, 90))
    flow = ExtractedFlow(tmp_path, size=SIZE, vertical=True)
    flow.check([VIDEO])
    span = np.array([0, 3, 6, 8])  # the last frame has no picture: the one before stands for it
    read = flow.read(VIDEO, span)
    assert read is not None
    expected = [[plain(i, "u"), plain(i, "v")] for i in span.tolist()]
    assert_allclose(read.mean(axis=(1, 2)), expected, atol=0.05)
    assert read.shape == (4, 30, 40, 2)


def test_horizontal_flow_needs_no_vertical_pictures(tmp_path: Path) -> None:
    extract(tmp_path / "u" / "v_1", count=8, size=(80, 90))
    read = ExtractedFlow(tmp_path, size=SIZE, vertical=False).read(VIDEO, np.arange(2))
    assert read is not None
    assert not read[..., 1].any()
    with pytest.raises(CatalogError, match=r"1 of 1 videos .* \(no v/v_1/frame000001\.jpg\)"):
        ExtractedFlow(tmp_path, size=SIZE, vertical=True).check([VIDEO])


def test_two_videos_do_not_share_flow(tmp_path: Path) -> None:
    extract(tmp_path / "u" / "v_1", count=8, size=(80, 90))
    both = [VIDEO, replace(VIDEO, id="Walk/v_1.avi")]
    flow = ExtractedFlow(tmp_path, size=SIZE, vertical=False)
    with pytest.raises(CatalogError, match=r"of both Run/v_1\.avi and Walk/v_1\.avi\. .*u/Run/v_1"):
        flow.check(both)
    extract(tmp_path / "u" / "Walk" / "v_1", count=8, size=(80, 90))
    flow.check(both)


def test_flow_that_was_not_extracted_to_its_end_is_named(tmp_path: Path) -> None:
    extract(tmp_path / "u" / "v_1", count=7, size=(80, 90))
    flow = ExtractedFlow(tmp_path, size=SIZE, vertical=False)
    with pytest.raises(CatalogError, match=r"u/v_1: has 7 flow images for the 9 frames of Run/"):
        flow.check([VIDEO])


def test_flow_with_a_gap_is_named(tmp_path: Path) -> None:
    extract(tmp_path / "u" / "v_1", count=9, size=(80, 90))
    (tmp_path / "u" / "v_1" / "frame000003.jpg").unlink()
    with pytest.raises(CatalogError, match=r"v_1: has 8 flow images numbered 1 to 9, so some"):
        ExtractedFlow(tmp_path, size=SIZE, vertical=False).check([VIDEO])


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    extract(tmp_path / "u" / "v_1", count=8, size=(80, 90))
    (tmp_path / "u" / "v_1" / "frame000002.jpg").write_bytes(b"")
    with pytest.raises(VideoError, match=r"frame000002\.jpg: .* cannot be decoded"):
        ExtractedFlow(tmp_path, size=SIZE, vertical=False).read(VIDEO, np.arange(3))
