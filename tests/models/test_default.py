"""The built-in encoder is the same everywhere, and is saved and opened as any other."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from slic.models.backbones.two_stream import TwoStreams
from slic.models.default import DEFAULT_ENCODER_NOTE, default_encoder
from slic.models.encoder import VideoEncoder
from slic.models.sources import open_encoder

FINGERPRINT = (
    "from slic.models.default import default_encoder; print(default_encoder().fingerprint())"
)


def test_it_gives_two_vectors_that_a_search_can_afford() -> None:
    encoder = default_encoder()
    assert list(encoder.vectors) == ["appearance", "motion"]
    assert encoder.embedding_size == sum(encoder.vectors.values()) <= 768
    assert not encoder.training
    assert not encoder.has_head
    assert encoder.clip == TwoStreams.native_clip()


def test_it_has_a_name() -> None:
    assert open_encoder("default").fingerprint() == default_encoder().fingerprint()


def test_it_does_not_depend_on_random_numbers() -> None:
    torch.manual_seed(1)
    one = default_encoder().fingerprint()
    torch.manual_seed(2)
    assert default_encoder().fingerprint() == one


def test_it_is_saved_and_opened_as_any_other(tmp_path: Path) -> None:
    encoder = default_encoder()
    encoder.save_pretrained(tmp_path)
    again = VideoEncoder.from_pretrained(tmp_path)
    assert again.fingerprint() == encoder.fingerprint()
    assert again.vectors == encoder.vectors
    clips = torch.rand(2, 3, 16, 96, 96) * 2 - 1
    torch.testing.assert_close(again(clips), encoder(clips), atol=0, rtol=0)


def test_the_note_is_one_short_line() -> None:
    assert "\n" not in DEFAULT_ENCODER_NOTE
    assert len(DEFAULT_ENCODER_NOTE) < 200


@pytest.mark.slow
def test_another_process_has_the_same_fingerprint() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == default_encoder().fingerprint()
