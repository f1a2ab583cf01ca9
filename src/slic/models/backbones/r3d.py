"""The paper's 3D ResNet (Hara et al., CVPR 2018) with a width factor and a chosen stem."""

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv3d, max_pool3d, pad, relu

Depth = Literal[10, 18, 34, 50]
Shortcut = Literal["A", "B"]

BLOCKS_PER_LAYER: dict[int, tuple[int, int, int, int]] = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
}
LAYER_CHANNELS = (64, 128, 256, 512)


class ResNet3D(nn.Module):
    """3D ResNet up to and including the global average pool.

    Args:
        depth: 10, 18 and 34 have basic blocks, 50 has bottlenecks.
        width: Factor on the channels 64, 128, 256, 512 of the four layers.
        inputs: Channels of the clips.
        stem_stride: Frames, rows and columns between the places of the 7x7x7 stem.
        max_pool: Whether a 3x3x3 max-pool of stride 2 follows the stem.
        shortcut: Where a block changes the shape: ``"A"`` subsamples and appends zero channels,
            ``"B"`` is a 1x1x1 convolution.
    """

    def __init__(
        self,
        depth: int,
        width: float = 1.0,
        *,
        inputs: int = 3,
        stem_stride: tuple[int, int, int] = (1, 2, 2),
        max_pool: bool = False,
        shortcut: Shortcut = "B",
    ) -> None:
        super().__init__()
        if depth not in BLOCKS_PER_LAYER:
            raise ValueError(f"depth={depth}: the depths are {get_args(Depth)}")
        block = Bottleneck if depth >= 50 else BasicBlock
        channels = [int(c * width) for c in LAYER_CHANNELS]
        if channels[0] < 1:
            raise ValueError(f"width={width}: the first layer would have no channels")
        self.conv1 = Conv3d(inputs, channels[0], 7, stride=stem_stride, padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(channels[0])
        self.max_pool = max_pool
        self.features = channels[0]
        for number, (out, blocks) in enumerate(
            zip(channels, BLOCKS_PER_LAYER[depth], strict=True), start=1
        ):
            first = block(self.features, out, stride=1 if number == 1 else 2, shortcut=shortcut)
            self.features = out * block.expansion
            rest = [
                block(self.features, out, stride=1, shortcut=shortcut) for _ in range(1, blocks)
            ]
            self.add_module(f"layer{number}", nn.Sequential(first, *rest))
        self.apply(_initialise)

    def forward(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b f"]:
        """Return one feature vector of ``self.features`` numbers per clip."""
        x = relu(self.bn1(self.conv1(clips)))
        if self.max_pool:
            x = max_pool3d(x, kernel_size=3, stride=2, padding=1)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return x.mean(dim=(2, 3, 4))


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, channels: int, out: int, *, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = Conv3d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(out)
        self.conv2 = Conv3d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(out)
        self.downsample = _shortcut(channels, out, stride, shortcut)

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c2 t2 h2 w2"]:
        """Return the block's output; a stride of 2 halves frames, rows and columns."""
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
        """Return the block's output; a stride of 2 halves frames, rows and columns."""
        y = relu(self.bn1(self.conv1(x)))
        y = relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return relu(y + self.downsample(x))


class Conv3d(nn.Conv3d):
    """Convolution that pads short inputs itself; its numbers are those of ``nn.Conv3d``.

    Where the kernel reaches across all frames, oneDNN 3.12 (PyTorch 2.13 on a CPU) takes the
    weight's gradient from wrong frames and from memory beyond the tensor, and some kernels write
    there: in bf16 3x3x3 on two frames and 7x7x7 on two to six, in fp32 7x7x7 of stride 2 on five
    to seven. A stride of 2 on a single row or column does the same in bf16 (docs/performance.md).
    """

    padding: tuple[int, int, int]  # of its kinds the one in use

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
        return conv3d(x, self.weight, self.bias, self.stride, left)


class SubsampleAndPad(nn.Module):
    """Shortcut A: every ``stride``-th place, and zero channels up to ``out``."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.extra_channels, self.stride = out - channels, stride

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c2 t2 h2 w2"]:
        """Return ``x`` in the shape of the block's output."""
        x = x[:, :, :: self.stride, :: self.stride, :: self.stride]
        return pad(x, (0, 0, 0, 0, 0, 0, 0, self.extra_channels))


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
