"""The table of families: what it names exists in the library, and nothing else is accepted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from slic.errors import RecipeError
from slic.models.backbones.transformers import FAMILIES, TransformersBackbone
from slic.models.backbones.transformers.families import find_family, list_blocks
from slic.models.backbones.transformers.source import read_config

transformers = pytest.importorskip("transformers")
Saved = Callable[[str], Path]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_class_of_a_family_reads_its_model_type(name: str) -> None:
    network = getattr(transformers, FAMILIES[name].network)
    assert network.config_class.model_type == name


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_found_by_what_the_library_saves(name: str, saved: Saved) -> None:
    assert find_family(read_config(str(saved(name))), model="m") is FAMILIES[name]


def test_an_unknown_architecture_is_one_line_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"^m: the model type 'bert' .* Known: vjepa2, videomae"):
        find_family({"model_type": "bert"}, model="m")


def test_code_of_a_repository_is_refused_in_one_line() -> None:
    config = {"model_type": "internvideo2", "auto_map": {"AutoModel": "modeling.InternVideo2"}}
    with pytest.raises(RecipeError, match="The code in its repository is not run") as raised:
        find_family(config, model="org/name")
    assert "\n" not in str(raised.value)


def test_blocks_go_from_the_patches_to_the_output(saved: Saved) -> None:
    folder = str(saved("xclip"))
    network = TransformersBackbone(
        TransformersBackbone.native_clip(model=folder), model=folder
    ).network
    names = {module: name for name, module in network.named_modules()}
    blocks = list_blocks(network, FAMILIES["xclip"])
    placed = [
        [names[block]] if block in names else [names[part] for part in block.children()]
        for block in blocks
    ]
    assert placed == [
        ["vision_model.embeddings", "vision_model.pre_layernorm"],
        ["vision_model.encoder.layers.0"],
        ["vision_model.encoder.layers.1", "vision_model.post_layernorm", "visual_projection",
         "mit"],
    ]  # fmt: skip
