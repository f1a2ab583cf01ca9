"""The page, and responses to requests that fail."""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvicorn
from starlette.testclient import TestClient

from slic.search import Index
from slic.studio.access import PAGE_TOKEN_HEADER, AccessPolicy, cookie_name
from slic.studio.app import create_app
from slic.studio.state import Studio


def test_the_page_escapes_the_name_of_the_index(client: TestClient, studio: Studio) -> None:
    studio.index.path = studio.index.path.parent / '"><script>alert(1)<'
    page = client.get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert 'name="slic-token"' in page
    assert "http://" not in page
    assert "https://" not in page


def test_a_folder_name_that_is_not_utf_8_is_shown_with_a_replacement(
    client_of: Callable[[Studio], TestClient], index_folder: Path
) -> None:
    studio = Studio(Index.open(index_folder.rename(index_folder.with_name(os.fsdecode(b"\xe9")))))
    client = client_of(studio)
    assert "<title>\N{REPLACEMENT CHARACTER} · slic studio</title>" in client.get("/").text
    assert client.get("/api/summary").json()["title"] == "\N{REPLACEMENT CHARACTER}"
    studio.close()


@pytest.mark.parametrize(
    "path",
    [
        "/media/videos/..%2f..%2f..%2fetc%2fpasswd",
        "/media/videos/%2fetc%2fpasswd/preview.mp4?start=0&end=1",
        "/media/uploads/..%2f..%2fetc%2fpasswd/preview.mp4",
        "/static/..%2f..%2f__init__.py",
        "/static/%2e%2e/app.py",
        "/static/../app.py",
        "/media/videos/999999",
        "/media/videos/-1/thumbnail.webp?at=0",
        "/media/videos/1/preview.mp4?start=nan&end=1",
        "/media/videos/1/preview.mp4?start=-1&end=1e300",
        "/openapi.json",
        "/docs",
    ],
)
def test_no_path_reaches_the_file_system(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert 400 <= response.status_code < 500
    assert "root:" not in response.text
    assert "import " not in response.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/search"),
        ("GET", f"/api/moments/{10**20}"),
        ("GET", f"/media/videos/{10**20}"),
        ("GET", "/api/clusters?level=99"),
    ],
)
def test_an_invalid_request_is_answered_with_one_line(
    client: TestClient, method: str, path: str
) -> None:
    response = client.request(method, path, json={"like": []} if method == "POST" else None)
    assert response.status_code == 422
    assert set(response.json()) == {"error"}
    assert "\n" not in response.json()["error"]
    assert "Traceback" not in response.text


def test_an_unexpected_error_shows_no_details(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(studio, "current_map", fail)
    response = client.get("/api/map")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "error" in response.json()
    assert "Content-Security-Policy" in response.headers


def test_three_gigabytes_are_refused_before_they_are_sent(studio: Studio) -> None:
    policy = AccessPolicy()
    config = uvicorn.Config(create_app(studio, policy), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        host, port = listener.getsockname()
        while not server.started:
            time.sleep(0.01)
        with socket.create_connection((host, port), timeout=20) as connection:
            lines = (
                "POST /api/uploads HTTP/1.1",
                f"Host: {host}:{port}",
                f"{PAGE_TOKEN_HEADER}: {policy.page_token}",
                f"Cookie: {cookie_name(port)}={policy.token}",
                f"Content-Length: {3 << 30}",
            )
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            response = b"".join(iter(lambda: connection.recv(65536), b"")).decode()  # to its end
        server.should_exit = True
        thread.join()
    assert response.startswith("HTTP/1.1 413")
    assert "more than 500 MB cannot be uploaded" in response
