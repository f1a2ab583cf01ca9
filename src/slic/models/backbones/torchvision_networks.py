"""How each family of torchvision's video networks turns clips into features, and its blocks."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.functional import avg_pool3d

Run = Callable[..., Any]
"""Calls a module with its inputs: plainly, or without keeping activations."""


class Family(NamedTuple):
    """What differs between the families.

    Attributes:
        classifier: Name of the classifier in the network, which features leave out.
        features: Turns clips (b, 3, t, h, w) into the classifier's input (b, f) or, where there is
            a class token, into tokens (b, n, f), the class token first.
        blocks: Lists the modules from input to output.
        has_class_token: Whether there is one.
        smallest: Smallest number of frames, and of pixels of a side, that the strides leave over.
    """

    classifier: str
    features: Callable[[Any, Tensor, Run], Tensor]
    blocks: Callable[[Any], list[nn.Module]]
    has_class_token: bool = False
    smallest: tuple[int, int] = (1, 1)


def _resnet_features(net: Any, clips: Tensor, run: Run) -> Tensor:
    x = clips
    for block in _resnet_blocks(net):
        x = run(block, x)
    pooled: Tensor = net.avgpool(x).flatten(1)
    return pooled


def _resnet_blocks(net: Any) -> list[nn.Module]:
    return [net.stem, *net.layer1, *net.layer2, *net.layer3, *net.layer4]


def _s3d_features(net: Any, clips: Tensor, run: Run) -> Tensor:
    x = clips
    for layer in net.features:
        x = run(layer, x)
    # torchvision's window is 2 x 7 x 7; clips below 16 frames or 224 pixels leave a smaller map
    window = [min(pair) for pair in zip(net.avgpool.kernel_size, x.shape[2:], strict=True)]
    return avg_pool3d(x, window, stride=1).mean(dim=(2, 3, 4))


def _s3d_blocks(net: Any) -> list[nn.Module]:
    return [layer for layer in net.features if not isinstance(layer, nn.MaxPool3d)]


def _mvit_features(net: Any, clips: Tensor, run: Run) -> Tensor:
    x = net.conv_proj(clips)
    shape = tuple(x.shape[2:])  # blocks interpolate their tables of relative positions to it
    x = net.pos_encoding(x.flatten(2).transpose(1, 2))
    for block in net.blocks:
        x, shape = run(block, x, shape)
    tokens: Tensor = net.norm(x)
    return tokens


def _mvit_blocks(net: Any) -> list[nn.Module]:
    first = nn.ModuleList([net.conv_proj, net.pos_encoding])
    return [first, *net.blocks[:-1], nn.ModuleList([net.blocks[-1], net.norm])]


def _swin_features(net: Any, clips: Tensor, run: Run) -> Tensor:
    x = net.pos_drop(net.patch_embed(clips))
    for layer in _swin_layers(net):
        x = run(layer, x)
    pooled: Tensor = net.avgpool(net.norm(x).permute(0, 4, 1, 2, 3)).flatten(1)
    return pooled


def _swin_layers(net: Any) -> list[nn.Module]:
    """List attention blocks and the mergers of patches between their stages."""
    parts = [stage if isinstance(stage, nn.Sequential) else [stage] for stage in net.features]
    return [layer for part in parts for layer in part]


def _swin_blocks(net: Any) -> list[nn.Module]:
    """Group each merger with the attention block after it, and the last norm with the last one."""
    groups: list[list[nn.Module]] = [[net.patch_embed]]
    merger: list[nn.Module] = []
    for stage in net.features:
        if not isinstance(stage, nn.Sequential):
            merger = [stage]
            continue
        groups += [[*merger, stage[0]], *([block] for block in stage[1:])]
    groups[-1].append(net.norm)
    return [_as_one(group) for group in groups]


def _as_one(modules: Sequence[nn.Module]) -> nn.Module:
    return modules[0] if len(modules) == 1 else nn.ModuleList(modules)


_RESNET = Family("fc", _resnet_features, _resnet_blocks)
FAMILIES: dict[str, Family] = {
    "r3d_18": _RESNET,
    "mc3_18": _RESNET,
    "r2plus1d_18": _RESNET,
    "s3d": Family("classifier", _s3d_features, _s3d_blocks, smallest=(5, 17)),
    "mvit_v2_s": Family("head", _mvit_features, _mvit_blocks, has_class_token=True),
    "swin3d_t": Family("head", _swin_features, _swin_blocks),
}
