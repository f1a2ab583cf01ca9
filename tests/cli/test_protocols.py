"""Constructor arguments become options; finetune, linear and probe are run by their protocol."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from slic.cli.protocols import add_constructor_options

Lines = Callable[..., tuple[int, list[str], list[str]]]


@dataclass(kw_only=True)
class Settings:
    """Settings of every kind.

    Attributes:
        count: How many, at most 100 %.
        rate: How fast,
            in two lines.
    """

    count: int = 3
    rate: float | None = None
    kind: Literal["a", "b"] = "a"
    quick: bool = False
    checked: bool = True
    out: Path
    others: list[int] = field(default_factory=list)


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser()
    add_constructor_options(parser, Settings)
    return parser


def test_options_have_the_types_of_the_constructor(parser: ArgumentParser) -> None:
    words = ["--count=4", "--rate=0.5", "--kind=b", "--quick", "--no-checked", "--out=x"]
    assert vars(parser.parse_args(words)) == {
        "count": 4, "rate": 0.5, "kind": "b", "quick": True, "checked": False, "out": Path("x")
    }  # fmt: skip
    assert vars(parser.parse_args(["--out=x"])) == {"out": Path("x")}  # what is given, no more


@pytest.mark.parametrize("words", [[], ["--out=x", "--kind=c"], ["--out=x", "--others=1"]])
def test_other_words_are_wrong_usage(parser: ArgumentParser, words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(words)


def test_the_help_is_that_of_the_docstring(parser: ArgumentParser) -> None:
    text = " ".join(parser.format_help().split())
    assert "--count COUNT How many, at most 100 %. (default: 3)" in text
    assert "--rate RATE How fast, in two lines. --kind" in text


@pytest.mark.parametrize(
    ("name", "options", "description"),
    [
        (
            "linear",
            ["--epochs=1", "--dropout=0"],
            "linear: linear layer on a frozen backbone, 1",
        ),
        ("finetune", ["--epochs=1"], "finetune: backbone and linear layer, 1 epochs in batches of"),
        ("probe", ["--clips=2"], "probe: L2 logistic regression (C = "),
    ],
)
def test_a_classification_prints_and_writes_scores_with_the_protocol(
    lines: Lines,
    labelled_videos: Path,
    encoder_folder: Path,
    tmp_path: Path,
    name: str,
    options: list[str],
    description: str,
) -> None:
    labels, scores = labelled_videos / "labels.csv", tmp_path / "scores.json"
    words = [labelled_videos, "--encoder", encoder_folder, "--labels", labels, "--workers=0"]
    out = [] if name == "probe" else ["--out", tmp_path / "run"]
    code, printed, err = lines(
        "evaluate", name, *words, *options, *out, "--json", scores, "--from-scratch"
    )
    assert code == 0, err
    as_json = json.loads(scores.read_text())
    assert as_json["protocol"].startswith(description)
    assert printed[0] == f"classification ({as_json['protocol']})"
    assert printed[-1] == f"encoder {as_json['encoder']} (from scratch)"
    assert (as_json["from_scratch"], as_json["absent"]) == (True, ["gone.mp4"])
    assert as_json["splits"] == "train train, test test"
    assert as_json["settings"]["seed"] == 0


def test_an_impossible_setting_is_named_before_the_work(
    lines: Lines, labelled_videos: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    labels = labelled_videos / "labels.csv"
    words = [labelled_videos, "--encoder", encoder_folder, "--labels", labels]
    code, _, err = lines(
        "evaluate", "finetune", *words, "--weight-decay=-1", "--out", tmp_path / "x"
    )
    assert (code, err) == (1, ["slic: weight_decay is -1.0, but it must be 0 or more."])
    assert not (tmp_path / "x").exists()
