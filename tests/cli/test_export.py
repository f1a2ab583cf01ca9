"""``slic export`` writes files that other programs read, and says what they take."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from slic.cli import export as tested
from slic.models import export
from slic.search import Index

Lines = Callable[..., tuple[int, list[str], list[str]]]


@pytest.mark.slow
def test_an_encoder_runs_in_onnx_runtime_and_in_pytorch(
    lines: Lines, encoder_folder: Path, tmp_path: Path
) -> None:
    onnx, program = tmp_path / "encoder.onnx", tmp_path / "encoder.pt2"
    code, (takes, parity), _ = lines("export", "onnx", encoder_folder, "--out", onnx)
    assert code == 0
    assert takes.startswith(f"{onnx}: uint8 clips (batch, ")
    assert parity.startswith("in ONNX Runtime, embeddings of length 1 differ by at most ")
    code, (takes,), _ = lines("export", "torch", encoder_folder, "--out", program)
    assert code == 0
    assert takes.startswith(f"{program}: uint8 clips (batch, ")
    session = onnxruntime.InferenceSession(onnx)
    _, *shape = session.get_inputs()[0].shape
    clips = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
    (found,) = session.run(None, {"clips": clips.numpy()})
    expected = torch.export.load(program).module()(clips).detach()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_model_that_differs_is_an_error(
    lines: Lines, encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "export_onnx", lambda *_: None)
    monkeypatch.setattr(export, "check_onnx", lambda *_: 2 * tested.PARITY)
    code, _, errors = lines("export", "onnx", encoder_folder, "--out", tmp_path / "e.onnx")
    assert code == 1
    assert "e.onnx: embeddings differ by 2e-03, more than 1e-03." in errors[-1]


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_a_folder_as_output_and_a_missing_encoder_are_refused(
    lines: Lines, encoder_folder: Path, tmp_path: Path, kind: str
) -> None:
    code, _, errors = lines("export", kind, encoder_folder, "--out", tmp_path)
    assert (code, errors) == (
        1,
        [f"slic: {tmp_path}: is a folder; give the name of a file to write."],
    )
    code, _, errors = lines("export", kind, tmp_path / "none", "--out", tmp_path / "e")
    assert code == 1
    assert len(errors) == 1
    assert "none/config.json: there is no encoder" in errors[0]


def test_the_moments_of_an_index_become_a_table(
    lines: Lines, make_index: Callable[..., Index], tmp_path: Path
) -> None:
    index, out = make_index({"a.mp4": 2, "b.mp4": 3}), tmp_path / "moments.parquet"
    code, (line,), _ = lines("export", "embeddings", index.path, "--out", out)
    assert (code, line) == (0, f"{out}: 5 moments x {index.settings.dimension} numbers")
    assert pd.read_parquet(out)["id"].tolist() == ["a.mp4"] * 2 + ["b.mp4"] * 3
