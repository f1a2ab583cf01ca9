"""Exported files give the encoder's embeddings for any number of clips, and say what they take."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from jaxtyping import UInt8
from torch import Tensor

from slic.errors import SlicError
from slic.models import export
from slic.models.backbones import BACKBONES, ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder, to_input

CLIP = ClipSpec(frames=6, size=32, mean=(0.4, 0.45, 0.5), std=(0.2, 0.25, 0.3))
SMALL: dict[str, dict[str, Any]] = {
    "slic/r3d10": {"width": 0.0625},
    "slic/r3d18": {"width": 0.0625, "shortcut": "A", "max_pool": True},
    "slic/r3d34": {"width": 0.0625, "mean_frame_weight": 0.5},
    "slic/r3d50": {"width": 0.0625},
    "slic/motion": {"depth": 10, "width": 0.0625},
}


def small_encoder(backbone: str, *, embedding: int = 8) -> VideoEncoder:
    torch.manual_seed(0)
    head = HeadSpec(hidden=16, embedding=embedding)
    arguments = SMALL.get(backbone, {})
    config = EncoderConfig(backbone=backbone, arguments=arguments, head=head, clip=CLIP)
    encoder = VideoEncoder(config)
    encoder(to_input(moving_clips(4)))  # moves the running statistics
    return encoder.eval()


def moving_clips(count: int) -> UInt8[Tensor, "b 6 32 32 3"]:
    """Return clips of smooth pictures that move by (1, 2) pixels a frame, each a little faster."""
    rows, columns = np.mgrid[:32, :32]
    clips = np.empty((count, 6, 32, 32, 3))
    for clip in range(count):
        for frame in range(6):
            y, x = rows + frame, columns + 2 * frame * (1 + clip / count)
            waves = (np.sin(x / 3 + clip), np.cos(y / 4), np.sin((x + y) / 5))
            clips[clip, frame] = np.stack(waves, -1)
    return torch.from_numpy((127.5 + 100 * clips).astype(np.uint8))


def run_onnx(path: Path, clips: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"clips": clips.numpy()})
    return np.asarray(found)


OFTEN = ("slic/r3d10",)  # the others share their code; exporting takes long
EACH = [
    pytest.param(name, marks=[] if name in OFTEN else pytest.mark.soak)
    for name in BACKBONES
    if name.startswith("slic/")
]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", EACH)
def test_every_backbone_of_the_package_runs_elsewhere_for_any_batch(
    backbone: str, tmp_path: Path
) -> None:
    encoder = small_encoder(backbone)
    export.export_torch(encoder, tmp_path / "encoder.pt2")
    export.export_onnx(encoder, tmp_path / "encoder.onnx")
    program = torch.export.load(tmp_path / "encoder.pt2").module()
    for count in (1, 2, 17):  # motion is computed for 16 clips at a time
        clips = moving_clips(count)
        with torch.no_grad():
            expected, found = encoder(to_input(clips)), program(clips)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(run_onnx(tmp_path / "encoder.onnx", clips), expected, atol=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.onnx", "encoder.pt2"]
    assert export.check_onnx(encoder, tmp_path / "encoder.onnx") < 1e-3


@pytest.mark.slow
def test_both_files_say_what_they_take_and_give(tmp_path: Path) -> None:
    encoder = small_encoder("slic/r3d10")
    export.export_onnx(encoder, tmp_path / "encoder.onnx")
    export.export_torch(encoder, tmp_path / "encoder.pt2")
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx")
    ((clips,), (embedding,)) = session.get_inputs(), session.get_outputs()
    assert (clips.name, clips.type, clips.shape) == (
        "clips",
        "tensor(uint8)",
        ["batch", 6, 32, 32, 3],
    )
    assert (embedding.name, embedding.shape) == ("embedding", ["batch", 8])
    about = json.loads(session.get_modelmeta().custom_metadata_map["slic"])
    extra = {"slic.json": ""}
    torch.export.load(tmp_path / "encoder.pt2", extra_files=extra)
    assert json.loads(extra["slic.json"]) == about
    assert about["fingerprint"] == encoder.fingerprint()
    assert about["clip"] == json.loads(json.dumps(CLIP.to_dict()))
    assert about["output"]["vectors"] == {"embedding": 8}


def test_the_description_has_rate_resizing_and_layer() -> None:
    clip = ClipSpec(frames=4, size=16, fps=12.5, resize=20)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.0625},
        head=HeadSpec(hidden=0, embedding=0),
        clip=clip,
    )
    about = export.describe(VideoEncoder(config))
    assert about["before"]["frames"].startswith("4, 12.5 frames per second")
    assert about["before"]["resize"].startswith("the shorter side to 20 pixels")
    assert about["output"]["layer"] == "backbone"


def test_solving_by_elimination_is_solving() -> None:
    factor = torch.randn(3, 4, 6, 9, dtype=torch.float64)
    a, b = factor @ factor.mT + torch.eye(6), torch.randn(3, 4, 6, 2, dtype=torch.float64)
    found, info = export._solve(a, b)
    torch.testing.assert_close(found, torch.linalg.solve(a, b))
    assert not info.any()


@pytest.mark.parametrize("length", [1, 4, 5])
@pytest.mark.parametrize("keepdim", [False, True])
def test_the_median_by_sorting_is_the_median(length: int, keepdim: bool) -> None:
    x = torch.randn(3, length, 2)
    found, expected = export._median(x, 1, keepdim), x.median(dim=1, keepdim=keepdim)
    assert torch.equal(found[0], expected.values)
    assert torch.equal(found[1], expected.indices)


def test_a_missing_package_is_one_line_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(SlicError, match=r"needs the extra 'export' .* 'slic-video\[export\]'"):
        export.export_onnx(small_encoder("slic/r3d10"), tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())
