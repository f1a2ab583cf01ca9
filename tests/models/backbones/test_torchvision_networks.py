"""Features against torchvision's own networks; blocks and positions of each family."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from slic.models.backbones.base import ClipSpec
from slic.models.backbones.torchvision import PUBLISHED, TorchvisionBackbone

pytest.importorskip("torchvision")
Network = Callable[[str], Any]
Clips = Callable[[ClipSpec], Tensor]


def clip_of(frames: int, size: int) -> ClipSpec:
    return ClipSpec(frames=frames, size=size)


SMALLEST_PUBLISHED = {
    "r3d_18": (3, 32),
    "mc3_18": (3, 32),
    "r2plus1d_18": (3, 32),
    "s3d": (16, 224),  # torchvision's last pool takes no less
}


@pytest.mark.parametrize(
    "model",
    [
        "r3d_18",
        "mc3_18",
        "r2plus1d_18",
        pytest.param("s3d", marks=pytest.mark.slow),
        pytest.param("mvit_v2_s", marks=pytest.mark.slow),
        pytest.param("swin3d_t", marks=pytest.mark.slow),
    ],
)
def test_features_are_what_torchvision_gives_its_classifier(
    model: str, torchvision_network: Network, assert_same_features: Callable[..., None]
) -> None:
    shapes = SMALLEST_PUBLISHED | {"mvit_v2_s": (16, 224), "swin3d_t": (4, 224)}
    theirs = torchvision_network(model)
    backbone = TorchvisionBackbone(clip_of(*shapes[model]), model=model)
    backbone.load_weights(theirs.state_dict(), source=Path("weights.pth"))
    assert_same_features(backbone, theirs)


def mvit_of_size(frames: int, size: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return torchvision's MViT built for other clips, which its public function cannot do."""
    from torchvision.models.video import mvit

    given: dict[str, Any] = {}
    with monkeypatch.context() as patched:
        patched.setattr(mvit, "_mvit", lambda **arguments: given.update(arguments))
        mvit.mvit_v2_s(weights=None)
    return mvit._mvit(**given | {"spatial_size": (size, size), "temporal_size": frames}).eval()


def interpolated(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with every table of positions stretched to the length it should have."""
    return {
        name: value
        if value.shape == wanted[name].shape
        else interpolate(value.T[None], size=len(wanted[name]), mode="linear")[0].T
        for name, value in state.items()
    }


def test_mvit_interpolates_its_positions(
    monkeypatch: pytest.MonkeyPatch,
    torchvision_network: Network,
    assert_same_features: Callable[..., None],
) -> None:
    published = torchvision_network("mvit_v2_s")
    smaller = mvit_of_size(4, 64, monkeypatch)
    wanted = smaller.state_dict()
    assert any(v.shape != wanted[k].shape for k, v in published.state_dict().items())
    smaller.load_state_dict(interpolated(published.state_dict(), wanted))
    backbone = TorchvisionBackbone(clip_of(4, 64), model="mvit_v2_s")
    backbone.load_weights(published.state_dict(), source=Path("weights.pth"))
    assert_same_features(backbone, smaller)


def test_mvit_pools_the_class_token_or_the_mean_of_the_others(random_clips: Clips) -> None:
    backbone = TorchvisionBackbone(clip_of(2, 32), model="mvit_v2_s").eval()
    tokens: list[Tensor] = []
    handle = backbone.net.get_submodule("norm").register_forward_hook(
        lambda *call: tokens.append(call[2])
    )
    x = random_clips(backbone.clip)
    with torch.no_grad():
        published = backbone(x)
        backbone.pool = "cls"
        cls = backbone(x)
        backbone.pool = "mean"
        mean = backbone(x)
    handle.remove()
    assert torch.equal(published, cls)
    assert torch.equal(cls, tokens[0][:, 0])
    torch.testing.assert_close(mean, torch.stack([token[1:].mean(dim=0) for token in tokens[2]]))


@pytest.mark.parametrize("model", PUBLISHED)
def test_blocks_have_all_weights_and_recompute_the_same_gradients(
    model: str, random_clips: Clips
) -> None:
    frames, size = (5, 17) if model == "s3d" else (2, 16)
    torch.manual_seed(0)
    backbone = TorchvisionBackbone(clip_of(frames, size), model=model)
    parts = [list(block.parameters()) for block in backbone.blocks]
    assert sorted(id(p) for part in parts for p in part) == sorted(map(id, backbone.parameters()))
    x = random_clips(backbone.clip)

    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    kept: list[Tensor] = []
    again: list[Tensor] = []
    for found, recomputed in ((kept, False), (again, True)):
        backbone.load_state_dict(state)
        backbone.train().gradient_checkpointing(recomputed)
        backbone.zero_grad()
        torch.manual_seed(2)  # of stochastic depth
        backbone(x).square().sum().backward()
        found += [p.grad.clone() for p in backbone.parameters() if p.grad is not None]
        found += [value.clone().float() for value in backbone.buffers()]  # running statistics
    assert len(kept) == len(again) > 10
    for one, other in zip(kept, again, strict=True):
        torch.testing.assert_close(one, other)
