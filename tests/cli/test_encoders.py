"""``slic embed`` writes what loads; ``slic import-official`` tells what it found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from slic.embeddings import Embeddings
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.models.official import NORMALISATION

Lines = Callable[..., tuple[int, list[str], list[str]]]
NAMES = {"head.0": "fc1", "head.1": "bn_proj", "head.3": "fc2"}


def test_embeddings_are_written(
    lines: Lines, labelled_videos: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "e.npz"
    words = ("--encoder", encoder_folder, "--out", out, "--clips", 2, "--workers", 0)
    code, (line,), _ = lines("embed", labelled_videos, *words)
    embeddings = Embeddings.load(out)
    n, clips, d = embeddings.clips.shape
    assert (code, n, clips) == (0, 10, 2)
    assert line == f"{out}: 10 videos x 2 clips x {d} numbers, encoder {embeddings.encoder}"


def test_a_parquet_file_has_a_row_for_each_clip(
    lines: Lines, labelled_videos: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    words = (labelled_videos, "--encoder", encoder_folder, "--clips", 2, "--workers", 0, "--out")
    lines("embed", *words, tmp_path / "e.npz")
    code, _, _ = lines("embed", *words, tmp_path / "e.parquet")
    frame, stored = pd.read_parquet(tmp_path / "e.parquet"), Embeddings.load(tmp_path / "e.npz")
    assert code == 0
    assert frame["id"].tolist() == [name for name in stored.ids for _ in range(2)]
    assert np.array_equal(np.stack(frame["embedding"]), stored.clips.reshape(len(frame), -1))
    assert (frame["start_seconds"] < frame["end_seconds"]).all()


def test_an_output_that_is_a_folder_is_refused_before_the_work(
    lines: Lines, labelled_videos: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    words = ("--encoder", encoder_folder, "--out", tmp_path, "--workers", 0)
    code, _, errors = lines("embed", labelled_videos, *words)
    assert code == 1
    assert f"{tmp_path}: is a folder" in errors[-1]


def official_checkpoint(path: Path) -> VideoEncoder:
    """Write an encoder in the names of the authors' code."""
    config = EncoderConfig(
        backbone="slic/r3d10", arguments={"width": 0.0625}, head=HeadSpec(hidden=6, embedding=5)
    )
    encoder, state = VideoEncoder(config).eval(), {}
    for name, value in encoder.state_dict().items():
        head = ".".join(name.split(".")[:2])
        state[f"module.{name.removeprefix('backbone.').replace(head, NAMES.get(head, head))}"] = (
            value
        )
    torch.save({"state_dict": state}, path)
    return encoder


def test_an_imported_encoder_and_what_is_in_it(lines: Lines, tmp_path: Path) -> None:
    encoder = official_checkpoint(tmp_path / "theirs.pth.tar")
    out = tmp_path / "encoder"
    _, printed, _ = lines(
        "import-official", tmp_path / "theirs.pth.tar", out, "--trained-on", "ucf101"
    )
    weights = len(encoder.state_dict())
    assert "R3D-10, width 0.0625, clips of 16 x 128 x 128 pixels" in printed[0]
    assert f"all {weights} weights of the file are in it" in printed[0]
    assert printed[1] == "head: 6 hidden, 5 out."
    loaded = VideoEncoder.from_pretrained(out)
    assert loaded.clip.mean == NORMALISATION["ucf101"][0]
    first = "backbone.conv1.weight"
    assert torch.equal(loaded.state_dict()[first], encoder.state_dict()[first])
