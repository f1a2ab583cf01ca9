"""Operations are counted layer by layer, and the stages of the paper by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from slic.evaluation.cost import (
    BENCHMARK_SIZES,
    experiment_stages,
    gflop_per_clip,
    pretraining_stage,
    seconds_per_flow_step,
    seconds_per_pass,
)
from slic.pretraining.build import build_encoder
from slic.recipe import Part, Recipe, load_recipe

SMALL = load_recipe("motion", ["--clip.size=32", "--backbone.width=0.25"])


@pytest.mark.parametrize("backbone", ["slic/r3d10", "slic/motion"])
def test_operations_are_those_of_every_layer(backbone: str) -> None:
    depth = {"depth": 10} if backbone == "slic/motion" else {}
    recipe = replace(SMALL, backbone=Part(backbone, {"width": 0.25} | depth))
    encoder, total = build_encoder(recipe).eval(), 0
    counted = gflop_per_clip(encoder)  # before the hooks below, which a copy would keep

    def count(layer: nn.Module, _: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv3d | nn.Linear)
        weights_of_one_output = layer.weight[0].numel()
        total += 2 * weights_of_one_output * out.numel()

    for layer in encoder.modules():
        if isinstance(layer, nn.Conv3d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        encoder(torch.zeros(1, 3, SMALL.clip.frames, 32, 32))
    if backbone == "slic/motion":  # and flow: smoothing is a product of matrices
        assert total < counted * 1e9 < 1.5 * total
    else:
        assert counted * 1e9 == pytest.approx(total)


def test_stages_of_the_paper_by_hand() -> None:
    stage = pretraining_stage(load_recipe("paper-ucf101"), BENCHMARK_SIZES["ucf101"].train)
    assert stage.trained == 600 * 9537 * 3
    assert stage.embedded == 120 * 9537
    assert stage.passes == 3 * stage.trained + stage.embedded
    no_clusters = load_recipe("paper-ucf101", ["--clustering.name=none"])
    assert pretraining_stage(no_clusters, 10).embedded == 0
    warm_up = load_recipe("paper-ucf101", ["--rounds.first_epoch=11"])
    assert pretraining_stage(warm_up, 10).embedded == len(range(11, 600, 5)) * 10
    no_temporal = load_recipe("paper-ucf101", ["--temporal.weight=0"])
    assert pretraining_stage(no_temporal, 10).trained == 600 * 10 * 2
    windows = len(range(0, 186 - 16 + 1, 8)) + 1  # and one for the two frames that are left
    _, ucf101, _, linear, _ = experiment_stages("classification", Recipe())
    assert (ucf101.trained, ucf101.embedded) == (150 * 9537, 3783 * windows * 10)
    assert (linear.trained, linear.embedded) == (0, 150 * 9537 + 3783 * windows * 10)
    kinetics, *after = experiment_stages("kinetics", load_recipe("paper-kinetics400"))
    assert kinetics.trained == 340 * 240_000 * 3
    assert after == experiment_stages("classification", Recipe())[1:]
    assert [s.name.split()[0] for s in experiment_stages("retrieval", Recipe())] == [
        "pretraining,",
        "retrieval",
        "retrieval",
    ]


def test_timed_steps_take_time() -> None:
    assert seconds_per_pass(build_encoder(SMALL), bf16=False, clips=2, repetitions=1) > 0
    assert seconds_per_flow_step(SMALL, repetitions=1) > 0
