"""Bodies that are too large, too deep or malformed are refused with one line."""

import json
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from slic.studio.bodies import MAX_JSON_BYTES

JSON = {"Content-Type": "application/json"}


def chunks(size: int) -> Iterator[bytes]:
    """Give a JSON text of a size in pieces, so that it has no Content-Length."""
    yield b'{"moments": [1'
    for _ in range(size // 10_000):
        yield b",1" * 5000
    yield b"]}"


def test_a_body_is_refused_by_its_length_and_by_what_arrives(client: TestClient) -> None:
    large = json.dumps({"moments": [1] * (MAX_JSON_BYTES // 3 + 1)}).encode()
    assert len(large) > MAX_JSON_BYTES
    for content in (large, chunks(MAX_JSON_BYTES + 20_000)):
        answer = client.post("/api/labels", content=content, headers=JSON)
        assert answer.status_code == 413
        assert answer.json() == {
            "error": "The body of a request may have 4 MB. Select fewer moments."
        }


def test_100_000_moments_fit_into_a_body(client: TestClient) -> None:
    body = {"moments": list(range(10**9, 10**9 + 100_000)), "label": "walk"}
    answer = client.post("/api/labels", json=body)
    assert answer.status_code == 422  # there are no such moments
    assert "moment" in answer.json()["error"]


@pytest.mark.parametrize("length", ["9" * 30, str(10**12)])
def test_a_length_is_refused_before_the_body_is_read(client: TestClient, length: str) -> None:
    headers = JSON | {"Content-Length": length}
    assert client.post("/api/labels", content=b"{}", headers=headers).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"moments": [' + "1" * 5000 + "]}",
        '{"moments": [1e400]}',
        '{"moments": [NaN]}',
        '{"label": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"' + "k" * 100_000 + '": 1}',
        '{"moments": 1} {}',
        "\x00",
        "null",
        "",
    ],
)
def test_a_malformed_body_is_one_line(client: TestClient, body: str) -> None:
    answer = client.post("/api/labels", content=body, headers=JSON)
    assert answer.status_code == 422
    (line,) = answer.json().values()
    assert "\n" not in line
    assert len(line) < 1100


def test_bytes_that_are_not_utf_8_are_one_line(client: TestClient) -> None:
    answer = client.post("/api/labels", content=b'{"label": "\xff"}', headers=JSON)
    assert answer.status_code == 422
    assert set(answer.json()) == {"error"}
