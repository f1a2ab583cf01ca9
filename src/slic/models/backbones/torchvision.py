"""Video networks of torchvision, with its weights learnt on Kinetics-400."""

import difflib
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slic.arguments import require
from slic.errors import CheckpointError, RecipeError
from slic.lookup import require_extra
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.r3d import Conv3d
from slic.models.backbones.torchvision_networks import FAMILIES
from slic.models.recompute import recompute
from slic.models.weights import load_exactly

TokenPool = Literal["mean", "cls"]


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """What torchvision says about a network's weights.

    It is written down here so that it can be listed where torchvision is not installed; a test
    compares it with torchvision.

    Attributes:
        clip: The clips of its evaluation: frames and rate as the weights' description states them,
            sizes and normalisation as their transforms do.
        parameters: Number of parameters of the network without its classifier.
        names: Names of the weights, the default first.
    """

    clip: ClipSpec
    parameters: int
    names: tuple[str, ...] = ("KINETICS400_V1",)


_KINETICS_MEAN, _KINETICS_STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RESNET_CLIP = ClipSpec(
    frames=16, fps=15.0, size=112, resize=(171, 128), mean=_KINETICS_MEAN, std=_KINETICS_STD
)
_S3D_CLIP = ClipSpec(
    frames=128, fps=15.0, size=224, resize=(256, 256), mean=_KINETICS_MEAN, std=_KINETICS_STD
)
_MVIT_CLIP = ClipSpec(
    frames=16, fps=7.5, size=224, resize=256, mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225)
)
_SWIN_CLIP = ClipSpec(
    frames=32, fps=15.0, size=224, resize=256, mean=_IMAGENET_MEAN, std=_IMAGENET_STD
)
PUBLISHED: dict[str, PublishedWeights] = {
    "r3d_18": PublishedWeights(clip=_RESNET_CLIP, parameters=33_166_272),
    "mc3_18": PublishedWeights(clip=_RESNET_CLIP, parameters=11_490_240),
    "r2plus1d_18": PublishedWeights(clip=_RESNET_CLIP, parameters=31_300_125),
    "s3d": PublishedWeights(clip=_S3D_CLIP, parameters=7_910_048),
    "mvit_v2_s": PublishedWeights(clip=_MVIT_CLIP, parameters=34_230_144),
    "swin3d_t": PublishedWeights(clip=_SWIN_CLIP, parameters=27_850_470),
}


class TorchvisionBackbone(nn.Module):
    """A video network of torchvision up to its classifier, which is left out.

    Clips may have another length and size than those of the weights. Convolutions take any. MViT
    interpolates its tables of relative positions, as torchvision does. Swin's windows have a fixed
    size; smaller feature maps use a part of their tables (`WindowAttention3d`).

    Args:
        clip: The clips that it takes.
        model: Name of the network in torchvision, a key of `PUBLISHED`.
        pool: How MViT's tokens become one vector: ``"cls"`` takes the class token, ``"mean"`` the
            mean of the other tokens. All other networks take the mean. None takes what torchvision
            does.

    Raises:
        RecipeError: There is no such network, it has no class token, or the clips are too small.
        SlicError: torchvision is not installed.

    Example:
        >>> backbone = TorchvisionBackbone(ClipSpec(), model="r3d_18")
        >>> backbone.load_pretrained("KINETICS400_V1")
    """

    version: int = 1
    modalities: tuple[str, ...] = ("rgb", "flow")
    extra: ClassVar[str] = "torchvision"
    licence: ClassVar[str] = "BSD-3-Clause, weights also under the terms of Kinetics-400"

    def __init__(self, clip: ClipSpec, *, model: str, pool: TokenPool | None = None) -> None:
        super().__init__()
        known = ", ".join(FAMILIES)
        require(model in FAMILIES, "model", model, f"a network of torchvision: {known}")
        self.family = FAMILIES[model]
        if pool == "cls" and not self.family.has_class_token:
            raise RecipeError(
                f"pool is 'cls', but {model} has no class token; take 'mean' or null."
            )
        frames, size = self.family.smallest
        require(clip.frames >= frames, "clip.frames", clip.frames, f"at least {frames} for {model}")
        require(clip.size >= size, "clip.size", clip.size, f"at least {size} for {model}")
        self.clip, self.model, self.pool = clip, model, pool
        self.net = _build_network(model)
        self.feature_size = _remove_classifier(self.net, self.family.classifier)
        self._recomputes = False

    @staticmethod
    def native_clip(model: str) -> ClipSpec:
        """Return the clips that torchvision evaluates a network's weights with."""
        return PUBLISHED[model].clip

    @staticmethod
    def published(model: str) -> PublishedWeights:
        """Return what torchvision says about a network's weights."""
        return PUBLISHED[model]

    @property
    def blocks(self) -> list[nn.Module]:
        """The modules from input to output; together they have all weights."""
        return self.family.blocks(self.net)

    def gradient_checkpointing(self, enabled: bool) -> None:
        """Compute the activations of each block again in the backward pass, or keep them."""
        self._recomputes = enabled

    def forward(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b f"]:
        """Return one feature vector per clip."""
        features = self.family.features(self.net, clips, recompute if self._recomputes else _call)
        if not self.family.has_class_token:
            return features
        return features[:, 1:].mean(dim=1) if self.pool == "mean" else features[:, 0]

    def load_pretrained(self, weights: str) -> None:
        """Load weights of torchvision; torch downloads them unless they are in its cache.

        Args:
            weights: ``"pretrained"`` for the default ones, or their name, such as
                ``"KINETICS400_V1"``.

        Raises:
            CheckpointError: There are no such weights, they cannot be downloaded, or their file is
                damaged.
        """
        published = _published_weights(self.model, weights)
        file = Path(torch.hub.get_dir(), "checkpoints", Path(published.url).name)
        try:
            with redirect_stdout(sys.stderr):  # torch prints that it downloads
                state = published.get_state_dict(progress=True, check_hash=True, weights_only=True)
        except Exception as error:  # torch lets any kind of error out of a damaged file
            there = file.exists()
            reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
            advice = (
                "Delete the file to download it again."
                if there
                else f"With no network, download {published.url} elsewhere and put it there."
            )
            fault = "the weights cannot be read" if there else "the weights cannot be downloaded"
            raise CheckpointError(f"{file}: {fault} ({reason}). {advice}") from error
        self.load_weights(state, source=file)

    def load_weights(self, state: Mapping[str, Tensor], *, source: Path) -> None:
        """Load a state dict of torchvision's network; its classifier is left out.

        Args:
            state: The weights, with torchvision's names.
            source: The file that they come from, for the message.

        Raises:
            CheckpointError: They do not fit; the message names weights.
        """
        classifier = f"{self.family.classifier}."
        kept = {name: value for name, value in state.items() if not name.startswith(classifier)}
        load_exactly(self.net, kept, source=source)


def _build_network(model: str) -> nn.Module:
    """Return a network of torchvision with random weights, and with two modules exchanged."""
    networks = require_extra("torchvision.models", "torchvision", purpose=f"torchvision/{model}")
    from slic.models.backbones.swin_windows import WindowAttention3d

    network: nn.Module = networks.get_model(model, weights=None)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.__class__ = Conv3d  # the same numbers, without oneDNN's fault
        elif isinstance(module, WindowAttention3d.__base__):
            module.__class__ = WindowAttention3d
    return network


def _remove_classifier(network: nn.Module, name: str) -> int:
    """Put the identity in the place of the classifier, and return the length of its input."""
    layers = network.get_submodule(name).modules()
    (size,) = (
        layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
        for layer in layers
        if isinstance(layer, nn.Linear | nn.Conv3d)
    )
    setattr(network, name, nn.Identity())
    return size


def _published_weights(model: str, name: str) -> Any:
    """Return the entry of torchvision that a name of weights stands for."""
    known = require_extra("torchvision.models", "torchvision", purpose=f"torchvision/{model}")
    table = known.get_model_weights(model).__members__
    name = "DEFAULT" if name == "pretrained" else name
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name.upper(), table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise CheckpointError(
        f"unknown weights {name!r} of torchvision/{model}.{hint} Known: pretrained, "
        f"{', '.join(set(table) - {'DEFAULT'})}; or a file, or the folder of an encoder or a run."
    )


def _call(module: nn.Module, *inputs: Any) -> Any:
    return module(*inputs)
