"""The 3D ResNet against a description of it in plain convolutions."""

from itertools import product
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, batch_norm, conv3d, max_pool3d

from slic.errors import RecipeError
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.r3d import R3D, Conv3d, Depth, Shortcut

CLIP = ClipSpec()
Weights = dict[str, Tensor]


def convolve(x: Tensor, weights: Weights, conv: str, norm: str, stride: int, pad: int) -> Tensor:
    """Convolve and normalise with the running statistics, from the weights alone."""
    x = conv3d(x, weights[f"{conv}.weight"], stride=stride, padding=pad)
    mean, var = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
    return batch_norm(x, mean, var, weights[f"{norm}.weight"], weights[f"{norm}.bias"])


def slow_resnet(x: Tensor, weights: Weights, *, max_pool: bool) -> Tensor:
    """Run whatever blocks the weights name; without weights a shortcut is of kind A."""
    x = conv3d(x, weights["conv1.weight"], stride=(1, 2, 2), padding=3)
    mean, var = weights["bn1.running_mean"], weights["bn1.running_var"]
    x = batch_norm(x, mean, var, weights["bn1.weight"], weights["bn1.bias"]).relu()
    x = max_pool3d(x, 3, 2, 1) if max_pool else x
    for block in dict.fromkeys(".".join(k.split(".")[:2]) for k in weights if k[:5] == "layer"):
        stride = 2 if block.endswith(".0") and block[:6] != "layer1" else 1
        if f"{block}.conv3.weight" in weights:
            shapes = [(1, 0), (stride, 1), (1, 0)]
        else:
            shapes = [(stride, 1), (1, 1)]
        y = x
        for number, (step, pad) in enumerate(shapes, start=1):
            conv, norm = f"{block}.conv{number}", f"{block}.bn{number}"
            y = convolve(y, weights, conv, norm, step, pad)
            y = y.relu() if number < len(shapes) else y
        if f"{block}.downsample.0.weight" in weights:
            names = f"{block}.downsample.0", f"{block}.downsample.1"
            x = convolve(x, weights, *names, stride, 0)
        else:
            x = avg_pool3d(x, 1, stride)
            x = torch.cat([x, x.new_zeros(len(x), y.shape[1] - x.shape[1], *x.shape[2:])], dim=1)
        x = (x + y).relu()
    return x.flatten(2).mean(dim=2)


@pytest.mark.parametrize("depth", get_args(Depth))
@pytest.mark.parametrize("shortcut", get_args(Shortcut))
@pytest.mark.parametrize("max_pool", [False, True])
def test_features_are_those_of_plain_convolutions(
    depth: Depth, shortcut: Shortcut, max_pool: bool
) -> None:
    torch.manual_seed(0)
    net = R3D(CLIP, depth=depth, width=0.0625, max_pool=max_pool, shortcut=shortcut)
    clips = torch.randn(2, 3, 5, 20, 16)
    with torch.no_grad():
        net(clips)  # running statistics that are not 0 and 1
        features = net.eval()(clips)
        slow = slow_resnet(clips, net.state_dict(), max_pool=max_pool)
    assert features.shape == (2, net.feature_size)
    torch.testing.assert_close(features, slow, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "millions"), [(10, 14.40), (18, 33.20), (34, 63.51), (50, 46.20)]
)
def test_the_papers_sizes(depth: Depth, millions: float) -> None:
    with torch.device("meta"):
        net = R3D(CLIP, depth=depth)
    weights = sum(weight.numel() for weight in net.parameters())
    assert weights / 1e6 == pytest.approx(millions, abs=0.01)
    assert net.feature_size == (2048 if depth == 50 else 512)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"width is 0\.01"):
        R3D(CLIP, depth=10, width=0.01)
    with pytest.raises(RecipeError, match="width is nan"):
        R3D(CLIP, width=float("nan"))
    with pytest.raises(RecipeError, match="stem_stride is"):
        R3D(CLIP, stem_stride=(0, 1, 1))
    with pytest.raises(RecipeError, match=r"mean_frame_weight is 1\.5"):
        R3D(CLIP, mean_frame_weight=1.5)


def test_a_share_of_the_mean_frame_is_hidden() -> None:
    torch.manual_seed(0)
    net = R3D(CLIP, depth=10, width=0.125, mean_frame_weight=0.25).eval()
    clips, still = torch.rand(2, 3, 4, 32, 32), torch.rand(2, 3, 1, 32, 32)
    hidden = clips - 0.75 * clips.mean(dim=2, keepdim=True)
    with torch.no_grad():
        features = net(clips)
        net.mean_frame_weight = 1.0
        torch.testing.assert_close(net(hidden), features)
        net.mean_frame_weight = 0.0  # what stands still is then not seen at all
        torch.testing.assert_close(net(clips), net(clips + still), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(net(clips), net(clips.flip(2)), atol=1e-6)


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [(3, (1, 1, 1)), (3, (2, 2, 2)), (1, (2, 2, 2)), (7, (1, 4, 4)), (7, (2, 2, 2))],
)
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
def test_a_convolution_of_short_clips_has_the_gradients_of_float64(
    kernel: int, stride: tuple[int, int, int], precision: torch.dtype
) -> None:
    for frames, side in product((1, 2, 3, 5, 6, 7, 8), (1, 2, 4)):
        check_convolution(kernel, stride, frames, side, precision)


def check_convolution(
    kernel: int, stride: tuple[int, int, int], frames: int, side: int, precision: torch.dtype
) -> None:
    torch.manual_seed(0)
    conv = Conv3d(16, 16, kernel, stride=stride, padding=kernel // 2, bias=False).to(precision)
    truth = nn.Conv3d(16, 16, kernel, stride=stride, padding=kernel // 2, bias=False).double()
    truth.load_state_dict(conv.state_dict())
    x = torch.randn(2, 16, frames, side, side, dtype=precision, requires_grad=True)
    exact_x = x.detach().double().requires_grad_()
    y, exact_y = conv(x), truth(exact_x)
    upstream = torch.randn_like(y)
    found = (y, *torch.autograd.grad(y, (x, conv.weight), upstream))
    exact = torch.autograd.grad(exact_y, (exact_x, truth.weight), upstream.double())
    tolerance = 0.01 if precision == torch.bfloat16 else 1e-5
    for ours, wanted in zip(found, (exact_y, *exact), strict=True):
        error = (ours.double() - wanted).norm()
        assert error <= tolerance * wanted.norm(), (frames, side)


@pytest.mark.parametrize("depth", get_args(Depth))
def test_no_convolution_of_the_network_is_the_librarys_own(depth: Depth) -> None:
    with torch.device("meta"):
        modules = R3D(CLIP, depth=depth).modules()
    assert all(type(module) is Conv3d for module in modules if isinstance(module, nn.Conv3d))
