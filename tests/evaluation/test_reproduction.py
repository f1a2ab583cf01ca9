"""The printed commands are ones that `slic` takes; costs are counted layer by layer."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn

from slic.cli import build_parser, main
from slic.errors import SlicError
from slic.evaluation import cost
from slic.evaluation.cost import (
    SETS,
    finetune_stage,
    gflop_per_clip,
    pretraining_stage,
    seconds_per_flow_step,
    seconds_per_pass,
    stages,
)
from slic.evaluation.reproduction import TABLES, Table, as_table, commands, outcomes
from slic.pretraining.parts import new_encoder
from slic.recipe import Recipe, load_recipe

ROOTS = {"ucf101": "my videos/UCF101", "hmdb51": "HMDB51"}
SMALL = load_recipe("best", ["--clip.size=32", "--encoder.width=0.25"])


@pytest.mark.parametrize("table", get_args(Table))
def test_the_command_takes_every_line(table: Table) -> None:
    parser = build_parser()
    lines = commands(table, roots=ROOTS, runs="runs", seeds=range(2))
    for line in lines:
        program, *words = shlex.split(line)
        arguments, rest = parser.parse_known_args(words)
        assert program == "slic"
        assert rest == ([w for w in words if w.startswith("--train.seed=")])
        assert callable(arguments.verb)
    assert len(lines) == len(set(lines))
    assert sum("pretrain" in line for line in lines) == 2


def retrieval_scores(**other: object) -> dict[str, object]:
    """Return what `slic evaluate retrieval --json` writes of UCF101, as far as it is read."""
    told = {"recall": {"1": 0.7, "5": 0.9}, "protocol": "paper: head output, mean over 10 clips"}
    return told | {"labels": "ucf101:1", "splits": "queries test, gallery train"} | other


def finetune_scores(**other: object) -> dict[str, object]:
    """Return what `slic evaluate finetune --json` writes of HMDB51, as far as it is read."""
    told = {"top_1": 0.5, "protocol": "finetune: backbone and linear layer", "from_scratch": False}
    told |= {"labels": "hmdb51:1", "splits": "train train, test test", "settings": {"epochs": 150}}
    return told | other


def test_runs_stand_beside_the_published_numbers(tmp_path: Path) -> None:
    for name, share in (("seed0", 0.70), ("seed1", 0.74), ("ablation", 0.1)):
        folder = tmp_path / name
        folder.mkdir()
        scores = json.dumps(retrieval_scores(recall={"1": share, "5": 0.9}))
        (folder / "retrieval-ucf101.json").write_text(scores)
    (tmp_path / "seed1" / "finetune-hmdb51.json").write_text(json.dumps(finetune_scores()))
    ucf101, hmdb51 = outcomes("retrieval", tmp_path)
    assert ucf101.cells()[1:4] == ("71.6", "72.0 ± 2.8", "2")  # sqrt(((2)^2 + (2)^2) / 1) = 2.83
    assert hmdb51.cells()[1:4] == ("28.9", "not run", "0")
    assert outcomes("classification", tmp_path)[1].cells()[1:4] == ("54.5", "50.0", "1")


@pytest.mark.parametrize(
    ("file", "scores", "difference"),
    [
        ("retrieval-ucf101", retrieval_scores(protocol="backbone: x"), "protocol is 'backbone'"),
        ("retrieval-ucf101", retrieval_scores(labels="labels.csv"), "labels is 'labels.csv'"),
        ("retrieval-ucf101", retrieval_scores(splits="queries test, gallery test"), "splits is"),
        ("finetune-hmdb51", finetune_scores(from_scratch=True), "from_scratch is True"),
        ("finetune-hmdb51", finetune_scores(settings={"epochs": 2}), "epochs is 2"),
        ("finetune-hmdb51", finetune_scores(protocol="linear: x"), "protocol is 'linear'"),
    ],
)
def test_numbers_made_in_another_way_do_not_stand_beside_the_papers(
    file: str, scores: dict[str, object], difference: str, tmp_path: Path
) -> None:
    (tmp_path / "seed0").mkdir()
    (tmp_path / "seed0" / f"{file}.json").write_text(json.dumps(scores))
    table: Table = "retrieval" if "retrieval" in file else "classification"
    with pytest.raises(SlicError, match=f"{file}.json: its {difference}"):
        outcomes(table, tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"recall": {}}', "[1]", '{"top_1": 1, "protocol": 2}'])
def test_a_file_without_scores_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "seed0").mkdir()
    file = tmp_path / "seed0" / TABLES["retrieval"][0].file
    file.write_text(text)
    with pytest.raises(SlicError, match=file.name) as caught:
        outcomes("retrieval", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_table_lines_up() -> None:
    assert as_table([("a", "1.5"), ("bcd", "2")], ("", "x")).splitlines() == [
        "|     | x   |",
        "| --- | --- |",
        "| a   | 1.5 |",
        "| bcd | 2   |",
    ]


@pytest.mark.parametrize("motion", [False, True])
def test_operations_are_those_of_every_layer(motion: bool) -> None:
    settings = replace(SMALL.encoder, motion=motion)
    encoder, total = new_encoder(replace(SMALL, encoder=settings)).eval(), 0
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
    if motion:  # and what the flow takes: smoothing is a product of matrices
        assert total < counted * 1e9 < 1.5 * total
    else:
        assert counted * 1e9 == pytest.approx(total)


def test_stages_of_the_paper_by_hand() -> None:
    stage = pretraining_stage(load_recipe("paper-ucf101"), SETS["ucf101"].train)
    assert stage.trained == 600 * 9537 * 3
    assert stage.embedded == 120 * 9537
    assert stage.passes == 3 * stage.trained + stage.embedded
    no_clusters = load_recipe("paper-ucf101", ["--clustering.method=none"])
    assert pretraining_stage(no_clusters, 10).embedded == 0
    no_temporal = load_recipe("paper-ucf101", ["--loss.temporal_weight=0"])
    assert pretraining_stage(no_temporal, 10).trained == 600 * 10 * 2
    windows = len(range(0, 186 - 16 + 1, 8)) + 1  # and one for the two frames that are left
    assert finetune_stage("ucf101").embedded == 3783 * windows * 10
    assert [s.name.split()[0] for s in stages("retrieval", Recipe())] == [
        "pretraining,",
        "retrieval",
        "retrieval",
    ]


def test_steps_take_time() -> None:
    assert seconds_per_pass(new_encoder(SMALL), bf16=False, clips=2, repetitions=1) > 0
    assert seconds_per_flow_step(SMALL, repetitions=1) > 0


def test_the_command_prints_all_three_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = cost.Estimate(gflop=111.2, seconds=0.5, device="a slow machine")
    monkeypatch.setattr(cost, "estimate", lambda _, **__: measured)
    monkeypatch.setattr(cost, "seconds_per_flow_step", lambda _: 0.2)
    main(["reproduce", "retrieval", "--seeds", "1", "--ucf101", "a b"])
    said = capsys.readouterr().out
    assert "slic pretrain 'a b' --labels ucf101:1 --split train --recipe paper-ucf101" in said
    passes = 3 * 600 * 9537 * 3 + 120 * 9537
    assert f"{passes * 0.5 / 3600:,.0f}" in said
    assert said.count("not run") == 2
    steps = (9537 + 3783) * (186 - 1)
    assert f"{steps * 0.2 / 3600:,.0f} hours of one core" in said
