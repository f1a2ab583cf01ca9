"""`slic studio`: what it asks for, where it listens, and the sample that it makes."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from slic.cli import main
from slic.errors import SearchError
from slic.sample import studio as sample
from slic.search import Index, clusters_per_level
from slic.studio import server
from slic.studio.guard import Access
from slic.studio.state import Studio


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "no index here"),
        (["nowhere", "--runs", "none"], "--runs none: there is no such folder"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["studio", "--no-browser", *words])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "slic.cli.studio.find_spec", lambda name: None if name == "fastapi" else found(name)
    )
    with pytest.raises(SystemExit):
        main(["studio", "index"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "slic: the studio needs fastapi: pip install 'slic-video[studio]'"


def test_a_taken_port_is_left_to_its_owner() -> None:
    with server._listen("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with server._listen("127.0.0.1", port) as second:
            assert second.getsockname()[1] not in (0, port)
    with pytest.raises(SearchError, match="cannot be listened at"):
        server._listen("203.0.113.9", 0)


def test_errors_do_not_tell_the_path_and_are_else_as_they_are(
    index_folder: Path, client_of: Callable[[Studio], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    apps: list[Any] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda own, **_: apps.append(own.config.app))
    monkeypatch.chdir(index_folder)
    server.serve(Path(), port=0, browser=False)
    studio = apps[0].app.state.studio
    last = len(clusters_per_level(studio.index)) - 1
    answer = client_of(studio).get("/api/clusters?level=70")
    assert answer.json()["error"] == f"--level 70: index has the levels 0 to {last}."
    studio.close()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/"),
        ("::1", "http://[::1]:80/"),
        ("0.0.0.0", "http://127.0.0.1:80/?token="),
        ("192.168.1.7", "http://192.168.1.7:80/?token="),
    ],
)
def test_the_address_has_a_token_where_others_can_connect(host: str, address: str) -> None:
    access = Access.of(host)
    assert server._address(access, 80) == address + (access.token or "")


def test_a_sample_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "VIDEOS", 6)
    tiny = "--train.epochs=1 --train.batch_size=4 --clip.size=32 --encoder.width=0.125"
    monkeypatch.setattr(sample, "SETTINGS", tuple(tiny.split()))
    made = sample.make_sample(tmp_path, workers=0)
    index = Index.open(made.index_folder)
    count = index.count
    assert count >= 6
    assert clusters_per_level(index)
    index.close()
    written = (made.runs / "sample" / "log.jsonl").stat().st_mtime_ns
    sample.make_sample(tmp_path, workers=0)
    assert (made.runs / "sample" / "log.jsonl").stat().st_mtime_ns == written
    again = Index.open(made.index_folder)
    assert again.count == count
    again.close()
