"""What lasting work does about videos that are not there any more when their turn comes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from slic.clips.flow_cache import FlowCache
from slic.videos.catalog import Catalog
from slic.videos.preparing import Work, estimate, prepare_all, remove_leftovers
from slic.videos.proxies import Proxies


@pytest.fixture
def catalog(tmp_path: Path, make_video: Callable[..., Path]) -> Catalog:
    """Return two files and two folders of frames, of which one each is removed after the scan."""
    root = tmp_path / "videos"
    for name in ("gone", "here"):
        make_video(root / f"{name}.mp4", frames=8, size=(64, 48))
        (root / f"{name} in pictures").mkdir()
        for number in range(8):
            picture = np.full((48, 64, 3), 20 * number, np.uint8)
            cv2.imwrite(str(root / f"{name} in pictures" / f"{number}.png"), picture)
    catalog = Catalog.from_folder(root, progress=False)
    (root / "gone.mp4").unlink()
    shutil.rmtree(root / "gone in pictures")
    return catalog


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: FlowCache(folder, method="dis", size=(43, 32), stride=1),
        lambda folder: Proxies(folder, short_side=32),
    ],
)
def test_videos_that_are_gone_are_named_and_the_rest_is_done(
    catalog: Catalog, tmp_path: Path, make: Callable[[Path], Work]
) -> None:
    work = make(tmp_path / "made")
    assert not any(work.holds(video) for video in catalog)
    assert estimate(work, catalog.videos) > 0
    done = prepare_all(work, catalog.videos, workers=1, progress=False)
    assert {refused.id for refused in done.refused} == {"gone.mp4", "gone in pictures"}
    assert [v.id for v in catalog if work.holds(v)] == ["here in pictures", "here.mp4"]
    (catalog.root / "gone in pictures").mkdir()  # there again, but empty
    assert [v.id for v in catalog if work.holds(v)] == ["here in pictures", "here.mp4"]
    remove_leftovers(work, catalog.videos)
    again = prepare_all(work, catalog.videos, workers=1, progress=False)
    assert [refused.id for refused in again.refused] == [refused.id for refused in done.refused]
