"""The loop calls its parts in the order of the paper, and its draws depend on seed and step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from slic.callbacks import Callback
from slic.clips.samples import TrainingSample
from slic.clustering.base import PseudoLabels
from slic.pretraining.build import build_run
from slic.pretraining.distributed import Processes
from slic.pretraining.loop import Run, labels_of, step_generator, train
from slic.recipe import load_recipe
from slic.videos.catalog import Catalog

EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


@pytest.fixture
def run(tiny: Path, catalog: Catalog) -> Run:
    recipe = load_recipe(tiny, ["--sampling.flow_probability=0"])
    return build_run(recipe, catalog, Processes(Accelerator(cpu=True)), progress=False)


def noting(heard: list[str]) -> Callback:
    callback = Callback()
    for event in EVENTS:
        setattr(callback, event, lambda *_, name=event: heard.append(name.removeprefix("on_")))
    return callback


def test_rounds_epochs_and_steps_come_in_order(run: Run) -> None:
    heard: list[str] = []
    run.callbacks.callbacks.append(noting(heard))
    train(run)
    a_round, a_step = ["round_begin", "clustered"], ["step_begin", "step_end"]
    an_epoch = ["epoch_begin", *a_step * 3, "epoch_end"]
    assert heard == ["start", *a_round, *an_epoch, *an_epoch, *a_round, *an_epoch, "end"]
    assert (run.state.epoch, run.state.batch, run.state.step) == (3, 0, 9)
    assert run.total_steps == 9


def test_a_resumed_epoch_skips_its_round_and_its_finished_batches(run: Run) -> None:
    heard: list[str] = []
    run.callbacks.callbacks.append(noting(heard))
    run.state.pseudo_labels = {"embedding": PseudoLabels(np.arange(12) % 4)}
    run.state.epoch, run.state.batch, run.state.step = 2, 1, 7
    train(run)
    assert heard.count("clustered") == 0
    assert heard.count("step_end") == 2


def test_labels_follow_the_videos_of_a_batch(run: Run) -> None:
    run.state.pseudo_labels = {
        "appearance": PseudoLabels(np.arange(12) % 3),
        "motion": PseudoLabels(np.arange(12) % 4),
    }
    videos, partners = torch.tensor([5, 0, 10]), torch.tensor([8, 0, 1])
    batch = TrainingSample(torch.zeros(3, 2, 5), videos, partners, torch.zeros(3))
    assert labels_of(run, batch).tolist() == [
        [[2, 1], [2, 0]],  # 5 and 8: the remainders of 3, and of 4
        [[0, 0], [0, 0]],
        [[1, 2], [1, 1]],
    ]


def test_draws_of_a_step_depend_on_seed_and_step_only(run: Run) -> None:
    def draw(seed: int, step: int) -> float:
        run.seed, run.state.step = seed, step
        return float(torch.rand(1, generator=step_generator(run)))

    assert draw(3, 5) == draw(3, 5)
    assert len({draw(seed, step) for seed in range(4) for step in range(4)}) == 16


def test_training_changes_the_weights_and_leaves_the_encoder_itself(run: Run) -> None:
    before = {name: value.clone() for name, value in run.encoder.state_dict().items()}
    train(run)
    after: dict[str, Any] = run.encoder.state_dict()
    assert any(not torch.equal(after[name], value) for name, value in before.items())
    assert run.model is run.encoder
