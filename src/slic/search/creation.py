"""Creating an index, and what it is made with."""

from collections.abc import Mapping
from pathlib import Path

from slic.errors import SearchError
from slic.models.encoder import VideoEncoder
from slic.search.index import Index
from slic.search.moments import check_window, default_window_seconds
from slic.search.repository import DATABASE_FILE, Database, IndexSettings, is_half_created
from slic.search.stores import open_store


def create_index(
    path: Path,
    encoder: VideoEncoder,
    *,
    window_seconds: float | None = None,
    stride_seconds: float | None = None,
    store: str | None = None,
) -> Index:
    """Create an empty index, or open the one in this folder if it was made in the same way.

    Args:
        path: Folder of the index. The encoder is copied into it.
        encoder: What embeds the moments and the queries.
        window_seconds: Length of a moment; default `default_window_seconds`.
        stride_seconds: Time from the start of one moment to the next; default half a window.
        store: Address of the vector store, see `slic.search.stores`; default ``"embedded"``.

    Raises:
        SearchError: See `index_settings`.
        WriteError: The folder cannot be written.

    Example:
        >>> index = create_index(Path("index"), VideoEncoder.from_pretrained("run/encoder"))
        >>> update_index(index, Catalog.from_folder("videos"))
    """
    settings = index_settings(
        path, encoder, window_seconds=window_seconds, stride_seconds=stride_seconds, store=store
    )
    if _index_exists(path):
        return Index.open(path, store=store)
    encoder.save_pretrained(path / "encoder")  # before the database, which makes it an index
    return Index.create(path, settings)


def index_settings(
    path: Path,
    encoder: VideoEncoder,
    *,
    window_seconds: float | None = None,
    stride_seconds: float | None = None,
    store: str | None = None,
) -> IndexSettings:
    """Return the settings that `create_index` would use, without writing anything.

    Raises:
        SearchError: The folder has an index with another encoder, window, stride or store; a window
            or stride is 0; or the store cannot be used.
    """
    if _index_exists(path):
        given = {"window_seconds": window_seconds, "stride_seconds": stride_seconds, "store": store}
        return _settings_of_same(path, encoder, given)
    if window_seconds is None:
        window_seconds = default_window_seconds(encoder.clip)
    if stride_seconds is None:
        stride_seconds = window_seconds / 2
    check_window(window_seconds, stride_seconds)
    settings = IndexSettings(
        encoder=encoder.fingerprint(),
        vectors=dict(encoder.vectors),
        window_seconds=float(window_seconds),
        stride_seconds=float(stride_seconds),
        store=store or "embedded",
    )
    open_store(path, settings).close()
    return settings


def _index_exists(path: Path) -> bool:
    return (path / DATABASE_FILE).exists() and not is_half_created(path)


def _settings_of_same(
    path: Path, encoder: VideoEncoder, given: Mapping[str, object]
) -> IndexSettings:
    """Return the settings of an index that must have this encoder and the given settings."""
    database = Database(path)
    database.close()
    settings = database.settings
    if settings.encoder != (fingerprint := encoder.fingerprint()):
        raise SearchError(
            f"{path}: made with encoder {settings.encoder}, not with {fingerprint}; "
            "give that encoder, or index into another folder."
        )
    for name, value in given.items():
        made_with = getattr(settings, name)
        if value not in (None, made_with):
            raise SearchError(
                f"{path}: made with {name} {made_with}, not {value}; "
                f"leave {name} out, or index into another folder."
            )
    return settings
