"""What the words of a recipe stand for."""

import math
from pathlib import Path

import pytest
import torch

from slic.errors import RecipeError
from slic.pretraining.parts import (
    clip_reader,
    learning_rate,
    mean_frame_share,
    new_encoder,
    new_optimizer,
)
from slic.recipe import TrainSettings, load_recipe
from slic.videos.catalog import Catalog


def test_a_new_encoder_depends_on_the_seed_and_on_nothing_else(tiny: Path) -> None:
    torch.manual_seed(1)
    next_number = torch.rand(1)
    torch.manual_seed(1)
    first = new_encoder(load_recipe(tiny)).fingerprint()
    assert torch.equal(torch.rand(1), next_number)  # the global generator was left as it was
    assert new_encoder(load_recipe(tiny)).fingerprint() == first
    assert new_encoder(load_recipe(tiny, ["--train.seed=1"])).fingerprint() != first


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_step_size_warms_up_then_stays_or_falls_to_nothing(schedule: str) -> None:
    settings = TrainSettings(
        learning_rate=0.2,
        schedule="cosine" if schedule == "cosine" else "constant",
        warmup_steps=4,
    )
    rates = [learning_rate(settings, step, 20) for step in range(21)]
    assert rates[:4] == pytest.approx([0.05, 0.10, 0.15, 0.20])
    after = [0.1 * (1 + math.cos(math.pi * s / 16)) for s in range(17)]
    assert rates[4:] == pytest.approx(after if schedule == "cosine" else [0.2] * 17)


def test_the_papers_optimizer(tiny: Path) -> None:
    encoder = new_encoder(load_recipe(tiny))
    optimizer = new_optimizer(encoder, load_recipe("paper-ucf101").train)
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.5, 0.0)
    assert len(group["params"]) == len(list(encoder.parameters()))


def test_mean_frame_is_unseen_before_its_span_and_whole_after_it() -> None:
    shares = [mean_frame_share((0.25, 0.75), step, 8) for step in range(9)]
    assert shares == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    assert [mean_frame_share((0.5, 0.5), step, 4) for step in range(5)] == [0, 0, 1, 1, 1]
    assert [mean_frame_share((0.0, 0.0), step, 4) for step in range(5)] == [1, 1, 1, 1, 1]


def test_a_network_without_channels_is_one_line(tiny: Path) -> None:
    with pytest.raises(RecipeError, match=r"no network can be built so \(width=0\.01: the first"):
        new_encoder(load_recipe(tiny, ["--encoder.width=0.01"]))


def test_prepared_flow_is_looked_for_where_a_round_or_a_look_needs_it(
    tiny: Path, catalog: Catalog
) -> None:
    def has_store(*words: str) -> bool:
        recipe = load_recipe(tiny, ["--sampling.flow_probability=0", *words])
        return clip_reader(recipe, catalog).store is not None

    assert has_store("--sampling.flow_probability=0.1")
    assert has_store("--clustering.view=flow")
    assert has_store("--clustering.first_view=flow")
    assert not has_store("--clustering.first_view=motion")
    assert not has_store("--clustering.view=flow", "--clustering.method=none")
