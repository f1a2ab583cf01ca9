"""R3D: the 3D ResNet of the paper, with a width factor and a configurable stem."""

import math
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv3d, max_pool3d, pad, relu

from slic.arguments import require
from slic.models.backbones.base import ClipSpec, subtract_mean_frame
from slic.models.recompute import recompute

Depth = Literal[10, 18, 34, 50]
Shortcut = Literal["A", "B"]

BLOCKS_PER_LAYER: dict[int, tuple[int, int, int, int]] = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
}
LAYER_CHANNELS = (64, 128, 256, 512)
MAX_STEM_STRIDE = 16


class R3D(nn.Module):
    """3D ResNet up to and including the global average pool (Hara et al., CVPR 2018).

    The paper uses depth 18, shortcut B, a stem of stride (1, 2, 2) and no max-pool.

    Args:
        clip: The clips that it takes.
        depth: Number of layers. 10, 18 and 34 have basic blocks, 50 has bottlenecks.
        width: Factor on the channels 64, 128, 256, 512 of the four stages.
        stem_stride: Stride of the 7x7x7 stem, in frames, rows and columns.
        max_pool: Whether a 3x3x3 max-pool of stride 2 follows the stem.
        shortcut: Shortcut of blocks that change the shape. ``"A"`` subsamples and appends zero
            channels, ``"B"`` is a 1x1x1 convolution.
        mean_frame_weight: Share of each clip's mean frame that the network sees, in [0, 1].
        input_channels: Number of channels of the clips.

    Raises:
        RecipeError: An argument is out of its range.
    """

    version: int = 1
    modalities: tuple[str, ...] = ("rgb", "flow")

    def __init__(
        self,
        clip: ClipSpec,
        *,
        depth: Depth = 18,
        width: float = 1.0,
        stem_stride: tuple[int, int, int] = (1, 2, 2),
        max_pool: bool = False,
        shortcut: Shortcut = "B",
        mean_frame_weight: float = 1.0,
        input_channels: int = 3,
    ) -> None:
        super().__init__()
        channels = _stage_channels(width)
        in_range = all(1 <= stride <= MAX_STEM_STRIDE for stride in stem_stride)
        require(in_range, "stem_stride", stem_stride, f"three numbers from 1 to {MAX_STEM_STRIDE}")
        require(0 <= mean_frame_weight <= 1, "mean_frame_weight", mean_frame_weight, "in [0, 1]")
        block = Bottleneck if depth >= 50 else BasicBlock
        self.clip = clip
        self._recomputes = False
        self.mean_frame_weight = mean_frame_weight
        self.conv1 = Conv3d(
            input_channels, channels[0], 7, stride=stem_stride, padding=3, bias=False
        )
        self.bn1 = nn.BatchNorm3d(channels[0])
        self.max_pool = max_pool
        self.feature_size = channels[0]
        for number, (out, blocks) in enumerate(
            zip(channels, BLOCKS_PER_LAYER[depth], strict=True), start=1
        ):
            stride = 1 if number == 1 else 2
            first = block(self.feature_size, out, stride=stride, shortcut=shortcut)
            self.feature_size = out * block.expansion
            rest = [
                block(self.feature_size, out, stride=1, shortcut=shortcut) for _ in range(1, blocks)
            ]
            self.add_module(f"layer{number}", nn.Sequential(first, *rest))
        self.apply(_initialise)

    @property
    def blocks(self) -> list[nn.Module]:
        """The stem and the residual blocks, from input to output."""
        layers = [self.get_submodule(f"layer{number}") for number in range(1, 5)]
        stem = nn.ModuleList([self.conv1, self.bn1])
        return [stem, *(block for layer in layers for block in layer.children())]

    def gradient_checkpointing(self, enabled: bool) -> None:
        """Compute the activations of each block again in the backward pass, or keep them."""
        self._recomputes = enabled

    def forward(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b f"]:
        """Return one feature vector per clip."""
        x = subtract_mean_frame(clips, weight=self.mean_frame_weight)
        x = relu(self.bn1(self.conv1(x)))
        if self.max_pool:
            x = max_pool3d(x, kernel_size=3, stride=2, padding=1)
        for block in self.blocks[1:]:
            x = recompute(block, x) if self._recomputes and x.requires_grad else block(x)
        return x.mean(dim=(2, 3, 4))


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions and a shortcut (He et al., CVPR 2016)."""

    expansion = 1

    def __init__(self, channels: int, out: int, *, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = Conv3d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(out)
        self.conv2 = Conv3d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(out)
        self.downsample = _shortcut(channels, out, stride, shortcut)

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c2 t2 h2 w2"]:
        """Return the output of the block; a stride of 2 halves frames, rows and columns."""
        y = relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """A 3x3x3 convolution between two 1x1x1 ones, and a shortcut."""

    expansion = 4

    def __init__(self, channels: int, out: int, *, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = Conv3d(channels, out, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(out)
        self.conv2 = Conv3d(out, out, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(out)
        self.conv3 = Conv3d(out, out * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out * self.expansion)
        self.downsample = _shortcut(channels, out * self.expansion, stride, shortcut)

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c2 t2 h2 w2"]:
        """Return the output of the block; a stride of 2 halves frames, rows and columns."""
        y = relu(self.bn1(self.conv1(x)))
        y = relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return relu(y + self.downsample(x))


class Conv3d(nn.Conv3d):
    """`nn.Conv3d` that avoids a fault of oneDNN on the CPU; the numbers are the same.

    Where a kernel spans all frames, oneDNN 3.12 (PyTorch 2.13 and 2.14) computes wrong weight
    gradients and reads, or even writes, memory outside the tensor. It happens in bf16 with 3x3x3
    kernels on two frames and 7x7x7 on two to six, and in fp32 with 7x7x7 of stride 2 on five to
    seven frames. A stride of 2 on a single row or column does the same in bf16
    (docs/performance.md). Padding the input beforehand, instead of inside the kernel, avoids it.
    """

    padding: tuple[int, int, int]  # nn.Conv3d also allows a string

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c2 t2 h2 w2"]:
        """Return the convolution of ``x``."""
        axes = zip(x.shape[2:], self.kernel_size, self.stride, self.padding, strict=True)
        (frames, kernel, stride, padding), *sides = axes
        t = padding if stride < frames <= kernel else 0
        h, w = (p if side <= p and step > 1 else 0 for side, _, step, p in sides)
        if not t + h + w:
            return super().forward(x)
        x = pad(x, (w, w, h, h, t, t))
        left = [p - zeros for p, zeros in zip(self.padding, (t, h, w), strict=True)]
        return conv3d(x, self.weight, self.bias, self.stride, left, self.dilation, self.groups)


class SubsampleAndPad(nn.Module):
    """Shortcut A: subsample by ``stride`` and append zero channels up to ``out``."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.extra_channels, self.stride = out - channels, stride

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c2 t2 h2 w2"]:
        """Return ``x`` in the shape of the output of the block."""
        x = x[:, :, :: self.stride, :: self.stride, :: self.stride]
        return pad(x, (0, 0, 0, 0, 0, 0, 0, self.extra_channels))


def _stage_channels(width: float) -> list[int]:
    """Return the channels of the four stages for a width factor."""
    channels = [int(c * width) for c in LAYER_CHANNELS] if 0 < width < math.inf else [0]
    require(channels[0] >= 1, "width", width, "large enough for one channel in the first stage")
    return channels


def _shortcut(channels: int, out: int, stride: int, kind: Shortcut) -> nn.Module:
    if stride == 1 and channels == out:
        return nn.Identity()
    if kind == "A":
        return SubsampleAndPad(channels, out, stride)
    return nn.Sequential(Conv3d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm3d(out))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm3d):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
