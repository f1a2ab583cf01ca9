"""`slic studio`: its arguments, and what it says when something is missing."""

import importlib.util
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.cli import main
from slic.errors import SlicError
from slic.search import Index
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
    more |= {"weights": None, "indexing": None, "compare": None}
    assert calls == [(Path("index"), more)]


def test_a_folder_of_videos_gets_an_index_that_the_server_fills(
    tmp_path: Path,
    colour_videos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[tuple[Path, dict[str, Any]]] = []
    monkeypatch.setattr(server, "serve_studio", lambda folder, **more: calls.append((folder, more)))
    videos = Path(shutil.copytree(colour_videos, tmp_path / "videos"))
    main(["studio", str(videos), "--weights", "motion=1"])
    ((folder, more),) = calls
    assert folder == videos / ".slic-index"
    assert (more["indexing"].videos, more["weights"]) == (videos, {"motion": 1.0})
    assert Index.open(folder).count == 0
    assert f"the index is kept in {folder}" in capsys.readouterr().out
    main(["studio", str(videos)])  # with the encoder that the index has
    assert "built in" not in capsys.readouterr().err
    main(["studio", str(folder)])  # an index like any other
    assert calls[-1][1]["indexing"] is None


def test_a_folder_without_videos_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["studio", str(tmp_path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"slic: {tmp_path}: neither an index nor a folder with videos."


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_indexed_and_a_second_start_continues(
    tmp_path: Path,
    colour_videos: Path,
    slic: Callable[..., Any],
    wait_until: Callable[..., None],
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for number in range(150):  # more than are indexed before the signal arrives
        data = (colour_videos / "green.mp4").read_bytes()
        (videos / f"{number}.mp4").write_bytes(data + bytes([number]))  # other content
    words = ("studio", videos, "--no-browser", "--port", "0", "--workers", "0")

    def count() -> int:
        try:
            return Index.open(videos / ".slic-index").count
        except SlicError:  # it is not made yet
            return 0

    running = slic(*words)
    wait_until(lambda: count() > 0, running)
    running.signal_group(signal.SIGINT)
    ended = running.wait()
    assert ended.code == 130
    assert "what is indexed is kept; the same command continues" in ended.err
    kept = count()
    assert 0 < kept < 150
    running = slic(*words)
    wait_until(lambda: count() == 150, running)
    running.signal_group(signal.SIGINT)
    assert running.wait().code == 130
