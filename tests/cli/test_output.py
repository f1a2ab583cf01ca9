"""What verbs print and write."""

import json
import logging
import math
import re
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from tqdm import tqdm

from slic.cli.output import (
    STDOUT,
    as_json,
    format_command,
    harmless_output,
    json_writer,
    print_json,
    print_result,
    print_table,
    printable,
)


def test_characters_that_control_a_terminal_are_replaced() -> None:
    assert printable("a\x1b[31mX\nY.mp4") == "a\ufffd[31mX\ufffdY.mp4"
    assert printable("a\u202eb\x9b2J\x85") == "a\ufffdb\ufffd2J\ufffd"
    harmless = "Ünï cödé 動画\u3000\u00a0\u202f \u0645\u06cc\u200c\u062e 👩\u200d🎓.mp4"
    assert printable(harmless) == harmless


def test_nothing_that_a_verb_prints_controls_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = logging.lastResort
    assert log is not None
    with harmless_output():
        print("\x1b]0;title\x07", "one\ttwo", sep="\n")
        print("\u202etxt.exe", "end\roverwritten", file=sys.stderr)
        print("\x1b[34mtracker\x1b[0m", file=sys.stderr)
        log.handle(logging.makeLogRecord({"msg": "log of \x1b[2J", "levelno": logging.WARNING}))
        for _ in tqdm(range(2), desc="\x1b[2Jscan", position=1):
            pass
    printed = capsys.readouterr()
    assert printed.out == "\ufffd]0;title\ufffd\none\ttwo\n"
    lines = printed.err.split("\n")
    assert lines[:3] == ["\ufffdtxt.exe end\ufffdoverwritten", "tracker", "log of \ufffd[2J"]
    bar = "".join(lines[3:])
    assert "\ufffd[2Jscan: 100%" in bar
    assert set(re.findall("\x1b.{2}", bar)) == {"\x1b[A"}


def test_a_document_keeps_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    label = "\x1b[2J\u202e\x85\n=1+1"
    with harmless_output():
        print_json({"label": label})
    assert json.loads(capsys.readouterr().out) == {"label": label}


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
