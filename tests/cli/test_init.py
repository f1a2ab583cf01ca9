"""The command: its help, its exit codes, and one line for each error."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slic import cli
from slic.cli import build_parser
from slic.cli.common import UsageError
from slic.datasets import labels_from
from slic.errors import VideoError

Lines = Callable[..., tuple[int, list[str], list[str]]]


def test_python_dash_m_says_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "slic", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("slic ")


def test_every_verb_has_a_help_line() -> None:
    usage = build_parser().format_help()
    for verb in ("sample", "scan", "data", "pretrain", "embed", "evaluate", "index", "studio"):
        assert f"\n    {verb} " in usage


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (VideoError("a.mp4: is empty."), 1, "slic: a.mp4: is empty."),
        (VideoError("a\x1b[31m.mp4"), 1, "slic: a\ufffd[31m.mp4"),
        (UsageError("give both."), 2, "slic: error: give both."),
        (KeyboardInterrupt(), 130, "slic: stopped. The same command continues."),
        (FileNotFoundError(2, "No such file", "a.csv"), 1, "slic: a.csv: No such file."),
    ],
)
def test_an_error_is_one_line(
    error: BaseException, code: int, line: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("slic.cli.videos.open_catalog", fail)
    ended, out, err = lines("scan", "videos")
    assert (ended, out, err[-1]) == (code, [], line)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError("a bug")])
def test_a_bug_has_a_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("slic.cli.videos.open_catalog", fail)
    with pytest.raises(type(error), match="a bug"):
        cli.main(["scan", "videos"])


MY_SETS = """
from slic.datasets import Labels

class MySet:
    def labeller(self, argument, **_):
        return lambda ids: print("found") or Labels({}, {})
"""


def test_modules_in_the_working_directory_can_be_imported(
    tmp_path: Path, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_sets.py").write_text(MY_SETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])

    def read_labels(*_: object) -> None:
        labels_from("my_sets.MySet", root=tmp_path)([])
        raise VideoError("no video.")

    monkeypatch.setattr("slic.cli.videos.open_catalog", read_labels)
    assert lines("scan", "videos") == (1, ["found"], ["slic: no video."])


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["pretend"],
        ["scan"],
        ["scan", "videos", "--wrokers=2"],
        ["embed", "videos"],
        ["embed", "videos", "--encoder", "e", "--out", "o", "--clips=0"],
        ["embed", "videos", "--encoder", "e", "--out", "o", "--workers=-1"],
        ["sample", "videos", "--train=some"],
        ["evaluate"],
        ["search", "index"],
        ["search", "index", "--from=1"],
        ["cluster", "index", "--move", "a.mp4@1"],
        ["cluster", "index", "--merge", "1", "99999999999999999999"],
        ["studio"],
    ],
)
def test_wrong_usage_is_exit_code_2(lines: Lines, words: list[str]) -> None:
    code, out, err = lines(*words)
    assert (code, out) == (2, [])
    assert err[0].startswith("usage: slic")
    assert err[-1].startswith("slic")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pipe of POSIX")
def test_a_reader_of_the_help_that_has_ended_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-u", "-m", "slic", "search", "--help"]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
