"""The browser gets the token through a file that only the user may read."""

import stat
import webbrowser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from slic.studio.opening import open_in_browser

ADDRESS = "http://127.0.0.1:7542/?token=secret&x=<"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses that a browser was given."""
    given: list[str] = []

    class AtOnce:
        def __init__(self, _: float, function: object, words: list[str]) -> None:
            assert function == webbrowser.open
            self.words = words

        def start(self) -> None:
            given.extend(self.words)

    monkeypatch.setattr("slic.studio.opening.threading.Timer", AtOnce)
    return given


def test_the_command_line_of_the_browser_has_no_token(
    opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    delete = open_in_browser(ADDRESS)
    (address,) = opened
    assert "secret" not in address
    assert urlsplit(address).scheme == "file"
    file = Path(unquote(urlsplit(address).path))
    assert file.parent.parent == tmp_path
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "url=http://127.0.0.1:7542/?token=secret&amp;x=&lt;" in file.read_text()
    delete()
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_folder_another_one_is_used(
    opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "missing")
    monkeypatch.setattr("slic.studio.opening.tempfile.gettempdir", lambda: str(tmp_path))
    open_in_browser(ADDRESS)()
    monkeypatch.setattr(
        "slic.studio.opening.tempfile.gettempdir", lambda: str(tmp_path / "missing")
    )
    open_in_browser(ADDRESS)()  # nothing is opened; the address is printed too
    assert len(opened) == 1
