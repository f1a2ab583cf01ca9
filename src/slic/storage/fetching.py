"""Byte ranges of objects: from the local cache, or from the storage with retries."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

from slic.storage.addresses import Address
from slic.storage.backends import backend_of
from slic.storage.cache import RangeCache, cache_bytes, cache_folder
from slic.storage.retries import Limits, TransientError, tried
from slic.storage.states import ObjectState

REQUEST_BYTES: Final = 8 << 20
FetchObject = Callable[[Address, ObjectState, int, int], bytes]


@dataclass
class Traffic:
    """What this process has fetched; several threads may add to it.

    Attributes:
        requests: Tries of requests for bytes.
        bytes: Bytes that came and were used.
        cached_bytes: Bytes that came from the local cache.
        looks: Requests for the state of one object.
        listings: Requests for a page of a listing.
    """

    requests: int = 0
    bytes: int = 0
    cached_bytes: int = 0
    looks: int = 0
    listings: int = 0

    def add(self, **counts: int) -> None:
        """Add to some counts."""
        with _lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def clear(self) -> None:
        """Set all counts to 0."""
        for one in fields(self):
            setattr(self, one.name, 0)


_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
traffic = Traffic()
_caches: dict[tuple[str, int], RangeCache] = {}  # by folder and limit
_reading: list[FetchObject] = []
_limits = [Limits()]


def set_limits(limits: Limits) -> Limits:
    """Set the limits of this process and return the former ones."""
    former, _limits[0] = _limits[0], limits
    return former


def reading_through(fetcher: FetchObject) -> None:
    """Have this process read objects by a function, and not from the network."""
    _reading[:] = [fetcher]


def fetch_here(address: Address, state: ObjectState, start: int, end: int) -> bytes:
    """Return what `fetch` does, in the way of this process, see `reading_through`."""
    return (_reading[0] if _reading else fetch)(address, state, start, end)


def fetch(address: Address, state: ObjectState, start: int, end: int) -> bytes:
    """Return a byte range of one version of an object.

    Args:
        address: Where it is.
        state: The version.
        start: First byte.
        end: The byte after the last.

    Raises:
        OSError: The object is gone, has changed or may not be read, or the storage fails.
    """
    cache, pieces, at = _cache(), list[bytes](), start
    while at < end:
        piece = cache.read(address.url, state, at, end)
        traffic.add(cached_bytes=len(piece))
        if not piece:
            until = cache.next_kept(address.url, state, at, min(end, at + REQUEST_BYTES))
            piece = _download(address, state, at, until)
            cache.write(address.url, state, at, piece)
        pieces.append(piece)
        at += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _download(address: Address, state: ObjectState, start: int, end: int) -> bytes:
    limits = _limits[0]

    def once() -> bytes:
        traffic.add(requests=1)
        data = backend_of(address).read(address, state, start, end, limits)
        if len(data) != end - start:
            raise TransientError(f"{len(data)} of {end - start} bytes came")
        return data

    data = tried(once, limits)
    traffic.add(bytes=len(data))
    return data


def look_up(address: Address) -> ObjectState:
    """Return the version that an object has now.

    Raises:
        OSError: There is none, or the storage does not tell.
    """
    limits = _limits[0]

    def once() -> ObjectState:
        traffic.add(looks=1)
        return backend_of(address).state(address, limits)

    return tried(once, limits)


def list_objects(address: Address) -> dict[str, ObjectState]:
    """Return the versions of all objects below a folder, by their names relative to it.

    Raises:
        OSError: It cannot be listed.
    """
    return backend_of(address).list(address, _limits[0], traffic.add)


def _cache() -> RangeCache:
    folder, limit = cache_folder(), cache_bytes()
    key = (f"{os.getpid()} {folder}", limit)
    if key not in _caches:
        _caches[key] = RangeCache(folder, limit=limit)
    return _caches[key]
