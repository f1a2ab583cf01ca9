"""The thread in which fsspec's asynchronous requests run, and what may go wrong in them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fsspec.asyn import get_loop, sync

from slic.storage.retries import TransientError

ReturnT = TypeVar("ReturnT")


def run(request: Callable[[], Awaitable[ReturnT]], *, seconds: float) -> ReturnT:
    """Run a request in fsspec's thread and wait for it.

    Raises:
        OSError: It failed for good.
        TransientError: It took too long, or the connection failed.
    """

    async def limited() -> ReturnT:
        return await asyncio.wait_for(request(), seconds)

    try:
        result: ReturnT = sync(get_loop(), limited)
        return result
    except Exception as error:
        raise _translated(error) from None


def _translated(error: Exception) -> Exception:
    """Return an error of a client as one of ours."""
    import aiohttp

    if isinstance(error, TransientError):
        return error
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return TransientError("no answer in time")
    if isinstance(error, aiohttp.ClientPayloadError):
        return TransientError("the answer was cut off")
    if isinstance(getattr(error, "os_error", None), PermissionError):  # see `web._Resolver`
        return error.os_error  # type: ignore[attr-defined,no-any-return]
    if isinstance(error, (aiohttp.ClientError, ConnectionError)):
        return TransientError(f"no connection: {type(error).__name__}")
    return error
