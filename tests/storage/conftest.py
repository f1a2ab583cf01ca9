"""Fixtures: a server with faults, an S3 server, tiny limits of time, a cache of its own."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slic import storage
from slic.storage import locations
from slic.storage.backends import close_connections
from tests.storage.servers import Site, serving

TINY = storage.Limits(
    tries=3, wait_seconds=0.01, connect_seconds=0.2, silent_seconds=0.3, bytes_each_second=1 << 20
)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test its own cache, tiny limits and new connections."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "open-sesame")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    former = storage.set_limits(TINY)
    storage.traffic.clear()
    locations._pieces_of.cache_clear()
    yield
    storage.set_limits(former)


@pytest.fixture(autouse=True, scope="module")
def _no_connections() -> Iterator[None]:
    """Close the connections: the next module's servers are others."""
    yield
    close_connections()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Serve a site with faults, one for each file of tests."""
    with serving() as site:
        yield site


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Return the address of moto's S3 server."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}" if host else ""
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that puts an object into an empty bucket, or removes it."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    client = boto3.client("s3")
    client.create_bucket(Bucket="films")
    for row in client.list_objects_v2(Bucket="films").get("Contents", ()):
        client.delete_object(Bucket="films", Key=row["Key"])

    def put(key: str, data: bytes | None) -> str:
        if data is None:
            client.delete_object(Bucket="films", Key=key)
        else:
            client.put_object(Bucket="films", Key=key, Body=data)
        return f"s3://films/{key}"

    return put
