"""A small server with byte ranges and faults; it is a web server and a little S3 in one."""

import contextlib
import hashlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_SECONDS = 0.8  # longer than a test's limits


@dataclass
class Page:
    """A file of the server."""

    data: bytes
    changed: float = 1.7e9
    tag: str | None = None

    @property
    def etag(self) -> str:
        return self.tag or f'"{hashlib.md5(self.data).hexdigest()}"'


@dataclass
class Site:
    """The files of a server, and what goes wrong with the next requests for their bytes.

    Attributes:
        pages: Files by their paths, which begin with a slash.
        faults: Taken one by one; ``""`` is none. Requests for the first byte only do not count.
        requests: Numbers of requests by method and path.
    """

    address: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    with_tags: bool = True

    def put(self, path: str, data: bytes, **about: Any) -> str:
        """Store a file and return its address."""
        self.pages[path] = Page(data, **about)
        return self.address + path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        site, path = self.site, self.path.partition("?")[0]
        site.requests[f"{self.command} {path}"] += 1
        site.headers.append(dict(self.headers))
        wanted = self.headers.get("Range", "")
        fault = ""
        if body and wanted != "bytes=0-0" and site.faults:
            fault = site.faults.pop(0)
        with contextlib.suppress(OSError):
            self._answer(path, wanted, fault, body=body)

    def _answer(self, path: str, wanted: str, fault: str, *, body: bool) -> None:
        page = self.site.pages.get(path)
        if fault == "change" and page:
            page.data, page.changed = page.data[::-1], page.changed + 60
        if fault == "404" or page is None:
            return self._send(404)
        if fault.startswith("to "):
            return self._send(302, {"Location": fault.removeprefix("to ")})
        if fault in {"429", "503"}:
            return self._send(int(fault), {"Retry-After": "0"})
        if fault == "time-out":
            time.sleep(SLOW_SECONDS)
            self.close_connection = True
            return None
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return None
        if self.headers.get("If-Match", page.etag) != page.etag:
            return self._send(412)
        return self._send_page(page, wanted, fault, body=body)

    def _send_page(self, page: Page, wanted: str, fault: str, *, body: bool) -> None:
        size, headers = len(page.data), {"Last-Modified": formatdate(page.changed, usegmt=True)}
        if self.site.with_tags:
            headers["ETag"] = page.etag
        start, end, status = 0, size, 200
        if wanted and fault != "no ranges":
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(size, int(last or size - 1) + 1), 206
            shown = start + 1 if fault == "wrong range" else start
            headers["Content-Range"] = f"bytes {shown}-{end - 1 + shown - start}/{size}"
        data = page.data[start:end]
        self._send(status, headers, data if body else None, fault=fault, length=len(data))

    def _send(
        self, status: int, headers: dict[str, str] | None = None, data: bytes | None = b"",
        *, fault: str = "", length: int = 0,
    ) -> None:  # fmt: skip
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if data is None:
            return
        if fault == "truncated":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif fault == "slow":
            for at in range(8):
                self.wfile.write(data[at : at + 1])
                self.wfile.flush()
                time.sleep(SLOW_SECONDS / 8)
            self.close_connection = True
        else:
            self.wfile.write(data)


@contextmanager
def serving() -> Iterator[Site]:
    """Serve a new site."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
