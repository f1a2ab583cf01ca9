"""Ten faults of a storage, over HTTP and over S3: what is read is right, or the error names why."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from slic import storage
from slic.storage import RemotePath, pinned, traffic
from slic.storage.backends import close_connections
from tests.storage.conftest import TINY
from tests.storage.servers import Site

DATA = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 16  # 128 kB
PASSING = ("time-out", "503", "truncated", "wrong range", "slow", "reset", "429")
LASTING = {
    "change": "the object has changed since it was listed; scan again",
    "no ranges": "does not give parts",
    "404": "there is no such object",
}
Open = Callable[[], RemotePath]


@pytest.fixture(params=["http", "s3"])
def opened(request: pytest.FixtureRequest, site: Site, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Return a function that opens the object of the site."""
    site.faults, site.with_tags = [], True
    site.put("/films/a.mp4", DATA)
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.address)
    start = site.address if request.param == "http" else "s3:/"
    return lambda: pinned(RemotePath(f"{start}/films/a.mp4"))


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_not_noticed(fault: str, opened: Open, site: Site) -> None:
    path = opened()
    site.faults = [fault]
    with path.open("rb") as file:
        file.seek(1000)
        assert file.read(5000) == DATA[1000:6000]
    assert traffic.requests == (1 if fault == "reset" else 2)  # the client tries that again itself
    assert not site.faults
    with path.open("rb") as file:
        assert file.read() == DATA


@pytest.mark.parametrize("fault", ["503", "truncated", "reset", "429"])
def test_a_fault_that_stays_is_an_error_after_some_tries(
    fault: str, opened: Open, site: Site
) -> None:
    path = opened()
    site.faults = [fault] * 9
    with path.open("rb") as file, pytest.raises(OSError, match=r"does not answer as.* 3 tries\)"):
        file.read(10)
    assert fault == "reset" or len(site.faults) == 9 - TINY.tries


@pytest.mark.parametrize("fault", LASTING)
def test_a_lasting_fault_is_an_error_at_once(fault: str, opened: Open, site: Site) -> None:
    path = opened()
    with path.open("rb") as file:
        assert file.read(10) == DATA[:10]
        site.faults = [fault]
        file.seek(100_000)
        with pytest.raises(OSError, match=LASTING[fault]):
            file.read(10)
    assert traffic.requests == 2


def test_two_versions_are_never_mixed(opened: Open, site: Site) -> None:
    path = opened()
    with path.open("rb") as file:
        first = file.read(50_000)
        site.put("/films/a.mp4", DATA[::-1], changed=1.7e9)  # in the same second
        with pytest.raises(OSError, match="has changed"):
            file.read()
    assert first == DATA[:50_000]
    with opened().open("rb") as file:
        assert file.read() == DATA[::-1]


def test_the_waits_have_a_limit(opened: Open, site: Site) -> None:
    path = opened()
    site.faults = ["503"] * 9
    storage.set_limits(replace(TINY, tries=9, wait_seconds=100.0, total_seconds=1.0))
    with pytest.raises(OSError, match="1 tries"):
        storage.fetch(path.address, path.known, 0, 10)


def test_a_web_server_without_tags_is_watched_by_time(site: Site) -> None:
    site.with_tags, site.faults = False, []
    path = pinned(RemotePath(site.put("/a.mp4", DATA)))
    with path.open("rb") as file:
        file.read(10)
        site.put("/a.mp4", DATA[::-1], changed=1.7e9 + 5)
        file.seek(100_000)
        with pytest.raises(OSError, match="has changed"):
            file.read(10)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://169.254.169.254/latest", "a place that is not read"),
        ("file:///etc/passwd", "a place that is not read"),
        ("http://metadata/latest", "the host is link-local"),  # by its name
    ],
)
def test_a_redirect_leads_to_no_link_local_host(
    target: str, reason: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_: Any, **__: Any) -> list[dict[str, Any]]:
        return [{"host": "169.254.169.254", "port": 80}]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    path = pinned(RemotePath(site.put("/a.mp4", DATA)))
    site.faults = [f"to {target}"]
    with pytest.raises(PermissionError, match=reason):
        storage.fetch(path.address, path.known, 0, 10)


def test_a_redirect_is_followed(site: Site) -> None:
    path = pinned(RemotePath(site.put("/a.mp4", DATA)))
    site.faults = ["to /a.mp4"]
    assert storage.fetch(path.address, path.known, 5, 15) == DATA[5:15]


def test_no_server_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    close_connections()
    for address in ("http://127.0.0.1:9/a.mp4", "s3://films/a.mp4"):
        with pytest.raises(OSError, match="no connection"):
            pinned(RemotePath(address))
    close_connections()
