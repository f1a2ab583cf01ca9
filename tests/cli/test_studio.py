"""`slic studio`: its arguments, and what it says when something is missing."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from slic.cli import main
from slic.studio import server


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["nowhere"], "no index here", 1),
        (["nowhere", "--runs", "none"], "--runs none: there is no such folder", 1),
        ([], "give the folder of an index or of videos, or --sample", 2),
        (["nowhere", "--encoder", "x"], "--encoder is for a folder or list of videos", 2),
        (["nowhere", "--port", "65536"], "'65536' is not a port", 2),
    ],
)
def test_wrong_arguments_are_one_line(
    words: list[str], message: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["studio", "--no-browser", *words])
    assert ended.value.code == code
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_missing_modules_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "slic.cli.studio.find_spec", lambda name: None if name == "fastapi" else find_spec(name)
    )
    with pytest.raises(SystemExit):
        main(["studio", "index"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "slic: the studio needs fastapi: pip install 'slic-video[studio]'"


def test_arguments_reach_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Path, dict[str, Any]]] = []
    monkeypatch.setattr(server, "serve_studio", lambda folder, **more: calls.append((folder, more)))
    words = ["--host", "0.0.0.0", "--port", "80", "--runs", str(tmp_path), "--no-browser"]
    main(["studio", "index", *words])
    more = {"host": "0.0.0.0", "port": 80, "runs": tmp_path, "browser": False}
    more |= {"weights": None, "indexing": None}
    assert calls == [(Path("index"), more)]
