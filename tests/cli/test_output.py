"""What verbs print and write."""

import json
from pathlib import Path

import pytest

from slic.cli.output import format_command, print_table, printable, write_json


def test_characters_that_control_a_terminal_are_replaced() -> None:
    assert printable("a\x1b[31mX\nY.mp4") == "a\ufffd[31mX\ufffdY.mp4"
    assert printable("Ünï cödé 動画.mp4") == "Ünï cödé 動画.mp4"


def test_tables_do_not_control_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("class\n\x1b[31mred 1")
    assert capsys.readouterr().out == "class\n\ufffd[31mred 1\n"


def test_commands_are_quoted_for_a_shell() -> None:
    assert format_command("index", Path("my videos"), 3) == "slic index 'my videos' 3"


def test_a_path_in_a_json_file_is_text(tmp_path: Path) -> None:
    write_json(None, {"out": tmp_path})
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / "scores.json", {"out": tmp_path, "recall": 0.5})
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written == {"out": str(tmp_path), "recall": 0.5}
