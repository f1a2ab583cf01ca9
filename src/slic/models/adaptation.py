"""Start an encoder from given weights, and train only part of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from slic.arguments import require
from slic.errors import CheckpointError, RecipeError
from slic.models.config import find_encoder_folder
from slic.models.encoder import VideoEncoder
from slic.models.official import load_official
from slic.models.weights import load_exactly

LayerGroups = list[nn.Parameter] | list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """The weights that training starts from.

    Attributes:
        weights: ``"random"``; ``"pretrained"`` or a name for the backbone's published weights; the
            folder of an encoder or of a run; or a file of weights. A file is one that the library
            of the backbone or the authors of SLIC saved.
        head: ``"new"`` draws a new projection head; ``"kept"`` takes that of the encoder.
    """

    weights: str = "random"
    head: Literal["new", "kept"] = "new"


@dataclass(frozen=True, kw_only=True)
class AdaptationOptions:
    """Which part of a backbone is trained, and how fast.

    Attributes:
        trained_blocks: Number of blocks, counted from the output, that are trained. The others keep
            their weights and running statistics. None trains all.
        layer_decay: Factor on the learning rate from each block to the one before it, in (0, 1].
            The head has the full rate (Bao et al., arXiv 2106.08254, appendix).
        gradient_checkpointing: Compute the activations of each block again in the backward pass. It
            saves memory and costs about a third more time.
    """

    trained_blocks: int | None = None
    layer_decay: float = 1.0
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        blocks = self.trained_blocks
        require(blocks is None or blocks >= 0, "trained_blocks", blocks, "at least 0, or null")
        require(0 < self.layer_decay <= 1, "layer_decay", self.layer_decay, "in (0, 1]")


def start_from(encoder: VideoEncoder, options: InitOptions) -> None:
    """Load weights into an encoder that was just built.

    Args:
        encoder: The encoder, with random weights.
        options: Which weights.

    Raises:
        CheckpointError: The weights cannot be read or do not fit.
        RecipeError: There are no such weights, or there is no head to keep.
    """
    weights, path = options.weights, Path(options.weights)
    if options.head == "kept" and not path.exists():
        raise RecipeError(f"init.head is 'kept', but {weights!r} is no encoder with a head.")
    if weights == "random":
        return
    if folder := find_encoder_folder(path):
        _take_over(encoder, VideoEncoder.from_pretrained(folder), folder, head=options.head)
    elif path.is_file():
        _load_file(encoder, path, head=options.head)
    elif hasattr(encoder.backbone, "load_pretrained"):
        encoder.backbone.load_pretrained(weights)
    else:
        raise RecipeError(
            f"init.weights is {weights!r}: there is no such file or encoder folder, and the "
            f"backbone {encoder.config.backbone!r} has no published weights. Name weights with "
            "--init, or train from random ones with another recipe, such as --recipe=paper-small."
        )


def adapt_only(encoder: VideoEncoder, options: AdaptationOptions) -> None:
    """Freeze all but the last blocks of the backbone, and save memory, as the options say.

    Raises:
        RecipeError: The backbone has no such blocks, or cannot compute activations again.
    """
    if options.trained_blocks is not None:
        blocks = _blocks(encoder)
        rule = f"at most {len(blocks)}, the number of blocks of {encoder.config.backbone!r}"
        fits = options.trained_blocks <= len(blocks)
        require(fits, "adaptation.trained_blocks", options.trained_blocks, rule)
        if options.trained_blocks < len(blocks):
            _freeze_but(encoder, blocks[len(blocks) - options.trained_blocks :])
    if options.gradient_checkpointing:
        if not hasattr(encoder.backbone, "gradient_checkpointing"):
            raise RecipeError(
                f"adaptation.gradient_checkpointing: {encoder.config.backbone!r} cannot do it; "
                "train.accumulate saves memory with any backbone."
            )
        encoder.backbone.gradient_checkpointing(True)


def layer_groups(encoder: VideoEncoder, layer_decay: float) -> LayerGroups:
    """Return the trained weights, in groups with a factor on the learning rate.

    Args:
        encoder: The encoder.
        layer_decay: Factor from each block to the one before it, see `AdaptationOptions`.

    Returns:
        The weights themselves where the factor is 1; otherwise groups for an optimizer, each with
        the key ``"scale"``.

    Raises:
        RecipeError: The backbone does not state its blocks.
    """
    if layer_decay == 1:
        return [weight for weight in encoder.parameters() if weight.requires_grad]
    blocks = _blocks(encoder)
    scales = {
        weight: layer_decay ** (len(blocks) - number)
        for number, block in enumerate(blocks)
        for weight in block.parameters()
    }
    groups: dict[float, list[nn.Parameter]] = {}
    for weight in encoder.backbone.parameters():  # type: ignore[attr-defined]
        groups.setdefault(scales.get(weight, layer_decay), []).append(weight)
    groups.setdefault(1.0, []).extend(encoder.head.parameters())
    trained = {scale: [w for w in weights if w.requires_grad] for scale, weights in groups.items()}
    return [{"params": weights, "scale": scale} for scale, weights in trained.items() if weights]


def _blocks(encoder: VideoEncoder) -> list[nn.Module]:
    blocks = getattr(encoder.backbone, "blocks", None)
    if not blocks:
        raise RecipeError(
            f"adaptation: the backbone {encoder.config.backbone!r} does not state its blocks; "
            "leave trained_blocks and layer_decay as they are."
        )
    return list(blocks)


def _take_over(encoder: VideoEncoder, source: VideoEncoder, path: Path, *, head: str) -> None:
    """Copy the weights of another encoder with the same backbone."""
    if source.config.backbone != encoder.config.backbone:
        raise CheckpointError(
            f"{path}: its backbone is {source.config.backbone!r}, not {encoder.config.backbone!r}. "
            "Leave the backbone out, so that it is taken from there."
        )
    load_exactly(encoder.backbone, source.backbone.state_dict(), source=path)  # type: ignore[arg-type,attr-defined]
    if hasattr(encoder.backbone, "load_files"):
        encoder.backbone.load_files(path)
    if head == "kept":
        if not source.has_head:
            raise CheckpointError(f"{path}: the encoder has no head to keep.")
        load_exactly(encoder.head, source.head.state_dict(), source=path)


def _load_file(encoder: VideoEncoder, path: Path, *, head: str) -> None:
    """Load a file of weights: one of the backbone's library, or one of SLIC's authors."""
    if encoder.config.backbone.startswith("slic/r3d"):
        _take_over(encoder, load_official(path).encoder, path, head=head)
    elif hasattr(encoder.backbone, "load_weights"):
        encoder.backbone.load_weights(_read_weights(path), source=path)
    else:
        raise CheckpointError(
            f"{path}: the backbone {encoder.config.backbone!r} reads no files of weights."
        )


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict; nothing in the file is executed."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch lets any kind of error out of a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path}: the weights cannot be read ({reason[:200]}).") from error
    while isinstance(state, dict) and (inner := state.get("state_dict", state.get("model"))):
        state = inner  # many checkpoints hold the weights beside other things
    if not (isinstance(state, dict) and all(isinstance(v, Tensor) for v in state.values())):
        raise CheckpointError(f"{path}: there is no state dict of weights inside.")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _freeze_but(encoder: VideoEncoder, blocks: list[nn.Module]) -> None:
    """Freeze the backbone but some blocks."""
    trained = {module for block in blocks for module in block.modules()}
    backbone: nn.Module = encoder.backbone  # type: ignore[assignment]
    encoder.freeze([m for m in backbone.modules() if trained.isdisjoint(m.modules())])
    weights = {weight for block in blocks for weight in block.parameters()}
    for weight in backbone.parameters():  # those outside any module that is frozen as a whole
        weight.requires_grad_(weight in weights)
