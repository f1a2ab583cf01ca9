"""The authors' checkpoints give the authors' embeddings, or say what does not fit."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.encoders.encoder import EncoderConfig, VideoEncoder
from slic.encoders.official import load_official
from slic.encoders.r3d import Shortcut
from slic.errors import CheckpointError

THEIR_NAMES = {"projection.0": "fc1", "projection.1": "bn_proj", "projection.3": "fc2"}


def as_the_authors(encoder: VideoEncoder) -> dict[str, torch.Tensor]:
    state = {}
    for name, value in encoder.state_dict().items():
        head = ".".join(name.split(".")[:2])
        name = name.removeprefix("backbone.").replace(head, THEIR_NAMES.get(head, head))
        state[f"module.{name}"] = value
    return state


def test_the_embedding_is_that_of_the_authors_code(shared: Path) -> None:
    encoder = load_official(shared / "reference" / "official_r3d10_w0125.pth.tar")
    truth = np.load(shared / "reference" / "official_r3d10_w0125_io.npz")
    with torch.no_grad():
        embedding = encoder(torch.from_numpy(truth["clip"]))
    np.testing.assert_allclose(embedding, truth["embedding"], rtol=0, atol=1e-4)
    assert encoder.config.backbone == "r3d10"
    assert (encoder.config.width, encoder.config.hidden, encoder.config.embedding) == (
        0.125,
        64,
        32,
    )


@pytest.mark.parametrize(
    ("backbone", "width", "shortcut"),
    [("r3d18", 0.0625, "B"), ("r3d34", 0.0625, "A"), ("r3d50", 0.0625, "B"), ("r3d10", 0.3, "A")],
)
def test_the_architecture_is_read_off_the_weights(
    backbone: str, width: float, shortcut: Shortcut, tmp_path: Path
) -> None:
    config = EncoderConfig(
        backbone=backbone, width=width, shortcut=shortcut, hidden=6, embedding=5, max_pool=True
    )
    encoder = VideoEncoder(config).eval()
    path = tmp_path / "theirs.pth.tar"
    torch.save({"epoch": 1, "state_dict": as_the_authors(encoder)}, path)
    loaded = load_official(path, max_pool=True)
    clips = torch.randn(1, 3, 4, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(clips), encoder(clips))


def damaged(change: str) -> Any:
    config = EncoderConfig(backbone="r3d10", width=0.0625, hidden=6, embedding=5)
    state = as_the_authors(VideoEncoder(config))
    if change == "missing":
        del state["module.bn1.running_mean"]
    elif change == "unexpected":
        state["module.fc.weight"] = torch.zeros(1)
    elif change == "no head":
        state = {name: value for name, value in state.items() if "fc" not in name}
    elif change == "no checkpoint":
        return list(itertools.islice(state, 2))
    return {"state_dict": state}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "missing: backbone.bn1.running_mean"),
        ("unexpected", "unexpected: backbone.fc.weight"),
        ("no head", r"missing: projection\.0\.weight, projection\.3\.weight"),
        ("no checkpoint", "no `state_dict` inside"),
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
    for name in ("text.pth.tar", "absent.pth.tar"):
        with pytest.raises(CheckpointError, match=name):
            load_official(tmp_path / name)
