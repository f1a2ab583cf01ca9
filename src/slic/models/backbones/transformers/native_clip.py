"""The clips that the published weights of a model take, from its configuration and processor."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from slic.arguments import require
from slic.errors import CheckpointError
from slic.models.backbones.base import ClipSpec, Resize, Rgb
from slic.models.backbones.transformers.families import Family
from slic.models.backbones.transformers.positions import TokenGrid

IMAGE_MODEL_FRAMES = 8
"""Frames of a clip of a model that takes single pictures, such as CLIP."""


def vision_config(config: Any) -> Any:
    """Return the part of a configuration that describes the video or image tower."""
    return getattr(config, "vision_config", config)


def native_clip_of(
    family: Family, config: Any, processor: Mapping[str, Any], *, model: str
) -> ClipSpec:
    """Return the clips of a model: frames and size of its network, rest of its processor.

    Args:
        family: Its family, which has the default rate.
        config: Its configuration, an object of the library.
        processor: The settings of its processor.
        model: Hub id or folder, for messages.

    Raises:
        CheckpointError: The processor lacks mean or standard deviation.
        RecipeError: The frames are not square.
    """
    frames, size = network_frames(config), network_size(config)
    mean, std = _normalisation(processor, model)
    return ClipSpec(
        frames=frames, size=size, resize=_resize(processor.get("size"), size=size), mean=mean,
        std=std, **_rate(family, processor, frames),
    )  # fmt: skip


def network_frames(config: Any) -> int:
    """Return the number of frames of the clips that a network was trained with."""
    vision = vision_config(config)
    frames = getattr(vision, "frames_per_clip", getattr(vision, "num_frames", IMAGE_MODEL_FRAMES))
    return int(frames)


def network_size(config: Any) -> int:
    """Return height and width of the clips that a network was trained with, in pixels.

    Raises:
        RecipeError: They differ.
    """
    vision = vision_config(config)
    return _square(getattr(vision, "crop_size", getattr(vision, "image_size", None)), "image_size")


def with_clip(config: Any, *, frames: int, size: int) -> Any:
    """Return a copy of a configuration whose network takes other frames and another size."""
    config = deepcopy(config)
    vision = vision_config(config)
    for name, value in {
        "frames_per_clip": frames, "num_frames": frames, "crop_size": size, "image_size": size,
    }.items():  # fmt: skip
        if hasattr(vision, name):
            setattr(vision, name, value)
    return config


def token_grid(config: Any, *, frames: int, size: int, model: str) -> TokenGrid:
    """Return the number of tokens along time and along a side of a clip.

    Raises:
        RecipeError: Frames or size are not a multiple of a patch's. What the network was trained
            with may have a rest, which it leaves out.
    """
    vision = vision_config(config)
    patch: Any = getattr(vision, "tubelet_size", 1)
    if not _is_list(patch):  # frames only; otherwise frames, rows and columns
        patch = [patch, getattr(vision, "patch_size", None)]
    time, side = int(patch[0]), _square(patch[-1], "patch_size")
    fits = frames % time == 0 or frames == network_frames(config)
    require(fits, "clip.frames", frames, f"a multiple of {time}, the frames of a patch of {model}")
    fits = size % side == 0 or size == network_size(config)
    require(fits, "clip.size", size, f"a multiple of {side}, the pixels of a patch of {model}")
    return TokenGrid(frames // time, size // side)


def _rate(family: Family, processor: Mapping[str, Any], frames: int) -> dict[str, Any]:
    if processor.get("fps"):
        return {"fps": float(processor["fps"])}
    if "seconds" in family.rate:
        return {"fps": frames / family.rate["seconds"]}
    return dict(family.rate)


def _normalisation(processor: Mapping[str, Any], model: str) -> tuple[Rgb, Rgb]:
    """Return mean and standard deviation of pixels in [0, 1].

    A processor computes ``(pixel * rescale_factor - offset - mean) / std`` of pixels in 0..255.
    """
    mean: Any = [0.0] * 3
    std: Any = [1.0] * 3
    if processor.get("do_normalize", True):
        mean, std = processor.get("image_mean"), processor.get("image_std")
        if not (_is_list(mean) and _is_list(std) and len(mean) == len(std) == 3):
            raise CheckpointError(f"{model}: its processor file has no image_mean and image_std.")
    factor = processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 1.0
    kind = processor.get("video_processor_type") or processor.get("image_processor_type") or ""
    # both processors of ViViT subtract 1; that of videos does not say so
    offset = float(processor.get("offset", kind.startswith("Vivit")))
    scale = 255 * factor
    r, g, b = ((offset + m) / scale for m in mean)
    sr, sg, sb = (s / scale for s in std)
    return (r, g, b), (sr, sg, sb)


def _resize(wanted: Any, *, size: int) -> Resize:
    """Return what a processor resizes frames to; where it squeezes them, width and height."""
    if isinstance(wanted, Mapping) and "height" in wanted and "width" in wanted:
        return max(size, wanted["width"]), max(size, wanted["height"])
    shorter = wanted.get("shortest_edge") if isinstance(wanted, Mapping) else wanted
    return max(size, int(shorter or size))


def _square(value: Any, name: str) -> int:
    sides = list(value) if _is_list(value) else [value]
    require(len(set(sides)) == 1 and bool(sides[0]), name, value, "a square")
    return int(sides[0])


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
