"""A run is built from its recipe, and only its seed decides the first weights."""

from pathlib import Path

import pytest
import torch

from slic.errors import RecipeError
from slic.pretraining.build import build_encoder, build_reader
from slic.recipe import load_recipe
from slic.videos.catalog import Catalog


def test_a_new_encoder_depends_on_the_seed_and_on_nothing_else(tiny: Path) -> None:
    torch.manual_seed(1)
    next_number = torch.rand(1)
    torch.manual_seed(1)
    first = build_encoder(load_recipe(tiny)).fingerprint()
    assert torch.equal(torch.rand(1), next_number)  # the global generator was left as it was
    assert build_encoder(load_recipe(tiny)).fingerprint() == first
    assert build_encoder(load_recipe(tiny, ["--train.seed=1"])).fingerprint() != first


def test_a_network_without_channels_is_one_line(tiny: Path) -> None:
    with pytest.raises(RecipeError, match=r"width is 0\.01, but it must be large enough"):
        build_encoder(load_recipe(tiny, ["--backbone.width=0.01"]))


def test_prepared_flow_is_looked_for_where_a_round_or_a_look_needs_it(
    tiny: Path, catalog: Catalog
) -> None:
    def has_store(*words: str) -> bool:
        recipe = load_recipe(tiny, ["--sampling.flow_probability=0", *words])
        return build_reader(recipe, catalog).store is not None

    assert has_store("--sampling.flow_probability=0.1")
    assert has_store("--rounds.inputs=[flow]")
    assert has_store("--rounds.first_inputs=[flow]")
    assert not has_store("--rounds.first_inputs=[motion]")
    assert not has_store("--rounds.inputs=[flow]", "--clustering.name=none")


def test_at_a_fixed_rate_clips_have_that_rate_and_flow_is_computed(
    tiny: Path, catalog: Catalog
) -> None:
    recipe = load_recipe(tiny, ["--sampling.flow_probability=0.5", "--clip.fps=12.5"])
    reader = build_reader(recipe, catalog)
    assert (reader.fps, reader.store) == (12.5, None)  # flow is stored from frame to frame
    assert build_encoder(recipe).clip.fps == 12.5
