"""Import checkpoints of the authors of SLIC and of 3D-ResNets-PyTorch."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from slic.errors import CheckpointError, RecipeError
from slic.models.backbones.base import ClipSpec, Rgb
from slic.models.backbones.r3d import BLOCKS_PER_LAYER, LAYER_CHANNELS
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.models.weights import load_exactly

TrainedOn = Literal["ucf101", "kinetics400"]
_HEAD_NAMES = {"fc1.": "head.0.", "bn_proj.": "head.1.", "fc2.": "head.3."}
_CLASSIFIER_NAMES = ("backbone.fc.weight", "backbone.fc.bias")
NORMALISATION: dict[TrainedOn | None, tuple[Rgb, Rgb]] = {
    # mean and standard deviation in [0, 1], as used by those who trained on the set
    "ucf101": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "kinetics400": ((0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)),
    None: ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


class ImportedEncoder(NamedTuple):
    """An encoder of a checkpoint, and what of the checkpoint it leaves out.

    Attributes:
        encoder: The encoder.
        left_out: Names of weights that an encoder does not have: those of a classifier.
    """

    encoder: VideoEncoder
    left_out: tuple[str, ...]


def load_official(
    path: str | Path,
    *,
    trained_on: TrainedOn | None = None,
    stem_stride: tuple[int, int, int] = (1, 2, 2),
    max_pool: bool | None = None,
    frames: int = 16,
    stride: int = 1,
    size: int | None = None,
) -> ImportedEncoder:
    """Return the encoder of a checkpoint, on the CPU and in evaluation mode.

    Two kinds of files are read: those of the authors of SLIC, with a projection head, and those of
    3D-ResNets-PyTorch (Hara et al., CVPR 2018), with a classifier. The classifier is left out, and
    the encoder has no head. Depth, width, shortcut and head sizes are inferred from the weights.

    Args:
        path: The checkpoint. Nothing in it is executed.
        trained_on: Data set whose pixel normalisation the network was trained with. None means
            clips in [-1, 1].
        stem_stride: Stride of the stem, in frames, rows and columns.
        max_pool: Whether a max-pool follows the stem. None means no for files of the authors of
            SLIC and yes for 3D-ResNets-PyTorch.
        frames: Number of frames of a clip.
        stride: Distance between two frames of a clip, in video frames.
        size: Height and width of a clip, in pixels. None means 128 for files of the authors of
            SLIC and 112 for 3D-ResNets-PyTorch.

    Raises:
        CheckpointError: The file cannot be read, or its weights are not those of such an encoder.
    """
    path = Path(path)
    state = {_encoder_name(name): value for name, value in _read_state(path).items()}
    has_head = "head.0.weight" in state
    left_out = () if has_head else tuple(name for name in _CLASSIFIER_NAMES if name in state)
    for name in left_out:
        del state[name]
    mean, std = NORMALISATION[trained_on]
    stem = {
        "stem_stride": stem_stride,
        "max_pool": not has_head if max_pool is None else max_pool,
    }
    try:
        config = EncoderConfig(
            backbone=f"slic/r3d{_depth(state, path, has_head=has_head)}",
            arguments=_backbone_arguments(state) | stem,
            head=_head_spec(state) if has_head else HeadSpec(hidden=0, embedding=0),
            clip=ClipSpec(
                frames=frames,
                stride=stride,
                size=size or (128 if has_head else 112),
                mean=mean,
                std=std,
            ),
            modalities=("rgb", "flow") if has_head else ("rgb",),
        )
        encoder = VideoEncoder(config)
    except (RecipeError, ValueError, TypeError) as error:  # sizes that no network has
        raise CheckpointError(f"{path}: no 3D ResNet has such weights ({error})") from error
    load_exactly(encoder, state, source=path)
    return ImportedEncoder(
        encoder.eval(), tuple(name.removeprefix("backbone.") for name in left_out)
    )


def _read_state(path: Path) -> Mapping[str, Tensor]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch lets any kind of error out of a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: no readable checkpoint ({reason}).") from error
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise CheckpointError(
            f"{path}: no `state_dict` of weights inside, so not a checkpoint of SLIC or "
            "3D-ResNets-PyTorch."
        )
    return state


def _encoder_name(name: str) -> str:
    """Return the name of a weight in a `VideoEncoder`."""
    name = name.removeprefix("module.")  # many files were saved from inside a DataParallel
    for theirs, ours in _HEAD_NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return f"backbone.{name}"


def _head_spec(state: Mapping[str, Tensor]) -> HeadSpec:
    return HeadSpec(hidden=len(state["head.0.weight"]), embedding=len(state["head.3.weight"]))


def _depth(state: Mapping[str, Tensor], path: Path, *, has_head: bool) -> int:
    """Infer the depth from the weights."""
    blocks = tuple(
        sum(bool(re.fullmatch(rf"backbone\.layer{n}\.\d+\.conv1\.weight", name)) for name in state)
        for n in range(1, 5)
    )
    bottleneck = "backbone.layer1.0.conv3.weight" in state
    depths = [d for d, b in BLOCKS_PER_LAYER.items() if b == blocks and (d >= 50) == bottleneck]
    if not depths or (has_head and "head.3.weight" not in state):
        raise CheckpointError(
            f"{path}: not a 3D ResNet of depth 10, 18, 34 or 50, with a whole projection head or "
            f"none (blocks per layer {blocks})."
        )
    return depths[0]


def _backbone_arguments(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Infer width and shortcut from the weights."""
    return {
        # channels are rounded down; the width of the widest layer gives all others
        "width": len(state["backbone.layer4.0.conv1.weight"]) / LAYER_CHANNELS[-1],
        "shortcut": "B" if any(".downsample." in name for name in state) else "A",
    }
