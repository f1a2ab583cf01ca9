"""The clips of a model come from its own files, and look as its processor would give them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.clips.reader import ClipReader
from slic.errors import CheckpointError, RecipeError
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.transformers import FAMILIES, TransformersBackbone
from slic.models.backbones.transformers.families import Family
from slic.models.backbones.transformers.native_clip import native_clip_of, token_grid, with_clip
from slic.models.backbones.transformers.positions import TokenGrid
from slic.models.encoder import to_input
from slic.videos.inspection import inspect_video

transformers = pytest.importorskip("transformers")
Saved = Callable[[str], Path]

RATES: dict[str, dict[str, Any]] = {
    "vjepa2": {"fps": 4.0},
    "videomae": {"stride": 4},
    "timesformer": {"stride": 32},
    "vivit": {"stride": 2},
    "videoprism_vision_model": {"fps": 1.0},  # 4 frames in 4 seconds
    "videoprism": {"fps": 1.0},
    "xclip": {"fps": 1.0},
    "clip": {"fps": 2.0},  # 8 frames in 4 seconds
    "siglip": {"fps": 2.0},
}


def processor_of(family: str, folder: Path) -> Callable[[np.ndarray], torch.Tensor]:
    """Return the library's processor as a function of frames ``t h w 3``, giving ``t 3 h w``."""
    if family in {"xclip", "clip", "siglip"}:
        images = transformers.AutoImageProcessor.from_pretrained(folder)
        return lambda frames: images(list(frames), return_tensors="pt").pixel_values.view(
            len(frames), 3, 32, 32
        )
    videos = transformers.AutoVideoProcessor.from_pretrained(folder)
    name = videos.model_input_names[0]
    return lambda frames: videos(
        torch.from_numpy(frames).permute(0, 3, 1, 2), return_tensors="pt", do_sample_frames=False
    )[name][0]


def differences(family: str, folder: Path, video: Path) -> torch.Tensor:
    """Return |ours - theirs| of one clip, in units of the pixel range."""
    clip = TransformersBackbone.native_clip(model=str(folder))
    opened = inspect_video(video, video.name)
    reader = ClipReader(frames=4, stride=1, size=clip.size, resize=clip.resize)
    (frames,) = reader.read(opened, [np.arange(4)])
    pixels = torch.from_numpy(reader.centred(frames, "rgb"))[None]
    mean, std = (torch.tensor(x).view(3, 1, 1, 1) for x in (clip.mean, clip.std))
    ours = (0.5 * to_input(pixels) + 0.5 - mean) / std  # as VideoEncoder does
    raw = ClipReader(frames=4, stride=1, size=32, resize=(opened.width, opened.height))
    theirs = processor_of(family, folder)(raw.read(opened, [np.arange(4)])[0])
    return ((ours[0].transpose(0, 1) - theirs) * std.view(3, 1, 1)).abs()


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_and_rate_are_those_of_the_model(family: str, saved: Saved) -> None:
    clip = TransformersBackbone.native_clip(model=str(saved(family)))
    frames = 8 if family in {"clip", "siglip"} else 4
    squeezed = family in {"siglip", "videoprism", "videoprism_vision_model"}
    resize = (32, 32) if squeezed else 36
    wanted = ClipSpec(
        frames=frames, size=32, resize=resize, mean=clip.mean, std=clip.std, **RATES[family]
    )
    assert clip == wanted


@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_equal_the_processor_s_where_nothing_is_resized(
    family: str, saved: Saved, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    squeezed = family in {"siglip", "videoprism", "videoprism_vision_model"}
    video = make_video(tmp_path / "v.mp4", frames=8, size=(32, 32) if squeezed else (64, 36))
    assert differences(family, saved(family), video).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_are_near_the_processor_s_where_frames_are_resized(
    family: str, saved: Saved, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    """OpenCV averages areas; the library interpolates with an antialiasing filter."""
    video = make_video(tmp_path / "v.mp4", frames=8, size=(320, 180))
    found = differences(family, saved(family), video)
    assert found.mean() < 0.006  # of the range of pixels, at a fifth of the size
    assert found.max() < 0.1


def config_of(family: str, saved: Saved) -> tuple[Family, Any]:
    known = FAMILIES[family]
    library_class = getattr(transformers, known.network).config_class
    return known, library_class.from_pretrained(saved(family))


def clip_with(family: str, saved: Saved, **processor: Any) -> ClipSpec:
    known, config = config_of(family, saved)
    return native_clip_of(known, config, processor, model="m")


def test_a_rate_that_the_processor_states_is_taken(saved: Saved) -> None:
    clip = clip_with("videomae", saved, fps=2, image_mean=[0, 0, 0], image_std=[1, 1, 1])
    assert (clip.fps, clip.stride) == (2.0, 1)


def test_both_kinds_of_files_of_vivit_mean_the_same(saved: Saved, tmp_path: Path) -> None:
    """The image processor says that it subtracts 1, the video processor does it unsaid."""
    for name in ("VivitImageProcessor", "VivitVideoProcessor"):
        getattr(transformers, name)().save_pretrained(tmp_path / name)
    old = json.loads((tmp_path / "VivitImageProcessor/preprocessor_config.json").read_text())
    new = json.loads((tmp_path / "VivitVideoProcessor/video_preprocessor_config.json").read_text())
    assert clip_with("vivit", saved, **old) == clip_with("vivit", saved, **new)


def test_pixels_may_stay_in_0_to_255(saved: Saved) -> None:
    clip = clip_with("clip", saved, do_rescale=False, do_normalize=False)
    assert clip.mean == (0.0, 0.0, 0.0)
    assert clip.std == (1 / 255,) * 3


@pytest.mark.parametrize(
    ("size", "resize"),
    [
        (None, 32),
        (40, 40),
        ({"shortest_edge": 48}, 48),
        ({"shortest_edge": 16}, 32),  # frames are never smaller than the clip
        ({"height": 36, "width": 48}, (48, 36)),
    ],
)
def test_what_frames_are_resized_to(size: Any, resize: Any, saved: Saved) -> None:
    assert clip_with("clip", saved, size=size, do_normalize=False).resize == resize


def test_a_processor_without_mean_is_refused(saved: Saved) -> None:
    with pytest.raises(CheckpointError, match="m: its processor file has no image_mean"):
        clip_with("clip", saved, size=32)


def test_the_network_s_own_size_may_leave_a_rest() -> None:
    vision = {"image_size": 30, "patch_size": 8, "hidden_size": 32, "num_attention_heads": 4}
    config = transformers.SiglipConfig(vision_config=vision)
    assert token_grid(config, frames=8, size=30, model="m") == TokenGrid(8, 3)
    assert token_grid(config, frames=3, size=64, model="m") == TokenGrid(3, 8)
    with pytest.raises(RecipeError, match=r"clip.size is 31, .* a multiple of 8"):
        token_grid(config, frames=8, size=31, model="m")


def test_frames_that_are_not_square_are_refused() -> None:
    config = transformers.VideoMAEConfig(image_size=(32, 48))
    with pytest.raises(RecipeError, match=r"image_size is .*32, 48.*, but it must be a square"):
        native_clip_of(FAMILIES["videomae"], config, {"do_normalize": False}, model="m")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_configuration_for_other_clips_is_a_copy(family: str, saved: Saved) -> None:
    _, config = config_of(family, saved)
    before = config.to_dict()
    changed = with_clip(config, frames=6, size=48)
    assert config.to_dict() == before
    wanted = TokenGrid(3 if family in {"vjepa2", "videomae", "vivit"} else 6, 6)
    assert token_grid(changed, frames=6, size=48, model="m") == wanted
