"""How the schemes of addresses are read, through fsspec."""

import atexit
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, runtime_checkable

from slic.storage.addresses import PACKAGES, Address
from slic.storage.retries import Limits
from slic.storage.states import ObjectState

Count = Callable[..., None]


@runtime_checkable
class Backend(Protocol):
    """What reads the objects of a scheme. Each call is one try; any thread may call."""

    def state(self, address: Address, limits: Limits) -> ObjectState:
        """Return the version that an object has now."""
        ...

    def read(
        self, address: Address, state: ObjectState, start: int, end: int, limits: Limits
    ) -> bytes:
        """Return a byte range of this version."""
        ...

    def list(self, address: Address, limits: Limits, count: Count) -> dict[str, ObjectState]:
        """Return the versions below a folder by relative name; it tries again by itself."""
        ...

    async def close(self) -> None:
        """Close the connections of this process."""
        ...


def _s3() -> Backend:
    from slic.storage.backends.s3 import S3Backend

    return S3Backend()


def _web() -> Backend:
    from slic.storage.backends.web import WebBackend

    return WebBackend()


def _generic() -> Backend:
    from slic.storage.backends.generic import GenericBackend

    return GenericBackend()


BACKENDS: Final[dict[str, Callable[[], Backend]]] = {
    "s3": _s3,
    "http": _web,
    "https": _web,
    "gs": _generic,
    "az": _generic,
    "abfs": _generic,
    "abfss": _generic,
}
_made: dict[str, Backend] = {}


def backend_of(address: Address) -> Backend:
    """Return what reads an address.

    Raises:
        OSError: A package that it needs is not installed.
    """
    scheme = address.scheme
    if scheme not in _made:
        try:
            __import__("fsspec")
            __import__(PACKAGES.get(scheme, "fsspec"))
            _made[scheme] = BACKENDS[scheme]()
        except ImportError as error:
            package = PACKAGES.get(scheme, "fsspec")
            own = package in {"s3fs", "aiohttp"}
            words = "'slic-video[storage]'" if own else package
            raise OSError(
                f"{package} is not installed, which reads {scheme}:// (pip install {words})"
            ) from error
    return _made[scheme]


@atexit.register
def close_connections() -> None:
    """Close the connections of this process; the next request opens new ones."""
    for backend in {id(one): one for one in _made.values()}.values():
        from slic.storage.backends.loop import run

        with suppress(Exception):
            run(backend.close, seconds=1.0)
    _made.clear()
