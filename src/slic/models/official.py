"""Read checkpoints of the same network made elsewhere: by SLIC's authors, by 3D-ResNets-PyTorch."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from slic.errors import CheckpointError
from slic.models.backbones.r3d import BLOCKS_PER_LAYER, LAYER_CHANNELS
from slic.models.encoder import EncoderConfig, VideoEncoder, load_exactly

TrainedOn = Literal["ucf101", "kinetics400"]
Pixel = tuple[float, float, float]

HEAD_NAMES = {"fc1.": "projection.0.", "bn_proj.": "projection.1.", "fc2.": "projection.3."}
CLASSIFIER = ("backbone.fc.weight", "backbone.fc.bias")
NORMALISATION: dict[TrainedOn | None, tuple[Pixel, Pixel]] = {
    # mean and standard deviation of the pixels, 0..1, as those who trained on the set took them
    "ucf101": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "kinetics400": ((0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)),
    None: ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


class Imported(NamedTuple):
    """An encoder from elsewhere, and the names of its weights that an encoder has no place for."""

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
) -> Imported:
    """Return the encoder of a checkpoint, on the CPU and in evaluation mode.

    Two kinds of file are read, told apart by their weights: those of SLIC's authors, with the
    projection head; and those of 3D-ResNets-PyTorch (Hara et al., CVPR 2018), which have a
    classifier in its place. The classifier is left out and named, and the encoder has no head.

    Depth, width, shortcut and the head's sizes are read off the weights; what leaves no trace in
    them is an argument.

    Args:
        path: The file.
        trained_on: Gives the normalisation of pixels that the network was trained with; None
            means -1..1.
        stem_stride: Frames, rows and columns between the places of the stem.
        max_pool: Whether one follows the stem; None is no for the authors' files, else yes.
        frames: Frames of a clip.
        stride: Video frames from one frame of a clip to the next.
        size: Pixels of a clip's side; None is 128 for the authors' files, 112 for the others.

    Raises:
        CheckpointError: No such checkpoint, or weights that are not exactly such an encoder's.
    """
    path = Path(path)
    state = {_our_name(name): value for name, value in _read_state(path).items()}
    head = "projection.0.weight" in state
    left_out = () if head else tuple(name for name in CLASSIFIER if name in state)
    for name in left_out:
        del state[name]
    mean, std = NORMALISATION[trained_on]
    try:
        encoder = VideoEncoder(
            EncoderConfig(
                **_architecture(state, path, head=head),
                mean=mean,
                std=std,
                stem_stride=stem_stride,
                max_pool=not head if max_pool is None else max_pool,
                frames=frames,
                stride=stride,
                size=size or (128 if head else 112),
                view="both" if head else "rgb",
            )
        )
    except (ValueError, TypeError) as error:  # weights of sizes that no network has
        raise CheckpointError(f"{path}: no 3D ResNet has such weights ({error}).") from error
    load_exactly(encoder, state, source=path)
    return Imported(encoder.eval(), tuple(name.removeprefix("backbone.") for name in left_out))


def _read_state(path: Path) -> Mapping[str, Tensor]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file, torch's reader lets any kind of error out
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


def _our_name(name: str) -> str:
    """Return our name of a weight; many were saved from inside a DataParallel."""
    name = name.removeprefix("module.")
    for theirs, ours in HEAD_NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return f"backbone.{name}"


def _architecture(state: Mapping[str, Tensor], path: Path, *, head: bool) -> dict[str, Any]:
    """Read off the weights what the encoder's configuration needs."""
    blocks = tuple(
        len(
            {
                name
                for name in state
                if re.fullmatch(rf"backbone\.layer{n}\.\d+\.conv1\.weight", name)
            }
        )
        for n in range(1, 5)
    )
    bottleneck = "backbone.layer1.0.conv3.weight" in state
    depths = [d for d, b in BLOCKS_PER_LAYER.items() if b == blocks and (d >= 50) == bottleneck]
    if not depths or (head and "projection.3.weight" not in state):
        raise CheckpointError(
            f"{path}: not a 3D ResNet of depth 10, 18, 34 or 50, with a whole projection head or "
            f"none (blocks per layer {blocks})."
        )
    return {
        "backbone": f"r3d{depths[0]}",
        # the widest layer: channels are rounded down, and its rounding implies all others
        "width": len(state["backbone.layer4.0.conv1.weight"]) / LAYER_CHANNELS[-1],
        "shortcut": "B" if any(".downsample." in name for name in state) else "A",
        "hidden": len(state["projection.0.weight"]) if head else 0,
        "embedding": len(state["projection.3.weight"]) if head else 0,
    }
