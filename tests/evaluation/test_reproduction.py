"""The printed commands are ones that ``slic`` takes, and only comparable runs are read."""

import json
import shlex
from pathlib import Path
from typing import get_args

import pytest

from slic.cli import build_parser
from slic.cli.protocols import build_protocol_parser
from slic.cli.retrieval import build_retrieval_parser
from slic.errors import ProtocolError, SlicError
from slic.evaluation import find_protocol
from slic.evaluation.reproduction import (
    PAPER_TABLES,
    PaperTable,
    markdown_table,
    reproduced_rows,
    reproduction_commands,
)

ROOTS = {"ucf101": "my videos/UCF101", "hmdb51": "HMDB51", "kinetics400": "K400"}


@pytest.mark.parametrize("table", get_args(PaperTable))
def test_the_command_takes_every_line(table: PaperTable) -> None:
    parser = build_parser()
    lines = reproduction_commands(table, roots=ROOTS, runs="runs", seeds=range(2))
    for line in lines:
        program, *words = shlex.split(line)
        arguments, rest = parser.parse_known_args(words)
        assert program == "slic"
        assert rest == ([w for w in words if w.startswith("--train.seed=")])
        assert callable(arguments.verb)
        if words[0] == "evaluate":  # this verb parses its words later
            name = arguments.name
            if name == "retrieval":
                build_retrieval_parser(name).parse_args(arguments.words)
            else:
                build_protocol_parser(name, find_protocol(name)).parse_args(arguments.words)
    assert len(lines) == len(set(lines))
    assert sum("pretrain" in line for line in lines) == 2


def retrieval_scores(**other: object) -> dict[str, object]:
    """Return the part of `slic evaluate retrieval --json` on UCF101 that is read."""
    scores = {"recall": {"1": 0.7, "5": 0.9}, "protocol": "paper: head output, mean over 10 clips"}
    return scores | {"labels": "ucf101:1", "splits": "queries test, gallery train"} | other


def finetune_scores(**other: object) -> dict[str, object]:
    """Return the part of `slic evaluate finetune --json` on HMDB51 that is read."""
    scores = {
        "top_1": 0.5,
        "protocol": "finetune: backbone and linear layer",
        "from_scratch": False,
    }
    scores |= {
        "labels": "hmdb51:1",
        "splits": "train train, test test",
        "settings": {"epochs": 150, "test_aspect": "kept"},
    }
    return scores | other


def test_rows_have_the_published_and_our_numbers(tmp_path: Path) -> None:
    for name, share in (("seed0", 0.70), ("seed1", 0.74), ("ablation", 0.1)):
        folder = tmp_path / name
        folder.mkdir()
        scores = json.dumps(retrieval_scores(recall={"1": share, "5": 0.9}))
        (folder / "retrieval-ucf101.json").write_text(scores)
    (tmp_path / "seed1" / "finetune-hmdb51.json").write_text(json.dumps(finetune_scores()))
    ucf101, hmdb51 = reproduced_rows("retrieval", tmp_path)
    assert ucf101[1:4] == ("71.6", "72.0 ± 2.8", "2")
    assert hmdb51[1:4] == ("28.9", "not run", "0")
    assert reproduced_rows("classification", tmp_path)[1][1:4] == ("54.5", "50.0", "1")


def test_rows_that_are_not_quoted_have_our_numbers_alone(tmp_path: Path) -> None:
    for folder, share in (("seed0", 0.4), ("kinetics400-seed0", 0.6)):
        (tmp_path / folder).mkdir()
        scores = finetune_scores(protocol="linear: linear layer", top_1=share)
        (tmp_path / folder / "linear-hmdb51.json").write_text(json.dumps(scores))
    assert reproduced_rows("classification", tmp_path)[-1][1:4] == ("not quoted", "40.0", "1")
    assert reproduced_rows("kinetics", tmp_path)[-1][1:4] == ("not quoted", "60.0", "1")


def test_only_the_four_numbers_that_we_are_certain_of_are_quoted() -> None:
    quoted = [
        (row.dataset, row.kind, row.percent)
        for rows in PAPER_TABLES.values()
        for row in rows
        if row.percent is not None
    ]
    assert quoted == [
        ("ucf101", "retrieval", 71.6),
        ("hmdb51", "retrieval", 28.9),
        ("ucf101", "finetune", 83.2),
        ("hmdb51", "finetune", 54.5),
    ]


def test_kinetics_runs_are_pretrained_on_kinetics_in_folders_of_their_own() -> None:
    lines = reproduction_commands("kinetics", roots=ROOTS, runs="runs", seeds=[0])
    assert lines[0] == "slic data check kinetics400 K400"
    (pretrain,) = (line for line in lines if line.startswith("slic pretrain"))
    assert "K400 --labels kinetics400 --split train --recipe paper-kinetics400" in pretrain
    assert all("runs/kinetics400-seed0" in line for line in lines if "evaluate" in line)
    assert sum("evaluate linear" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("file", "scores", "difference"),
    [
        ("retrieval-ucf101", retrieval_scores(protocol="backbone: x"), "protocol is 'backbone'"),
        ("retrieval-ucf101", retrieval_scores(labels="labels.csv"), "labels is 'labels.csv'"),
        ("retrieval-ucf101", retrieval_scores(splits="queries test, gallery test"), "splits is"),
        ("finetune-hmdb51", finetune_scores(from_scratch=True), "from_scratch is True"),
        ("finetune-hmdb51", finetune_scores(settings={"epochs": 2}), "epochs is 2"),
        ("finetune-hmdb51", finetune_scores(settings={"epochs": 150}), "test_aspect is None"),
        ("finetune-hmdb51", finetune_scores(protocol="linear: x"), "protocol is 'linear'"),
    ],
)
def test_scores_under_other_conditions_are_refused(
    file: str, scores: dict[str, object], difference: str, tmp_path: Path
) -> None:
    (tmp_path / "seed0").mkdir()
    (tmp_path / "seed0" / f"{file}.json").write_text(json.dumps(scores))
    table: PaperTable = "retrieval" if "retrieval" in file else "classification"
    with pytest.raises(ProtocolError, match=f"{file}.json: its {difference}"):
        reproduced_rows(table, tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"recall": {}}', "[1]", '{"top_1": 1, "protocol": 2}'])
def test_a_file_without_scores_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "seed0").mkdir()
    file = tmp_path / "seed0" / PAPER_TABLES["retrieval"][0].scores_file
    file.write_text(text)
    with pytest.raises(SlicError, match=file.name) as caught:
        reproduced_rows("retrieval", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_table_lines_up() -> None:
    assert markdown_table([("a", "1.5"), ("bcd", "2")], ("", "x")).splitlines() == [
        "|     | x   |",
        "| --- | --- |",
        "| a   | 1.5 |",
        "| bcd | 2   |",
    ]
