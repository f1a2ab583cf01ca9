"""Checkpoints from elsewhere give the embeddings they gave there, or say what does not fit."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.errors import CheckpointError
from slic.models.backbones.r3d import Shortcut
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.models.official import NORMALISATION, load_official

THEIR_NAMES = {"head.0": "fc1", "head.1": "bn_proj", "head.3": "fc2"}


def as_the_authors(encoder: VideoEncoder) -> dict[str, torch.Tensor]:
    state = {}
    for name, value in encoder.state_dict().items():
        head = ".".join(name.split(".")[:2])
        name = name.removeprefix("backbone.").replace(head, THEIR_NAMES.get(head, head))
        state[f"module.{name}"] = value
    return state


def test_the_embedding_is_that_of_the_authors_code(shared: Path) -> None:
    encoder, left_out = load_official(shared / "reference" / "official_r3d10_w0125.pth.tar")
    truth = np.load(shared / "reference" / "official_r3d10_w0125_io.npz")
    with torch.no_grad():
        embedding = encoder(torch.from_numpy(truth["clip"]))
    np.testing.assert_allclose(embedding, truth["embedding"], rtol=0, atol=1e-4)
    assert left_out == ()
    assert encoder.config.backbone == "slic/r3d10"
    assert encoder.config.arguments["width"] == 0.125
    assert encoder.config.head == HeadSpec(hidden=64, embedding=32)


@pytest.mark.parametrize(
    ("depth", "width", "shortcut"),
    [(18, 0.0625, "B"), (34, 0.0625, "A"), (50, 0.0625, "B"), (10, 0.3, "A")],
)
def test_the_architecture_is_read_off_the_weights(
    depth: int, width: float, shortcut: Shortcut, tmp_path: Path
) -> None:
    config = EncoderConfig(
        backbone=f"slic/r3d{depth}",
        arguments={"width": width, "shortcut": shortcut, "max_pool": True},
        head=HeadSpec(hidden=6, embedding=5),
    )
    encoder = VideoEncoder(config).eval()
    path = tmp_path / "theirs.pth.tar"
    torch.save({"epoch": 1, "state_dict": as_the_authors(encoder)}, path)
    loaded, _ = load_official(path, max_pool=True)
    clips = torch.randn(1, 3, 4, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(clips), encoder(clips))


def test_a_classifier_of_3d_resnets_is_left_out_and_named(tmp_path: Path) -> None:
    arguments = {"width": 0.0625, "max_pool": True}
    config = EncoderConfig(arguments=arguments, head=HeadSpec(hidden=0, embedding=0))
    encoder = VideoEncoder(config).eval()
    state = {k.removeprefix("backbone."): v for k, v in encoder.state_dict().items()}
    state |= {"fc.weight": torch.zeros(4, 32), "fc.bias": torch.zeros(4)}
    torch.save({"epoch": 200, "arch": "resnet-18", "state_dict": state}, tmp_path / "r3d18_K.pth")
    loaded, left_out = load_official(tmp_path / "r3d18_K.pth", trained_on="kinetics400")
    assert left_out == ("fc.weight", "fc.bias")
    assert (loaded.clip.size, loaded.config.modalities) == (112, ("rgb",))
    assert loaded.config.arguments["max_pool"]

    pixels = torch.rand(2, 3, 8, 32, 32)
    mean, std = (torch.tensor(x)[:, None, None, None] for x in NORMALISATION["kinetics400"])
    with torch.no_grad():
        theirs = encoder.backbone((pixels - mean) / std)
        ours = loaded(2 * pixels - 1)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)

    loaded.save_pretrained(tmp_path / "encoder")
    again = VideoEncoder.from_pretrained(tmp_path / "encoder")
    assert again.config == loaded.config
    assert again.fingerprint() == loaded.fingerprint()


def damaged(change: str) -> Any:
    config = EncoderConfig(
        backbone="slic/r3d10", arguments={"width": 0.0625}, head=HeadSpec(hidden=6, embedding=5)
    )
    state: dict[Any, Any] = {**as_the_authors(VideoEncoder(config))}
    if change == "missing":
        del state["module.bn1.running_mean"]
    elif change == "unexpected":
        state["module.fc.weight"] = torch.zeros(1)
    elif change == "half a head":
        state = {name: value for name, value in state.items() if "fc2" not in name}
    elif change == "other layers":
        state = {name: value for name, value in state.items() if "layer3" not in name}
    elif change == "a number for a name":
        state[3] = torch.zeros(1)
    elif change == "a number for a weight":
        state["module.bn1.weight"] = 3
    elif change == "a weight without rows":
        state["module.fc1.weight"] = torch.tensor(1.0)
    elif change == "a layer without channels":
        state["module.layer4.0.conv1.weight"] = torch.zeros(0, 3, 3, 3, 3)
    elif change == "no checkpoint":
        return list(itertools.islice(state, 2))
    return {"state_dict": state}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "missing: backbone.bn1.running_mean"),
        ("unexpected", "unexpected: backbone.fc.weight"),
        ("half a head", "a whole projection head or none"),
        ("other layers", r"blocks per layer \(1, 1, 0, 1\)"),
        ("no checkpoint", "no `state_dict` of weights inside"),
        ("a number for a name", "no `state_dict` of weights inside"),
        ("a number for a weight", "no `state_dict` of weights inside"),
        ("a weight without rows", "no 3D ResNet has such weights"),
        ("a layer without channels", "no 3D ResNet has such weights"),
    ],
)
def test_what_does_not_fit_is_listed(change: str, message: str, tmp_path: Path) -> None:
    torch.save(damaged(change), tmp_path / "theirs.pth.tar")
    with pytest.raises(CheckpointError, match=message):
        load_official(tmp_path / "theirs.pth.tar")


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm"),))


def test_a_file_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Harmful()}, "theirs.pth.tar")
    with pytest.raises(CheckpointError, match="no readable checkpoint") as caught:
        load_official("theirs.pth.tar")
    assert not Path("harm").exists()
    assert "\n" not in str(caught.value)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.pth.tar").write_text("no checkpoint")
    torch.save({"state_dict": {"w": torch.zeros(8)}}, tmp_path / "cut.pth.tar")
    whole = (tmp_path / "cut.pth.tar").read_bytes()
    pickled = whole.index(b"state_dict")
    (tmp_path / "cut.pth.tar").write_bytes(whole[:pickled] + b"\xff" + whole[pickled + 1 :])
    for name in ("text.pth.tar", "absent.pth.tar", "cut.pth.tar"):
        with pytest.raises(CheckpointError, match=name):
            load_official(tmp_path / name)
