"""An encoder is opened by a folder or by a name."""

from pathlib import Path

import pytest
import torch
from torch import nn

from slic.errors import CheckpointError, SlicError
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.models.sources import open_encoder


class Published(nn.Module):
    """A backbone with published weights."""

    version, feature_size, modalities = 1, 3, ("rgb",)

    def __init__(self, clip: ClipSpec) -> None:
        super().__init__()
        self.clip = clip
        self.scale = nn.Parameter(torch.zeros(3))

    @staticmethod
    def native_clip() -> ClipSpec:
        return ClipSpec(frames=5, size=40)

    def load_pretrained(self, weights: str) -> None:
        values = {"pretrained": 1.0, "V2": 2.0}
        if weights not in values:
            raise CheckpointError(f"no weights {weights!r}")
        nn.init.constant_(self.scale, values[weights])

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.mean(dim=(2, 3, 4)) * self.scale


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    import sys

    monkeypatch.setitem(sys.modules, "their_module", sys.modules[__name__])
    return "their_module:Published"


def test_a_name_gives_published_weights_on_their_clips_without_a_head(name: str) -> None:
    encoder = open_encoder(name)
    assert (encoder.clip, encoder.has_head, encoder.training) == (
        Published.native_clip(),
        False,
        False,
    )
    clips = torch.rand(2, 3, 5, 40, 40) * 2 - 1
    assert torch.allclose(encoder(clips), clips.mean(dim=(2, 3, 4)))
    assert torch.allclose(open_encoder(f"{name}@V2")(clips), 2 * encoder(clips))
    with pytest.raises(CheckpointError, match="no weights 'V3'"):
        open_encoder(f"{name}@V3")


def test_a_run_folder_and_its_encoder_are_the_same(tmp_path: Path) -> None:
    config = EncoderConfig(
        backbone="slic/r3d10", arguments={"width": 0.0625}, head=HeadSpec(hidden=4, embedding=3)
    )
    encoder = VideoEncoder(config)
    encoder.save_pretrained(tmp_path / "encoder")
    for source in (tmp_path, tmp_path / "encoder", str(tmp_path)):
        assert open_encoder(source).fingerprint() == encoder.fingerprint()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("slic/r3d18", "has no published weights"),
        ("slic/r3d19", "Did you mean 'slic/r3d1"),
        ("slic/r3d18@missing.pth", "no such file"),
        ("nothing", "there is no encoder"),
        ("no_module:Nothing", "cannot be imported"),
        (".", r"name it transformers/\."),
    ],
)
def test_what_does_not_exist_is_one_line(
    source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "videomae"}')
    with pytest.raises(SlicError, match=said) as caught:
        open_encoder(source)
    assert "\n" not in str(caught.value)
