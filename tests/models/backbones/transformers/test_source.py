"""A file of a model that is missing or damaged is one clear line, and nothing is executed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.errors import CheckpointError, RecipeError, SlicError
from slic.models.backbones.transformers import TransformersBackbone

transformers = pytest.importorskip("transformers")
Saved = Callable[[str], Path]


@pytest.fixture
def model(saved: Saved, tmp_path: Path) -> Path:
    """Return a copy of a model that a test may damage."""
    return Path(shutil.copytree(saved("videomae"), tmp_path / "model"))


def load(model: Path | str) -> TransformersBackbone:
    clip = TransformersBackbone.native_clip(model=str(model))
    backbone = TransformersBackbone(clip, model=str(model))
    backbone.load_pretrained()
    return backbone


def error_of(model: Path | str) -> str:
    with pytest.raises((CheckpointError, RecipeError)) as raised:
        load(model)
    text = str(raised.value)
    assert text.startswith(str(model))
    assert "\n" not in text
    return text


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.json", "there is no config.json"),
        ("video_preprocessor_config.json", "the frame size and the normalisation are unknown"),
        ("model.safetensors", "weights cannot be read"),
    ],
)
def test_a_missing_file_is_named(name: str, words: str, model: Path) -> None:
    (model / name).unlink()
    assert words in error_of(model)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.json", "not valid JSON"),
        ("video_preprocessor_config.json", "not valid JSON"),
        ("model.safetensors", "weights cannot be read"),
    ],
)
def test_a_truncated_file_is_named(name: str, words: str, model: Path) -> None:
    data = (model / name).read_bytes()
    (model / name).write_bytes(data[: len(data) // 2])
    assert words in error_of(model)


def test_json_that_is_no_object_is_refused(model: Path) -> None:
    (model / "config.json").write_text("[1]")
    assert "not a JSON object" in error_of(model)


def test_an_unknown_architecture_is_refused(model: Path) -> None:
    edit(model / "config.json", model_type="bert")
    assert "'bert'" in error_of(model)


def test_code_in_the_folder_is_not_run(model: Path) -> None:
    """A known architecture is built by the library, whatever the repository offers instead."""
    code = f"open({str(model / 'was_run')!r}, 'w')\nclass Net: pass\nclass Config: pass\n"
    (model / "modeling.py").write_text(code)
    before = load(model).state_dict()
    auto_map = {"AutoModel": "modeling.Net", "AutoConfig": "modeling.Config"}
    edit(model / "config.json", auto_map=auto_map)
    after = load(model).state_dict()
    assert all(after[name].equal(value) for name, value in before.items())
    edit(model / "config.json", auto_map=auto_map, model_type="own")
    assert "is not run" in error_of(model)
    assert not (model / "was_run").exists()


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert "there is no such folder" in error_of(tmp_path / "absent")


def test_a_hub_id_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    text = error_of("nobody/nothing")
    assert "cannot be fetched from the hub" in text
    assert "There is no folder of this name either" in text


def test_a_hub_id_is_read_from_the_cache(
    saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    import torch

    revision = "0" * 40
    repository = tmp_path / "models--org--small"
    shutil.copytree(saved("xclip"), repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    cached, local = load("org/small").eval(), load(saved("xclip")).eval()
    clips = torch.rand(1, 3, 4, 32, 32)
    with torch.no_grad():
        assert torch.equal(cached(clips), local(clips))
    assert torch.equal(cached.encode_text(["a cat"]), local.encode_text(["a cat"]))


def test_a_damaged_tokenizer_is_one_line(saved: Saved, tmp_path: Path) -> None:
    model = shutil.copytree(saved("clip"), tmp_path / "model")
    (model / "tokenizer.json").write_text("{")
    backbone = load(model)
    with pytest.raises(CheckpointError, match="the tokenizer cannot be read") as raised:
        backbone.encode_text(["a"])
    assert "\n" not in str(raised.value)


def test_without_the_library_one_line_says_how_to_install_it(
    saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(SlicError, match=r"pip install 'slic-video\[transformers\]'"):
        TransformersBackbone.native_clip(model=str(saved("clip")))
