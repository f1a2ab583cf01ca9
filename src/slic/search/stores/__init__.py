"""Vector stores, which find the nearest moments of a query.

A new store is one file beside this one, one line in `STORES`, and an extra in ``pyproject.toml``
for the package that it needs. A store outside this package needs none of these, see `open_store`.
"""

import importlib
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from slic.errors import SearchError
from slic.lookup import look_up
from slic.search.repository import IndexSettings
from slic.search.stores.base import Neighbours, StoreLocation, StoreUpdate, VectorStore
from slic.search.stores.vector_file import VectorFile

__all__ = [
    "STORES", "Neighbours", "StoreLocation", "StoreUpdate", "VectorStore", "allowed_store",
    "open_store",
]  # fmt: skip

STORE_VARIABLE: Final = "SLIC_STORE"
"""Environment variable: the store that an index may use, besides the embedded one."""


class StorePart(NamedTuple):
    """A store of this package, imported when it is opened: each needs a package of its own.

    Attributes:
        module: Its module.
        name: Its class.
        extra: The extra of this package that installs what it needs.
    """

    module: str
    name: str
    extra: str

    def load(self) -> Callable[[StoreLocation], VectorStore]:
        """Import the class.

        Raises:
            SearchError: A package that it needs is not installed.
        """
        try:
            module = importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("slic"):
                raise
            raise SearchError(
                f"{error.name} is not installed: pip install 'slic-video[{self.extra}]'."
            ) from error
        store_class: Callable[[StoreLocation], VectorStore] = getattr(module, self.name)
        return store_class


STORES = {
    "embedded": StorePart("slic.search.stores.embedded", "EmbeddedStore", extra="search"),
    "http": StorePart("slic.search.stores.milvus", "MilvusStore", extra="milvus"),
    "https": StorePart("slic.search.stores.milvus", "MilvusStore", extra="milvus"),
}
"""The stores of this package by the scheme of their address."""


def allowed_store(folder: Path, address: str, named: str | None) -> str:
    """Return the store to use for an index whose database names one.

    The index may be somebody else's. So its address is used only if the user names the same.

    Args:
        folder: Folder of the index.
        address: The address in its database.
        named: The address that the user gave; None takes `STORE_VARIABLE`.

    Returns:
        ``address``, or ``"embedded"`` if the user named that.

    Raises:
        SearchError: The user named neither.
    """
    allowed = ("embedded", named or os.environ.get(STORE_VARIABLE, ""))
    if address in allowed:
        return address
    if allowed[1] == "embedded":
        return "embedded"
    raise SearchError(
        f"{folder}: the index names the vector store {address!r}, which is used only if you name "
        f"it too: run the command with {STORE_VARIABLE}={shlex.quote(address)} before it. With "
        f"{STORE_VARIABLE}=embedded the search runs on this machine instead."
    )


def open_store(
    folder: Path, settings: IndexSettings, *, vectors: VectorFile | None = None
) -> VectorStore:
    """Return the store of an index.

    Args:
        folder: Folder of the index.
        settings: Their ``store`` is the address: a scheme of `STORES` (``embedded``), a URL with
            such a scheme (``http://host:19530``), or an import path, followed by ``+`` and a URL if
            the store needs one (``my_module:MyStore+redis://host``). For settings of a file, see
            `allowed_store`.
        vectors: The mapped vectors of the index, for stores that read them.

    Raises:
        SearchError: There is no such store, a package is missing, or a server does not answer.
    """
    scheme, url = _split(settings.store)
    part = look_up(scheme, STORES, kind="vector store", error=SearchError)
    store_class = part.load() if isinstance(part, StorePart) else part
    location = StoreLocation(
        folder=folder,
        dimension=settings.dimension,
        parts=tuple(settings.vectors.values()),
        url=url,
        identity=settings.identity,
        vectors=vectors,
    )
    store: VectorStore = store_class(location)
    return store


def _split(address: str) -> tuple[str, str]:
    """Return the key or import path of a store, and the URL that it is given."""
    if "://" in address.partition("+")[0]:
        return urlsplit(address).scheme, address
    part, _, url = address.partition("+")
    return part, url
