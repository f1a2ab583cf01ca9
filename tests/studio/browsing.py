"""What the tests in a real browser share: a served studio, and what a page shows."""

import shutil
import socket
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from slic.search import Index
from slic.studio.access import AccessPolicy, cookie_name
from slic.studio.app import create_app
from slic.studio.state import Studio

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT = 30_000  # milliseconds; two busy cores are slow


class Served:
    """A studio that a thread serves."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.studio = Studio(Index.open(folder), **more)
        self.policy = AccessPolicy()
        config = uvicorn.Config(create_app(self.studio, self.policy), log_level="warning")
        self.server = uvicorn.Server(config)
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.address = self.policy.address(port)
        self.cookie = f"{cookie_name(port)}={self.policy.token}"
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True
        )
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        self.listener.close()


def wait_until_playing(page: Any, video: str) -> None:
    """Wait until a video plays."""
    page.wait_for_function(
        """(which) => { const video = document.querySelector(which);
            if (!video || video.readyState < 2 || video.paused) return false;
            const before = video.dataset.seen; video.dataset.seen = video.currentTime;
            return before !== undefined && Number(before) !== video.currentTime; }""",
        arg=video,
        polling=60,
    )


def moments(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "#grid .tile", "tiles => tiles.map(tile => tile.dataset.moment)"
    )
    return found
