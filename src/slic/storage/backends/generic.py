"""Other storage that fsspec knows: Google Cloud (gcsfs) and Azure (adlfs).

These have no conditional reads in common. So the version is asked for again after each read.
"""

import os
from typing import Any

import fsspec

from slic.storage.addresses import Address
from slic.storage.backends import Count
from slic.storage.retries import Limits, TransientError, changed, missing, refused, tried, unusable
from slic.storage.states import ObjectState, object_state

_TAGS = ("etag", "ETag", "generation", "md5Hash", "content_md5")
_TIMES = ("mtime", "last_modified", "LastModified", "updated", "created")


class GenericBackend:
    """Reads through the file system of a scheme, with its own credentials and time limits."""

    def __init__(self) -> None:
        self._systems: dict[tuple[int, str], Any] = {}  # by process: a fork has its own

    def state(self, address: Address, limits: Limits) -> ObjectState:  # noqa: ARG002
        """Return the version that an object has now."""
        system = self._system(address)
        return _state(_called(system.info, address.request, refresh=True))

    def read(
        self, address: Address, state: ObjectState, start: int, end: int, limits: Limits
    ) -> bytes:
        """Return a byte range of this version."""
        data = _called(self._system(address).cat_file, address.request, start=start, end=end)
        if self.state(address, limits) != state:
            raise changed()
        return bytes(data)

    def list(self, address: Address, limits: Limits, count: Count) -> dict[str, ObjectState]:
        """Return the versions below a folder by relative name."""
        system = self._system(address)
        count(listings=1)
        found = tried(lambda: _called(system.find, address.request, detail=True), limits)
        base = system._strip_protocol(address.request).rstrip("/") + "/"
        return {name.removeprefix(base): _state(about) for name, about in found.items()}

    async def close(self) -> None:
        """Do nothing: these packages close their connections themselves."""

    def _system(self, address: Address) -> Any:
        key = (os.getpid(), address.scheme)
        if key not in self._systems:
            self._systems[key] = fsspec.filesystem(address.scheme, use_listings_cache=False)
        return self._systems[key]


def _state(about: dict[str, Any]) -> ObjectState:
    tags = (str(about[name]) for name in _TAGS if about.get(name))
    times = (about[name] for name in _TIMES if about.get(name))
    return object_state(about["size"], next(times, None), next(tags, None))


def _called(call: Any, *arguments: Any, **settings: Any) -> Any:
    """Call a file system, and raise its errors as ours; errors of its own are tried again."""
    try:
        return call(*arguments, **settings)
    except FileNotFoundError:
        raise missing() from None
    except PermissionError:
        raise refused("403") from None
    except (ImportError, ValueError, TypeError, NotImplementedError) as error:
        raise unusable(f"{type(error).__name__}: {error}") from None
    except Exception as error:  # each package has its own
        raise TransientError(type(error).__name__) from None
