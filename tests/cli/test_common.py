"""Shared inputs, and memory that the process keeps."""

import platform
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from slic.cli import protocols
from slic.cli.common import feature_cache, require_file_paths
from slic.errors import SlicError
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.signals import Interrupted


@pytest.mark.parametrize("from_scratch", [False, True])
def test_an_encoder_is_on_the_gpu_where_there_is_one(
    from_scratch: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device "meta", which every machine has, replaces it."""
    config = EncoderConfig(
        backbone="slic/r3d10", arguments={"width": 0.0625}, head=HeadSpec(hidden=4, embedding=2)
    )
    VideoEncoder(config).save_pretrained(tmp_path)
    move = VideoEncoder.to
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        VideoEncoder, "to", lambda self, device: move(self, "meta" if device == "cuda" else device)
    )
    arguments = Namespace(encoder=tmp_path, from_scratch=from_scratch)
    encoder = protocols.load_encoder_to_score(arguments, seed=0)
    assert {weight.device.type for weight in encoder.parameters()} == {"meta"}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_memory_is_kept_for_the_next_tensor() -> None:
    """Memory that the process kept costs no page faults; 16 MiB of new memory cost 4,096."""
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


def test_features_are_kept_until_the_command_succeeds(tmp_path: Path) -> None:
    output, hidden = tmp_path / "scores.json", tmp_path / ".scores.json.features"

    def run(*, interrupted: bool) -> None:
        with feature_cache(None, output) as cache:
            assert cache == hidden
            cache.mkdir(exist_ok=True)
            if interrupted:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupted=True)
    assert hidden.exists()
    run(interrupted=False)
    assert not hidden.exists()


def test_features_in_a_chosen_folder_stay(tmp_path: Path) -> None:
    with feature_cache(tmp_path, tmp_path / "scores.json") as cache:
        assert cache == tmp_path
    assert tmp_path.exists()
    with feature_cache(None, None) as cache:
        assert cache is None


def test_where_nothing_is_kept_an_interrupted_command_does_not_promise_to_continue(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended, feature_cache(None, None):
        raise Interrupted(signal.SIGTERM)
    assert ended.value.code == 143
    assert "The same command starts again; with --cache DIR it" in capsys.readouterr().err


def test_an_output_must_not_be_a_folder(tmp_path: Path) -> None:
    require_file_paths(None, tmp_path / "new.json")
    with pytest.raises(SlicError, match="is a folder; give the name of a file to write"):
        require_file_paths(tmp_path)
