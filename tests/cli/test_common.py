"""File names do not steer the terminal; memory is kept."""

import platform
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from slic.cli import classification
from slic.cli.common import print_table, printable
from slic.models.encoder import EncoderConfig, VideoEncoder


def test_what_would_steer_a_terminal_is_replaced() -> None:
    assert printable("a\x1b[31mX\nY.mp4") == "a\ufffd[31mX\ufffdY.mp4"
    assert printable("Ünï cödé 動画.mp4") == "Ünï cödé 動画.mp4"


@pytest.mark.parametrize("from_scratch", [False, True])
def test_an_encoder_is_on_the_gpu_where_there_is_one(
    from_scratch: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device "meta" stands for it, which every machine has."""
    config = EncoderConfig(
        backbone="r3d10", width=0.0625, hidden=4, embedding=2, frames=4, stride=1, size=32
    )
    VideoEncoder(config).save_pretrained(tmp_path)
    move = VideoEncoder.to
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        VideoEncoder, "to", lambda self, device: move(self, "meta" if device == "cuda" else device)
    )
    arguments = Namespace(encoder=tmp_path, from_scratch=from_scratch)
    encoder = classification.encoder_of(arguments, seed=0)
    assert {weight.device.type for weight in encoder.parameters()} == {"meta"}


def test_tables_do_not_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("class\n\x1b[31mred 1")
    assert capsys.readouterr().out == "class\n\ufffd[31mred 1\n"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_there_for_the_next_tensor() -> None:
    """A page that the process still has costs no page fault; 16 new MiB cost 4,096."""
    code = """
import resource, sys
from slic.cli.common import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
[bytes([byte]) * 2**24 for byte in range(3)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    [bytes([byte]) * 2**24 for byte in range(3)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    plain, kept = (
        int(subprocess.check_output([sys.executable, "-c", code, how])) for how in ("plain", "kept")
    )
    assert kept < plain / 4
