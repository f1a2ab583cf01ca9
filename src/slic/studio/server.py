"""Serving the studio with uvicorn until Ctrl-C."""

import socket
import sys
from pathlib import Path

import uvicorn

from slic.errors import SearchError
from slic.search import Index
from slic.search.about import notes_on_absent_folders
from slic.search.parts import Weights
from slic.studio.access import AccessPolicy
from slic.studio.app import create_app
from slic.studio.indexing import BackgroundIndexing
from slic.studio.opening import open_in_browser
from slic.studio.state import Studio

MAX_CONNECTIONS = 256  # a browser has six; more are answered with 503


def serve_studio(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 7542,
    runs: Path | None = None,
    browser: bool = True,
    weights: Weights | None = None,
    indexing: BackgroundIndexing | None = None,
    compare: Path | None = None,
) -> None:
    """Serve the studio of an index until Ctrl-C, and print its address with its token.

    Args:
        folder: Folder of the index.
        host: Address or name to listen on.
        port: Port to listen on; if it is in use, any free one.
        runs: Folder of pretraining runs to show.
        browser: Whether to open the page in a browser.
        weights: Weights of the parts of a vector; see `Studio`.
        indexing: What fills the index while the page is open.
        compare: Folder of a second index, whose results are shown beside those of the first.

    Raises:
        SearchError: There is no index in the folder, a weight is invalid, or the server cannot
            listen on the host.
    """
    # Error messages of the index contain this path, and the app replaces it in them.
    # An absolute path cannot be part of another word, as "." could be.
    index = Index.open(folder.absolute())
    compared = None if compare is None else Index.open(compare.absolute())
    studio = Studio(index, runs=runs, weights=weights, indexing=indexing, compared=compared)
    policy = AccessPolicy(host=host)
    listener = _bind_socket(host, port)
    url = policy.address(listener.getsockname()[1])
    print(f"{folder}: the studio is at {url}", flush=True)
    for note in notes_on_absent_folders(index, folder):
        print(f"slic: {note}", file=sys.stderr)
    print("Press Ctrl-C to stop it.", file=sys.stderr)
    delete_link = open_in_browser(url) if browser else lambda: None
    config = uvicorn.Config(
        create_app(studio, policy, on_entry=delete_link),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        limit_concurrency=MAX_CONNECTIONS,
    )
    with listener:
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            delete_link()


def _bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to the port, or to any free port if that one is in use."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        for number in (port, 0):
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, number))
                return listener
            except OSError:
                listener.close()
                if number == 0 or port == 0:
                    raise
    except (OSError, UnicodeError) as error:  # UnicodeError: the text cannot be a host name
        reason = getattr(error, "strerror", None) or error
        raise SearchError(f"host {host!r}: the studio cannot listen there ({reason}).") from error
    raise AssertionError
