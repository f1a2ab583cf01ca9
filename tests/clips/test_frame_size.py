"""The sizes of frames against torchvision's resizing, and whole clips against its transforms."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slic.clips.clip_dataset import ClipDataset
from slic.clips.frame_size import MAX_ASPECT_RATIO, fixed_frame_size, frame_size
from slic.clips.reader import ClipReader
from slic.models.backbones.torchvision import PUBLISHED
from slic.videos.catalog import Catalog
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

SIDES = st.integers(16, 400)


def video_of(width: int, height: int) -> Video:
    return Video(id="a.mp4", path=Path("a.mp4"), frames=9, fps=25.0, width=width, height=height)


@given(width=SIDES, height=SIDES, resize=st.integers(16, 300))
def test_the_shorter_side_is_resized_as_torchvision_does(
    width: int, height: int, resize: int
) -> None:
    transforms = pytest.importorskip("torchvision.transforms.functional")
    size = frame_size(video_of(width, height), size=16, resize=resize)
    if max(width, height) < MAX_ASPECT_RATIO * min(width, height):
        theirs = transforms.resize(torch.zeros(1, height, width), [resize], antialias=False)
        assert size == (theirs.shape[2], theirs.shape[1])
    else:
        assert sorted(size) == [resize, MAX_ASPECT_RATIO * resize]
        assert (size[0] > size[1]) == (width > height)


def test_other_rules_do_not_depend_on_the_video() -> None:
    for resize, expected in ((None, (171, 128)), ((171, 140), (171, 140))):
        assert fixed_frame_size(128, resize) == expected
        for video in (video_of(640, 360), video_of(360, 640)):
            assert frame_size(video, size=128, resize=resize) == expected
    assert fixed_frame_size(128, 140) is None


@pytest.fixture(scope="module", params=[(320, 240), (200, 356), (98, 56)], ids=str)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Return a folder of pictures, without loss: wide, upright, and smaller than it is read at."""
    width, height = request.param
    folder = tmp_path_factory.mktemp("pictures") / "clip"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        noise = cv2.GaussianBlur(rng.uniform(-1, 1, (height, width, 3)), (0, 0), 2.5)
        picture = np.clip(127 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number + 1:04d}.png"), picture)
    return inspect_video(folder, "clip")


def their_pixels(video: Video, weights: Any) -> np.ndarray:
    """Return the clip as torchvision's transforms give it, as pixels from 0 to 255."""
    frames = [
        np.asarray(cv2.imread(str(path)), np.uint8)[..., ::-1]
        for path in sorted(video.path.iterdir())
    ]
    transforms = weights.transforms()
    clip = transforms(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))
    mean, std = (torch.tensor(x).view(3, 1, 1, 1) for x in (transforms.mean, transforms.std))
    return np.asarray(((clip * std + mean) * 255).permute(1, 2, 3, 0))


@pytest.mark.parametrize("model", ["r3d_18", "s3d", "mvit_v2_s", "swin3d_t"])
def test_clips_are_those_of_the_transforms_of_torchvision(video: Video, model: str) -> None:
    models = pytest.importorskip("torchvision.models")
    clip = PUBLISHED[model].clip
    reader = ClipReader(frames=4, stride=1, size=clip.size, resize=clip.resize)
    (ours,) = ClipDataset(Catalog(root=video.path, videos=(video,)), reader, clips=1)[0].numpy()
    theirs = their_pixels(video, models.get_model_weights(model).DEFAULT)
    assert ours.shape == theirs.shape
    width, height = reader.frame_size(video)
    # torchvision rounds half a pixel to the even side, so its square may be one pixel further
    right = round((width - clip.size) / 2) - (width - clip.size) // 2
    down = round((height - clip.size) / 2) - (height - clip.size) // 2
    assert right in (0, 1)
    assert down in (0, 1)
    end = clip.size
    ours = ours[:, down:, right:]
    error = np.abs(ours.astype(float) - theirs[:, : end - down, : end - right])
    assert error.max() <= 1.5  # grey levels: rounding once here, never there
