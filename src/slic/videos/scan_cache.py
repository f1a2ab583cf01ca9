"""The cache of scans: one sealed Parquet table, so that only changed files are read again."""

import hashlib
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import pyarrow as pa
import pyarrow.parquet as pq

from slic.errors import SlicError, VideoError
from slic.sealed import DamagedFileError, OtherVersionError, Seal, read_sealed, sealing
from slic.storage import RemotePath
from slic.videos.parquet import read_rows
from slic.videos.scanning import Found, Verdict
from slic.videos.video import Refused, Video

SCAN_FORMAT = 6
_SEAL = Seal("scan", SCAN_FORMAT)
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("reason", pa.string()),  # null: the video is usable and the rest is known
        ("frames", pa.int64()),
        ("fps", pa.float64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("duration_seconds", pa.float64()),
        ("timeline", pa.binary()),
    ],
    # Another version of FFmpeg may read other packets.
    metadata={"decoder": f"PyAV {av.__version__}"},
)
_log = logging.getLogger("slic")


def cache_places(root: Path, name: str) -> list[Path]:
    """Return where the cache of a folder may be, best first.

    In the folder itself it moves with the videos and serves all users. A user who cannot write
    there, often on a shared disk, has another one in ``$XDG_CACHE_HOME/slic``. A folder
    of objects in storage has only that one.

    Args:
        root: The folder of videos.
        name: File name of the cache in that folder.

    Returns:
        One or two paths; none if the folder is read-only and the user has no home.
    """
    # The permission bits, not os.access: to root everything is writable.
    local = not isinstance(root, RemotePath)
    places = [root / name] if local and root.stat().st_mode & 0o222 else []
    with suppress(RuntimeError):  # neither HOME nor an entry in the table of users
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        key = hashlib.sha256(f"{root.resolve()}/{name}".encode(errors="surrogateescape"))
        places.append(home / "slic" / f"{key.hexdigest()[:16]}.scan")
    return places


def load(places: Iterable[Path], found: Iterable[Found]) -> list[Verdict]:
    """Return the cached verdicts, from all places, on files that have not changed."""
    rows = {_file_state(row): row for place in places for row in _cached_rows(place)}
    known = ((thing, rows.get((thing.id, thing.size, thing.mtime_ns))) for thing in found)
    verdicts = []
    for thing, row in known:
        try:
            verdicts += [_verdict_of_row(thing, row)] if row else []
        except VideoError as error:
            _log.warning("%s", error)
    return verdicts


def save(places: Iterable[Path], verdicts: Iterable[Verdict]) -> None:
    """Write the lasting verdicts to the first place that can be written.

    If there is none, the next scan reads the files again; a warning says so.
    """
    failed: list[Exception] = []
    rows = [
        _cached_row(verdict) for verdict in verdicts if verdict.lasting and verdict.found.size >= 0
    ]
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    for place in places:
        try:
            with sealing(place, _SEAL) as file:
                pq.write_table(table, file)
            return
        except (SlicError, OSError) as error:
            failed.append(error)
    if failed:
        _log.warning("%s The next scan reads all files again.", failed[0])


def _cached_rows(place: Path) -> list[dict[str, Any]]:
    """Return the rows of a cache; none if it is missing, damaged or of another version."""
    try:
        content = read_sealed(place, _SEAL)
        table = read_rows(pa.BufferReader(content), len(content), _SCHEMA.names)
    except (OSError, OtherVersionError):
        return []
    except (DamagedFileError, ValueError) as error:
        _log.warning("%s: damaged (%s); the files are scanned again.", place, error)
        return []
    if not table.schema.equals(_SCHEMA, check_metadata=True):
        return []
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _file_state(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["id"], row["size"], row["mtime_ns"]


def _verdict_of_row(thing: Found, row: dict[str, Any]) -> Verdict:
    if row["reason"] is not None:
        return Verdict(thing, Refused(thing.id, str(row["reason"])))
    return Verdict(thing, Video.from_row(row, id=thing.id, path=thing.path))


def _cached_row(verdict: Verdict) -> dict[str, Any]:
    found, outcome = verdict.found, verdict.outcome
    row: dict[str, Any] = {"id": found.id, "size": found.size, "mtime_ns": found.mtime_ns}
    if isinstance(outcome, Refused):
        return row | {"reason": outcome.reason}
    return row | outcome.to_row()
