"""Backbones of this package and of torchvision are indexed, adapted, resumed and exported."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

pytestmark = pytest.mark.slow  # they train


@pytest.mark.soak
@pytest.mark.parametrize("network", ["mc3_18", "r3d_18"])
def test_networks_of_torchvision(
    network: str, whole_way: Callable[[str, Sequence[str]], None], tmp_path: Path
) -> None:
    name, clip = f"torchvision/{network}", ClipSpec(frames=4, size=32, resize=36)
    torch.manual_seed(0)
    none = HeadSpec(hidden=0, embedding=0)
    encoder = VideoEncoder(EncoderConfig(backbone=name, head=none, clip=clip))
    encoder.save_pretrained(tmp_path / "published")
    whole_way(
        str(tmp_path / "published"),
        [f"--init={tmp_path / 'published'}", "--adaptation.trained_blocks=2"],
    )


def test_a_run_goes_on_from_an_earlier_one(
    whole_way: Callable[[str, Sequence[str]], None], tmp_path: Path
) -> None:
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=16, embedding=8),
        clip=ClipSpec(frames=4, size=32),
    )
    torch.manual_seed(0)
    VideoEncoder(config).save_pretrained(tmp_path / "run" / "encoder")
    words = ["--train.accumulate=2", "--adaptation.gradient_checkpointing=true", "--init.head=kept"]
    whole_way(str(tmp_path / "run"), [f"--init={tmp_path / 'run'}", "--head.hidden=16", *words])
