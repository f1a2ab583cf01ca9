"""Serving the studio until Ctrl-C."""

import socket
import sys
import threading
import webbrowser
from pathlib import Path

import uvicorn

from slic.errors import SearchError
from slic.search import Index
from slic.studio.app import create_app
from slic.studio.guard import Access
from slic.studio.state import Studio


def serve(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 7542,
    runs: Path | None = None,
    browser: bool = True,
) -> None:
    """Show the studio of an index, and print its address.

    Raises:
        SearchError: There is no index, or the address cannot be listened at.
    """
    index = Index.open(folder.absolute())  # so that errors name it in a way that nothing else is
    access = Access.of(host)
    listening = _listen(host, port)
    address = _address(access, listening.getsockname()[1])
    print(f"{folder}: the studio is at {address}", flush=True)
    print("Ctrl-C ends it.", file=sys.stderr)
    if browser:
        opening = threading.Timer(0.5, webbrowser.open, [address])
        opening.daemon = True
        opening.start()
    config = uvicorn.Config(
        create_app(Studio(index, runs=runs), access),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Listen at a free port, the one asked for or, when it is taken, any."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        for number in (port, 0):
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((host, number))
            except OSError:
                listening.close()
                if number == 0 or port == 0:
                    raise
            else:
                return listening
    except (OSError, UnicodeError) as error:  # the latter for names that no host can have
        raise SearchError(
            f"--host {host}: cannot be listened at ({getattr(error, 'strerror', None) or error})."
        ) from error
    raise AssertionError


def _address(access: Access, port: int) -> str:
    host = "127.0.0.1" if access.host in ("0.0.0.0", "::") else access.host
    host = f"[{host}]" if ":" in host else host
    token = f"?token={access.token}" if access.token else ""
    return f"http://{host}:{port}/{token}"
