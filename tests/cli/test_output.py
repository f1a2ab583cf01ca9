"""What verbs print and write."""

import json
import math
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from slic.cli.output import (
    STDOUT,
    as_json,
    format_command,
    json_writer,
    print_result,
    print_table,
    printable,
)


def test_characters_that_control_a_terminal_are_replaced() -> None:
    assert printable("a\x1b[31mX\nY.mp4") == "a\ufffd[31mX\ufffdY.mp4"
    assert printable("Ünï cödé 動画.mp4") == "Ünï cödé 動画.mp4"


def test_tables_do_not_control_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("class\n\x1b[31mred 1")
    assert capsys.readouterr().out == "class\n\ufffd[31mred 1\n"


def test_commands_are_quoted_for_a_shell() -> None:
    assert format_command("index", Path("my videos"), 3) == "slic index 'my videos' 3"


def test_a_path_in_a_json_file_is_text(tmp_path: Path) -> None:
    with json_writer(None) as write:
        write({"out": tmp_path})
    assert not list(tmp_path.iterdir())
    with json_writer(tmp_path / "scores.json") as write:
        write({"out": tmp_path, "recall": 0.5})
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written == {"out": str(tmp_path), "recall": 0.5}


def test_json_on_stdout_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    with json_writer(STDOUT) as write:
        print("a table")
        write({"recall": 0.5})
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"recall": 0.5}
    assert printed.err == "a table\n"


def test_json_has_no_nan_and_no_infinity() -> None:
    document = {"a": math.nan, "b": [1.5, math.inf], "c": ({"d": -math.inf},), "e": np.float64(2.5)}
    written = json.loads(as_json(document), parse_constant=pytest.fail)
    assert written == {"a": None, "b": [1.5, None], "c": [{"d": None}], "e": 2.5}


def test_a_result_is_text_or_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    result = ({"out": Path("a b")}, "a b: 3 videos")
    print_result(Namespace(json=False), *result, next_words=("scan", "a b"))
    assert capsys.readouterr().out == "a b: 3 videos\nnext: slic scan 'a b'\n"
    print_result(Namespace(json=True), *result, next_words=("scan", "a b"))
    assert json.loads(capsys.readouterr().out) == {"out": "a b", "next": "slic scan 'a b'"}
