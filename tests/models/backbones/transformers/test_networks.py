"""A network has the weights of its files, whatever class of the library saved them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slic.errors import CheckpointError, RecipeError
from slic.models.backbones.transformers import FAMILIES, TransformersBackbone, source

transformers = pytest.importorskip("transformers")
Saved = Callable[[str], Path]


@pytest.fixture
def model(saved: Saved, tmp_path: Path) -> Path:
    """Return a copy of a model that a test may damage."""
    return Path(shutil.copytree(saved("videomae"), tmp_path / "model"))


def load(model: Path) -> TransformersBackbone:
    clip = TransformersBackbone.native_clip(model=str(model))
    made = TransformersBackbone(clip, model=str(model))
    made.load_pretrained()
    return made


def error_of(model: Path) -> str:
    with pytest.raises(CheckpointError) as raised:
        load(model)
    text = str(raised.value)
    assert text.startswith(str(model))
    assert "\n" not in text
    return text


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


SAVED_AS = {
    "VJEPA2ForVideoClassification": "vjepa2",
    "VideoMAEModel": "videomae",
    "VideoMAEForPreTraining": "videomae",
    "TimesformerModel": "timesformer",
    "VivitModel": "vivit",
    "VideoPrismForVideoClassification": "videoprism_vision_model",
    "VideoPrismVideoModel": "videoprism_vision_model",
}


@pytest.mark.parametrize("name", SAVED_AS)
def test_any_class_of_the_family_may_have_saved_the_weights(
    name: str, saved: Saved, tmp_path: Path
) -> None:
    folder = saved(SAVED_AS[name])
    network_class = getattr(transformers, name)
    network = network_class(network_class.config_class.from_pretrained(folder))
    shutil.copytree(folder, tmp_path / "model")
    network.save_pretrained(tmp_path / "model")
    theirs = network.state_dict()
    for ours, value in load(tmp_path / "model").network.state_dict().items():
        if not ours.startswith("fc_norm."):  # only the classifier of VideoMAE has it
            (match,) = [
                n for n in theirs if n == ours or n.endswith(f".{ours}") or ours.endswith(f".{n}")
            ]
            assert torch.equal(value, theirs[match])


def test_weights_may_be_in_several_files(saved: Saved, tmp_path: Path) -> None:
    whole = load(saved("xclip"))
    shutil.copytree(saved("xclip"), tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    network = transformers.XCLIPModel.from_pretrained(saved("xclip"))
    network.save_pretrained(tmp_path / "model", max_shard_size="50KB")
    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 1
    parts = load(tmp_path / "model").state_dict()
    assert all(parts[name].equal(value) for name, value in whole.state_dict().items())


def test_half_precision_weights_become_fp32(saved: Saved, tmp_path: Path) -> None:
    shutil.copytree(saved("vivit"), tmp_path / "model")
    network = transformers.VivitForVideoClassification.from_pretrained(saved("vivit"))
    network.half().save_pretrained(tmp_path / "model")
    assert {value.dtype for value in load(tmp_path / "model").parameters()} == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_features_do_not_need_is_removed_or_not_trained(family: str, saved: Saved) -> None:
    made = load(saved(family))
    names = [name for name, weight in made.network.named_parameters() if not weight.requires_grad]
    assert all(name.startswith(FAMILIES[family].frozen) for name in names)
    assert bool(names) == bool(FAMILIES[family].frozen)
    assert not [n for n in made.state_dict() if "predictor" in n or "classifier" in n]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_an_exported_graph_takes_any_number_of_clips(family: str, saved: Saved) -> None:
    made = load(saved(family)).eval()
    clip = made.clip
    clips = torch.randn(3, 3, clip.frames, clip.size, clip.size)
    any_number = ({0: torch.export.Dim.DYNAMIC},)
    with torch.no_grad():
        program = torch.export.export(made, (clips[:2],), dynamic_shapes=any_number)
        assert (program.module()(clips) - made(clips)).abs().max() < 1e-5


def test_a_configuration_that_does_not_fit_the_weights(model: Path) -> None:
    edit(model / "config.json", intermediate_size=48)
    text = error_of(model)
    assert "of another shape: " in text
    assert "(64,) instead of (48,)" in text


def test_a_configuration_that_contradicts_itself(model: Path) -> None:
    edit(model / "config.json", hidden_size=30)
    assert "cannot be built" in error_of(model)


def test_a_configuration_with_a_value_of_another_type(model: Path) -> None:
    edit(model / "config.json", hidden_size="wide")
    assert "invalid config.json" in error_of(model)


def test_weights_that_a_configuration_asks_for_are_missing(model: Path) -> None:
    edit(model / "config.json", num_hidden_layers=3)
    assert "missing: videomae.encoder.layer.2." in error_of(model)


def test_pickled_weights_may_hold_tensors_only(model: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    torch.save(state, model / "pytorch_model.bin")
    assert load(model).state_dict()["network.fc_norm.weight"].equal(state["fc_norm.weight"])
    torch.save(state | {"code": print}, model / "pytorch_model.bin")
    assert "weights cannot be read" in error_of(model)


def test_an_old_library_says_so(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        __version__ = "5.0.0"

    monkeypatch.setattr(source, "load_library", lambda _: Old)
    with pytest.raises(RecipeError, match=r"transformers 5\.0\.0 has no CLIPModel"):
        TransformersBackbone.native_clip(model=str(saved("clip")))
