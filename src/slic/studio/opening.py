"""Opening the page in a browser without showing its token to other users of the machine."""

import html
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from slic.studio.session import SessionFolder

START_SECONDS = 0.5  # until the server listens
_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={0}">
<title>slic</title></head><body><a href="{0}">Open the studio</a></body></html>
"""


class BrowserLink:
    """A file that leads a browser to the page, and that only the user may read.

    All users see the command line of a browser, so the address with the token must not be in it.
    The file lies in the home folder, because a browser in a sandbox may read no hidden folder and
    has another folder of temporary files. It is deleted when the page was opened, or at the end.

    Args:
        address: The address of the page, with its token.
        parent: Where to keep the file.
    """

    def __init__(self, address: str, parent: Path) -> None:
        self._session = SessionFolder(parent)
        self.path = self._session.path / "open.html"
        self.path.write_text(_PAGE.format(html.escape(address)), encoding="utf-8")

    def open(self) -> None:
        """Open the page a moment later, when the server listens."""
        opening = threading.Timer(START_SECONDS, webbrowser.open, [self.path.as_uri()])
        opening.daemon = True
        opening.start()

    def close(self) -> None:
        """Delete the file."""
        self._session.close()


def open_in_browser(address: str) -> Callable[[], None]:
    """Open the page in a browser, and return what deletes the file that leads there.

    If no file can be written, nothing is opened: the address is printed too.
    """
    for parent in (Path.home, lambda: Path(tempfile.gettempdir())):
        with suppress(OSError, RuntimeError):  # no home folder, or one that cannot be written
            link = BrowserLink(address, parent())
            link.open()
            return link.close
    return lambda: None
