"""Read the checkpoints (.pth.tar) that the authors of SLIC published."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slic.encoders.encoder import EncoderConfig, VideoEncoder, load_exactly
from slic.encoders.r3d import BLOCKS_PER_LAYER, LAYER_CHANNELS
from slic.errors import CheckpointError

HEAD_NAMES = {"fc1.": "projection.0.", "bn_proj.": "projection.1.", "fc2.": "projection.3."}


def load_official(
    path: str | Path,
    *,
    stem_stride: tuple[int, int, int] = (1, 2, 2),
    max_pool: bool = False,
    frames: int = 16,
    stride: int = 1,
    size: int = 128,
) -> VideoEncoder:
    """Return the encoder of an authors' checkpoint, on the CPU and in evaluation mode.

    Depth, width, shortcut and the head's sizes are read off the weights. What leaves no trace in
    them is an argument with the paper's value as default: ``stem_stride``, ``max_pool``, and the
    ``frames``, ``stride`` and ``size`` of its clips.

    Raises:
        CheckpointError: No such checkpoint, or weights that are not exactly such an encoder's.
    """
    path = Path(path)
    state = {_our_name(name): value for name, value in _read_state(path).items()}
    config = EncoderConfig(
        **_architecture(state, path),
        stem_stride=stem_stride,
        max_pool=max_pool,
        frames=frames,
        stride=stride,
        size=size,
    )
    encoder = VideoEncoder(config)
    load_exactly(encoder, state, source=path)
    return encoder.eval()


def _read_state(path: Path) -> Mapping[str, Tensor]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: no readable checkpoint ({reason}).") from error
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(
            f"{path}: no `state_dict` inside, so not a checkpoint of the authors."
        )
    return state


def _our_name(name: str) -> str:
    """Return our name of an authors' weight; they trained in DistributedDataParallel."""
    name = name.removeprefix("module.")
    for theirs, ours in HEAD_NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return f"backbone.{name}"


def _architecture(state: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
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
    needed = ("projection.0.weight", "projection.3.weight")
    absent = [name for name in needed if name not in state]
    if not depths or absent:
        raise CheckpointError(
            f"{path}: not a 3D ResNet of depth 10, 18, 34 or 50 with a projection head "
            f"(blocks per layer {blocks}, missing: {', '.join(absent) or 'nothing'})."
        )
    return {
        "backbone": f"r3d{depths[0]}",
        # the widest layer: channels are rounded down, and its rounding implies all others
        "width": len(state["backbone.layer4.0.conv1.weight"]) / LAYER_CHANNELS[-1],
        "shortcut": "B" if any(".downsample." in name for name in state) else "A",
        "hidden": len(state["projection.0.weight"]),
        "embedding": len(state["projection.3.weight"]),
    }
