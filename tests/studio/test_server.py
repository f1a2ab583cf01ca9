"""Where the studio listens, and the address that it prints."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from slic.errors import SearchError
from slic.search import clusters_per_level
from slic.studio import server
from slic.studio.state import Studio


def test_a_port_in_use_is_replaced_by_a_free_one() -> None:
    with server._bind_socket("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with server._bind_socket("127.0.0.1", port) as second:
            assert second.getsockname()[1] not in (0, port)


@pytest.mark.parametrize("host", ["203.0.113.9", "a" * 64])
def test_a_host_that_is_not_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(SearchError, match=f"^host '{host}': the studio cannot listen there"):
        server._bind_socket(host, 0)


def test_errors_replace_the_path_of_the_index_and_nothing_else(
    index_folder: Path,
    client_of: Callable[[Studio], TestClient],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    apps: list[Any] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda own, **_: apps.append(own.config.app))
    monkeypatch.chdir(index_folder)
    server.serve_studio(Path(), port=0, browser=False)
    printed = capsys.readouterr().out
    assert re.fullmatch(r"\.: the studio is at http://127\.0\.0\.1:\d+/\?token=\S{32,}\n", printed)
    studio = apps[0].app.app.state.studio
    last = len(clusters_per_level(studio.index)) - 1
    error = client_of(studio).get("/api/clusters?level=70").json()["error"]
    assert error == f"level 70: index has levels 0 to {last}."
    studio.close()
