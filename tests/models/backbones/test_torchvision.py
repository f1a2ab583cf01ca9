"""Weights come from where torch keeps its downloads, and are described as torchvision does."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slic.errors import CheckpointError, RecipeError, SlicError
from slic.models.backbones import BACKBONES
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.r3d import Conv3d
from slic.models.backbones.torchvision import PUBLISHED, TorchvisionBackbone
from slic.models.encoder import VideoEncoder
from slic.models.sources import open_encoder

models = pytest.importorskip("torchvision.models")
Network = Callable[[str], Any]


def clip_of(frames: int, size: int) -> ClipSpec:
    return ClipSpec(frames=frames, size=size)


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
def test_published_weights_are_read_from_the_cache_of_torch(
    hub: Path,
    weights: str,
    torchvision_network: Network,
    assert_same_features: Callable[..., None],
) -> None:
    theirs = torchvision_network("mc3_18")
    torch.save(theirs.state_dict(), cached_file(hub, "mc3_18"))
    backbone = TorchvisionBackbone(clip_of(2, 16), model="mc3_18")
    backbone.load_pretrained(weights)
    assert_same_features(backbone, theirs)


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


@pytest.mark.parametrize("model", ["r2plus1d_18", "r3d_18"])
def test_gradients_in_bf16_avoid_the_fault_of_the_library(
    model: str, random_clips: Callable[[ClipSpec], Tensor]
) -> None:
    torch.manual_seed(0)
    backbone = TorchvisionBackbone(clip_of(2, 16), model=model).eval()
    assert all(type(m) is Conv3d for m in backbone.modules() if isinstance(m, nn.Conv3d))
    gradients = []
    for bf16 in (False, True):
        backbone.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            features = backbone(random_clips(backbone.clip))
        features.float().square().mean().backward()
        found = [p.grad for p in backbone.parameters()]
        gradients.append(torch.cat([g.flatten() for g in found if g is not None]))
    exact, rounded = gradients
    assert torch.cosine_similarity(exact, rounded, dim=0) > 0.98


def test_an_encoder_opens_by_name_and_from_its_folder_without_the_cache(
    hub: Path,
    tmp_path: Path,
    torchvision_network: Network,
    random_clips: Callable[[ClipSpec], Tensor],
) -> None:
    path = cached_file(hub, "mc3_18")
    torch.save(torchvision_network("mc3_18").state_dict(), path)
    encoder = open_encoder("torchvision/mc3_18")
    assert encoder.clip == PUBLISHED["mc3_18"].clip
    assert encoder.vectors == {"embedding": 512}
    encoder.save_pretrained(tmp_path / "encoder")
    path.unlink()
    opened = VideoEncoder.from_pretrained(tmp_path / "encoder")
    assert opened.fingerprint() == encoder.fingerprint()
    x = random_clips(clip_of(2, 16))
    with torch.no_grad():
        assert torch.equal(opened(x), encoder(x))
