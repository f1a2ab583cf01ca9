"""Files on web servers, in the session of fsspec (aiohttp). There are no listings."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from errno import ENOSYS
from typing import Any, Final

import aiohttp
import fsspec
from aiohttp.abc import ResolveResult
from yarl import URL

from slic.storage.addresses import WEB, Address, is_link_local
from slic.storage.backends import Count
from slic.storage.backends.loop import run
from slic.storage.retries import Limits, changed, check_range, check_status, refused, unusable
from slic.storage.states import ObjectState, object_state

MOST_REDIRECTS: Final = 5
NO_LISTING: Final = "a web server does not list its files; give a CSV or Parquet list of addresses"


class WebBackend:
    """Reads byte ranges, and checks with each answer that it is still the same version."""

    def __init__(self) -> None:
        self._systems: dict[tuple[int, Limits], Any] = {}  # by process: a fork has its own

    def state(self, address: Address, limits: Limits) -> ObjectState:
        """Return the version that a file has now, from the headers of its first byte.

        Servers know that better than what ``HEAD`` says, which presigned addresses refuse.
        """

        async def look() -> ObjectState:
            async with self._answer(address, {"Range": "bytes=0-0"}, limits) as answer:
                if answer.status == 416:  # it is empty
                    return _state(answer, 0)
                check_status(answer.status, after=answer.headers.get("Retry-After"))
                if answer.status == 206:
                    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
                else:
                    total = answer.headers.get("Content-Length", "")
                if not total.isdecimal():
                    raise unusable("the server does not say how long the file is")
                return _state(answer, int(total))

        return run(look, seconds=limits.seconds_of(0))

    def read(
        self, address: Address, state: ObjectState, start: int, end: int, limits: Limits
    ) -> bytes:
        """Return a byte range of this version."""
        headers = {"Range": f"bytes={start}-{end - 1}"}
        if state.tag and not state.tag.startswith("W/"):
            headers["If-Match"] = state.tag

        async def get() -> bytes:
            async with self._answer(address, headers, limits) as answer:
                if answer.status == 416:
                    raise changed()
                check_status(answer.status, after=answer.headers.get("Retry-After"))
                self._check(answer, state, start, end)
                return await answer.read()

        return run(get, seconds=limits.seconds_of(end - start))

    def list(self, address: Address, limits: Limits, count: Count) -> dict[str, ObjectState]:  # noqa: ARG002
        """Raise, because web servers have no listings."""
        raise OSError(ENOSYS, NO_LISTING)

    async def close(self) -> None:
        """Close the connections of this process."""
        for (process, _), system in self._systems.items():
            if process == os.getpid() and system._session is not None:
                await system._session.close()

    @staticmethod
    def _check(answer: aiohttp.ClientResponse, state: ObjectState, start: int, end: int) -> None:
        """Raise if an answer is of another version or another range."""
        size = state.size if answer.status == 206 else answer.content_length
        now = _state(answer, state.size if size is None else size)
        if now != state:
            raise changed()
        if answer.status == 206:
            check_range(answer.headers.get("Content-Range"), start, end, state.size)
        elif (start, end) != (0, state.size):
            raise unusable("the server does not give parts of files (no range requests)")

    @asynccontextmanager
    async def _answer(
        self, address: Address, headers: dict[str, str], limits: Limits
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        session = await self._session(limits)
        url = URL(address.request)
        for _ in range(MOST_REDIRECTS + 1):
            _check_target(url)
            encoding = {"Accept-Encoding": "identity"}
            async with session.get(
                url, headers=headers | encoding, allow_redirects=False
            ) as answer:
                if answer.status not in (301, 302, 303, 307, 308):
                    yield answer
                    return
                target = url.join(URL(answer.headers.get("Location", "")))
                if url.scheme == "https" and target.scheme != "https":
                    raise unusable("the server redirects to a place without encryption")
                url = target
        raise unusable(f"the server redirects more than {MOST_REDIRECTS} times")

    async def _session(self, limits: Limits) -> Any:
        key = (os.getpid(), limits)
        if key not in self._systems:
            self._systems[key] = fsspec.filesystem(
                "http",
                asynchronous=True,
                skip_instance_cache=True,
                get_client=_client,
                client_kwargs={
                    "trust_env": True,
                    "timeout": aiohttp.ClientTimeout(
                        total=None,
                        sock_connect=limits.connect_seconds,
                        sock_read=limits.silent_seconds,
                    ),
                },
            )
        return await self._systems[key].set_session()


async def _client(**settings: Any) -> aiohttp.ClientSession:
    settings.pop("loop", None)
    connector = aiohttp.TCPConnector(resolver=_Resolver(), limit=64)
    return aiohttp.ClientSession(connector=connector, **settings)


class _Resolver(aiohttp.ThreadedResolver):
    """Finds hosts, and leaves out link-local addresses, where clouds hand out credentials."""

    async def resolve(self, *arguments: Any, **settings: Any) -> list[ResolveResult]:
        found = await super().resolve(*arguments, **settings)
        kept = [one for one in found if not is_link_local(one["host"])]
        if found and not kept:
            raise refused("the host is link-local")
        return kept


def _check_target(url: URL) -> None:
    if url.scheme not in WEB or is_link_local(url.host or ""):
        raise refused("the server redirects to a place that is not read")


def _state(answer: aiohttp.ClientResponse, size: int) -> ObjectState:
    headers = answer.headers
    return object_state(size, headers.get("Last-Modified"), headers.get("ETag"))
