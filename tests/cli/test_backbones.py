"""``slic backbones``: every name with what it takes, whether the extras are installed or not."""

import re
import sys
from collections.abc import Callable

import pytest

from slic.cli import backbones
from slic.models.backbones import BACKBONES
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

Lines = Callable[..., tuple[int, list[str], list[str]]]


def test_every_name_has_a_row_with_its_clips(lines: Lines) -> None:
    code, out, err = lines("backbones")
    assert (code, err) == (0, [])
    rows = {line.split()[0]: line for line in out}
    for name, entry in BACKBONES.items():
        clip = entry.native_clip()
        assert f" {clip.frames} x {clip.size} x {clip.size} " in rows[name]
        assert f" {clip.spacing} " in rows[name]
    assert re.search(r" 33\.2 M +KINETICS400_V1$", rows["torchvision/r3d_18"])
    assert "Kinetics-400; extra torchvision: installed" in rows["torchvision/"]
    assert rows["slic/"] == "slic/  Apache-2.0; no extra needed"
    assert rows["slic/r3d18"].endswith("  those that you train")
    assert rows["slic/two-stream"].endswith("  built in")
    assert out[-1].startswith("next: slic index VIDEOS --encoder torchvision/")


def test_parameters_are_those_of_a_backbone_that_is_built(lines: Lines) -> None:
    _, out, _ = lines("backbones")
    config = EncoderConfig(backbone="slic/r3d10", head=HeadSpec(hidden=0, embedding=0))
    count = sum(parameter.numel() for parameter in VideoEncoder(config).parameters())
    (row,) = (line for line in out if line.startswith("slic/r3d10 "))
    assert f" {count / 1e6:.1f} M " in row


def test_without_the_extras_the_table_is_there_and_says_how_to_install(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torchvision", "torchvision.models", "transformers"):
        monkeypatch.setitem(sys.modules, module, None)  # an import of it fails
    monkeypatch.setattr(backbones, "find_spec", lambda _: None)
    code, out, _ = lines("backbones")
    assert code == 0
    assert {line.split()[0] for line in out} >= BACKBONES.keys()
    for extra in ("torchvision", "transformers"):
        missing = f"extra {extra}: missing, pip install 'slic-video[{extra}]'"
        assert any(line.startswith(f"{extra}/") and line.endswith(missing) for line in out)
