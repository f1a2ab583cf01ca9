"""Where nearest vectors are looked up: an embedded store, or a server, behind one narrow seam."""

from pathlib import Path

from slic.errors import SearchError
from slic.search.repository import IndexSettings
from slic.search.stores.types import Change, Neighbours, VectorStore

__all__ = ["Change", "Neighbours", "VectorStore", "open_store"]


def open_store(folder: Path, settings: IndexSettings) -> VectorStore:
    """Return the store that the settings name.

    Raises:
        SearchError: A package is missing, or the server does not answer.
    """
    # Imported here: each store needs a package of its own, and nobody needs both.
    try:
        if settings.store == "embedded":
            from slic.search.stores.embedded import EmbeddedStore

            return EmbeddedStore(folder, settings.dimension)
        from slic.search.stores.milvus import MilvusStore
    except ModuleNotFoundError as error:
        extra = {"faiss": "search", "pymilvus": "milvus"}.get(error.name or "")
        if extra is None:
            raise
        raise SearchError(
            f"{error.name} is not installed: pip install 'slic-video[{extra}]'."
        ) from error
    return MilvusStore(settings.store, settings.identity, settings.dimension)
