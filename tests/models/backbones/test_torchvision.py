"""The networks against torchvision's own, with the files where torch caches its downloads."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from slic.errors import CheckpointError, RecipeError, SlicError
from slic.models.backbones import BACKBONES
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.r3d import Conv3d
from slic.models.backbones.torchvision import PUBLISHED, TorchvisionBackbone
from slic.models.backbones.torchvision_networks import FAMILIES

models = pytest.importorskip("torchvision.models")

SMALLEST_PUBLISHED = {
    "r3d_18": (3, 32),
    "mc3_18": (3, 32),
    "r2plus1d_18": (3, 32),
    "s3d": (16, 224),  # torchvision's last pool takes no less
}


def clip_of(frames: int, size: int) -> ClipSpec:
    return ClipSpec(frames=frames, size=size)


def some_clips(clip: ClipSpec, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (count, 3, clip.frames, clip.size, clip.size)
    return torch.randn(shape, generator=generator)


def their_network(model: str, **arguments: Any) -> Any:
    """Return torchvision's network with weights and statistics that are all random."""
    torch.manual_seed(0)
    net = models.get_model(model, weights=None, **arguments)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.is_floating_point() and value.ndim == 1:
                value.normal_(0.0 if name.endswith(("bias", "mean")) else 1.0, 0.1)
            elif value.ndim == 5:
                nn.init.kaiming_normal_(value)  # S3D's own are so small that all clips look alike
    return net.eval()


def without_classifier(net: Any, model: str) -> Any:
    setattr(net, FAMILIES[model].classifier, nn.Identity())
    return net


def assert_same_features(backbone: TorchvisionBackbone, theirs: Any) -> None:
    x = some_clips(backbone.clip)
    with torch.no_grad():
        ours, expected = backbone.eval()(x), theirs(x)
    assert ours.shape == expected.shape == (2, backbone.feature_size)
    assert expected.std(dim=0).max() > 1e-3  # the clips differ
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


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
def test_features_are_what_torchvision_gives_its_classifier(model: str) -> None:
    shapes = SMALLEST_PUBLISHED | {"mvit_v2_s": (16, 224), "swin3d_t": (4, 224)}
    theirs = their_network(model)
    backbone = TorchvisionBackbone(clip_of(*shapes[model]), model=model)
    backbone.load_weights(theirs.state_dict(), source=Path("weights.pth"))
    assert_same_features(backbone, without_classifier(theirs, model))


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_weights_are_described_as_torchvision_does(model: str) -> None:
    published, theirs = PUBLISHED[model], models.get_model_weights(model)
    weights, clip = theirs.DEFAULT, published.clip
    transforms = weights.transforms()
    assert (clip.size, clip.size) == tuple(transforms.crop_size)
    resize = [clip.resize] if isinstance(clip.resize, int) else [*reversed(clip.resize or ())]
    assert transforms.resize_size == resize  # theirs is height and width, or the shorter side
    assert (list(clip.mean), list(clip.std)) == (transforms.mean, transforms.std)
    docs = weights.meta["_docs"]
    assert f"clip_len={clip.frames}" in docs.replace("`", "")
    assert f"frame_rate={clip.fps:g}" in docs
    assert published.names[0] == weights.name
    assert set(published.names) == set(theirs.__members__) - {"DEFAULT"}
    with torch.device("meta"):
        backbone = TorchvisionBackbone(clip, model=model)
    assert sum(p.numel() for p in backbone.parameters()) == published.parameters
    assert BACKBONES[f"torchvision/{model}"].native_clip() == clip


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which torch looks for downloads; nothing is downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(url: str, *_: Any, **__: Any) -> None:
        raise OSError(f"no network for {url}")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def cached_file(hub: Path, model: str) -> Path:
    return hub / Path(models.get_model_weights(model).DEFAULT.url).name


@pytest.mark.parametrize("weights", ["KINETICS400_V1", "pretrained"])
def test_published_weights_are_read_from_the_cache_of_torch(hub: Path, weights: str) -> None:
    theirs = their_network("mc3_18")
    torch.save(theirs.state_dict(), cached_file(hub, "mc3_18"))
    backbone = TorchvisionBackbone(clip_of(2, 16), model="mc3_18")
    backbone.load_pretrained(weights)
    assert_same_features(backbone, without_classifier(theirs, "mc3_18"))


def change_nothing(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_network(path: Path) -> None:
    torch.save(models.get_model("r3d_18").state_dict(), path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change_nothing, r"cannot be downloaded \(no network for https.*\)\. With no network, "),
        (truncate, r"cannot be read \(.*\)\. Delete the file to download it again\.$"),
        (empty, r"cannot be read \(.*\)\. Delete the file to download it again\.$"),
        (other_network, r"do not fit .* of another shape: layer2\.0\.conv1\.0\.weight .* instead "),
    ],
)
def test_bad_files_give_one_line(hub: Path, damage: Callable[[Path], None], message: str) -> None:
    path = cached_file(hub, "mc3_18")
    torch.save(models.get_model("mc3_18").state_dict(), path)
    damage(path)
    backbone = TorchvisionBackbone(clip_of(2, 16), model="mc3_18")
    with pytest.raises(CheckpointError, match=rf"^{re.escape(str(path))}: .*{message}") as error:
        backbone.load_pretrained("pretrained")
    assert "\n" not in str(error.value)


def test_code_in_a_file_of_weights_does_not_run(hub: Path, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"stem.0.weight": Touch()}, cached_file(hub, "r3d_18"))
    with pytest.raises(CheckpointError, match="cannot be read"):
        TorchvisionBackbone(clip_of(2, 16), model="r3d_18").load_pretrained("pretrained")
    assert not (tmp_path / "ran").exists()


def test_unknown_names_list_what_there_is() -> None:
    backbone = TorchvisionBackbone(clip_of(2, 16), model="mc3_18")
    message = (
        "unknown weights 'kinetics400_v2' of torchvision/mc3_18. Did you mean 'KINETICS400_V1'"
    )
    with pytest.raises(CheckpointError, match=re.escape(message)):
        backbone.load_pretrained("kinetics400_v2")
    with pytest.raises(RecipeError, match=r"model is r3d_19,.*r3d_18, mc3_18"):
        TorchvisionBackbone(clip_of(2, 16), model="r3d_19")
    with pytest.raises(RecipeError, match=r"clip\.size is 16, .*17 for s3d"):
        TorchvisionBackbone(clip_of(5, 16), model="s3d")
    with pytest.raises(RecipeError, match="swin3d_t has no class token"):
        TorchvisionBackbone(clip_of(2, 16), model="swin3d_t", pool="cls")


def test_without_torchvision_one_line_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    command = r"torchvision/r3d_18 needs the extra 'torchvision' .* 'slic-video\[torchvision\]'$"
    with pytest.raises(SlicError, match=command):
        TorchvisionBackbone(clip_of(2, 16), model="r3d_18")


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


def test_mvit_interpolates_its_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    published = their_network("mvit_v2_s")
    smaller = mvit_of_size(4, 64, monkeypatch)
    wanted = smaller.state_dict()
    assert any(v.shape != wanted[k].shape for k, v in published.state_dict().items())
    smaller.load_state_dict(interpolated(published.state_dict(), wanted))
    backbone = TorchvisionBackbone(clip_of(4, 64), model="mvit_v2_s")
    backbone.load_weights(published.state_dict(), source=Path("weights.pth"))
    assert_same_features(backbone, without_classifier(smaller, "mvit_v2_s"))


def test_mvit_pools_the_class_token_or_the_mean_of_the_others() -> None:
    backbone = TorchvisionBackbone(clip_of(2, 32), model="mvit_v2_s").eval()
    tokens: list[Tensor] = []
    handle = backbone.net.get_submodule("norm").register_forward_hook(
        lambda *call: tokens.append(call[2])
    )
    x = some_clips(backbone.clip)
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


def test_swin_takes_the_biases_of_the_offsets_in_a_smaller_window() -> None:
    from torchvision.models.video import swin_transformer

    backbone = TorchvisionBackbone(clip_of(4, 32), model="swin3d_t")
    attention: Any = backbone.net.get_submodule("features.0.0.attn")
    table = attention.relative_position_bias_table.detach().view(15, 13, 13, -1)
    window = (2, 3, 2)
    places = [(t, h, w) for t in range(2) for h in range(3) for w in range(2)]
    bias = attention.get_relative_position_bias(window)
    for i, first in enumerate(places):
        for j, second in enumerate(places):
            offset = [a - b + full - 1 for a, b, full in zip(first, second, (8, 7, 7), strict=True)]
            assert torch.equal(bias[0, :, i, j], table[*offset])
    theirs = swin_transformer.ShiftedWindowAttention3d.get_relative_position_bias
    for full_frame in ((8, 7, 7), (3, 7, 7)):
        ours = attention.get_relative_position_bias(full_frame)
        assert torch.equal(ours, theirs(attention, list(full_frame)))
    assert not torch.equal(bias, theirs(attention, list(window)))  # the reason for our own


@pytest.mark.parametrize("model", PUBLISHED)
def test_blocks_have_all_weights_in_order_and_recompute_the_same_gradients(model: str) -> None:
    frames, size = (5, 17) if model == "s3d" else (2, 16)
    torch.manual_seed(0)
    backbone = TorchvisionBackbone(clip_of(frames, size), model=model)
    parts = [list(block.parameters()) for block in backbone.blocks]
    assert [id(p) for part in parts for p in part] != []
    assert sorted(id(p) for part in parts for p in part) == sorted(map(id, backbone.parameters()))
    x = some_clips(backbone.clip)

    def gradients() -> list[Tensor]:
        torch.manual_seed(2)  # of stochastic depth
        backbone.train().zero_grad()
        backbone(x).square().sum().backward()
        return [p.grad.clone() for p in backbone.parameters() if p.grad is not None]

    kept = gradients()
    before = {k: v.clone() for k, v in backbone.state_dict().items() if "running" in k}
    backbone.gradient_checkpointing(True)
    again = gradients()
    assert len(kept) == len(again) > 10
    for one, other in zip(kept, again, strict=True):
        torch.testing.assert_close(one, other)
    after = backbone.state_dict()
    for name, value in before.items():  # moved once, by the same statistics
        assert not torch.equal(after[name], value) or value.abs().sum() == 0


def test_convolutions_avoid_the_fault_of_the_library() -> None:
    backbone = TorchvisionBackbone(clip_of(2, 16), model="r2plus1d_18")
    convolutions = [m for m in backbone.modules() if isinstance(m, nn.Conv3d)]
    assert len(convolutions) > 20
    assert all(type(m) is Conv3d for m in convolutions)
