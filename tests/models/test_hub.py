"""Encoders go to the Hub and come back as they were, and nothing of a repository is executed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from slic.errors import CheckpointError, FormatError, WriteError
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.models.hub import is_hub_id
from slic.models.sources import open_encoder

CONFIG = EncoderConfig(
    backbone="slic/r3d10",
    arguments={"width": 0.0625},
    head=HeadSpec(hidden=8, embedding=4),
    clip=ClipSpec(frames=4, size=16),
)


def small_encoder(seed: int = 0) -> VideoEncoder:
    torch.manual_seed(seed)
    return VideoEncoder(CONFIG).eval()


def test_an_encoder_comes_back_from_the_hub_as_it_was(hub: Any) -> None:
    encoder = small_encoder()
    address = encoder.push_to_hub("org/name", card="# Name\n", private=True)
    assert address == "https://hub/org/name/commit/1"
    assert hub.uploads == [("org/name", None, f"Encoder {encoder.fingerprint()}", True)]
    files = sorted(path.name for path in hub.path("org/name").iterdir())
    assert files == ["README.md", "config.json", "model.safetensors"]
    assert VideoEncoder.from_pretrained("org/name").fingerprint() == encoder.fingerprint()
    assert open_encoder("org/name").fingerprint() == encoder.fingerprint()


def test_a_revision_is_read_and_written(hub: Any) -> None:
    first, second = small_encoder(0), small_encoder(1)
    first.push_to_hub("org/name")
    second.push_to_hub("org/name", revision="v2")
    assert not (hub.path("org/name") / "README.md").exists()
    for read in (
        VideoEncoder.from_pretrained("org/name", revision="v2"),
        open_encoder("org/name@v2"),
    ):
        assert read.fingerprint() == second.fingerprint()
    assert VideoEncoder.from_pretrained("org/name").fingerprint() == first.fingerprint()
    with pytest.raises(CheckpointError, match=r"org/name: .* from the Hub at v3 \(404 Not Found"):
        VideoEncoder.from_pretrained("org/name", revision="v3")


def test_code_of_a_repository_is_neither_downloaded_nor_imported(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_encoder().push_to_hub("org/name")
    folder, mark = hub.path("org/name"), tmp_path / "executed"
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Net: ...\n")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"backbone": "evil:Net"}))
    shutil.copy(folder / "evil.py", tmp_path)  # even where the name can be imported
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CheckpointError, match=r"the class 'evil:Net', which is not of this"):
        VideoEncoder.from_pretrained("org/name")
    assert not mark.exists()
    assert not list(tmp_path.rglob("snapshot-*/evil.py"))


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("config.json", b"{", CheckpointError, "not the configuration of an encoder"),
        ("config.json", b'{"format": 1}', FormatError, "format version 1, but this package"),
        ("model.safetensors", b"half", CheckpointError, "weights cannot be read"),
    ],
)
def test_damaged_files_of_a_repository_are_one_line(
    hub: Any, name: str, content: bytes, error: type[Exception], message: str
) -> None:
    small_encoder().push_to_hub("org/name")
    (hub.path("org/name") / name).write_bytes(content)
    with pytest.raises(error, match=message) as caught:
        VideoEncoder.from_pretrained("org/name")
    assert "\n" not in str(caught.value)


def test_an_upload_that_fails_is_one_line_with_the_way_out(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError("401 Unauthorized.\nRequest ID: 1")

    monkeypatch.setattr(hub, "upload_folder", refuse)
    with pytest.raises(WriteError) as caught:
        small_encoder().push_to_hub("org/name")
    assert str(caught.value) == (
        "org/name: cannot be written on the Hub (401 Unauthorized). "
        "Log in with `hf auth login`, with a token that may write."
    )


@pytest.mark.usefixtures("hub")
def test_a_mistyped_folder_is_not_sought_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    assert is_hub_id("org/name")
    assert not is_hub_id("run/encodr")
    assert not is_hub_id("run")
    assert not is_hub_id("../org/name")
    assert not is_hub_id("org/name/part")
    with pytest.raises(CheckpointError, match=r"run/encodr/config\.json: there is no encoder"):
        VideoEncoder.from_pretrained("run/encodr")
    with pytest.raises(CheckpointError, match=r"org/none: there is no such folder, and it cannot"):
        VideoEncoder.from_pretrained("org/none")
    with pytest.raises(CheckpointError, match="is a folder, which has no revision 'v1'"):
        VideoEncoder.from_pretrained("run", revision="v1")
