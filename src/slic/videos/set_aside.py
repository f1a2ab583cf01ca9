"""Videos that failed to decode, remembered across processes and runs.

They are kept in ``.slic-set-aside.json`` beside the catalog cache. Each entry identifies a file by
its content, so it still holds after a rename, and no longer after a repair. Delete the file to have
all videos tried again.
"""

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from zlib import crc32

import av

from slic.errors import VideoError, WriteError
from slic.files import absolute, read_json_object, write_atomically
from slic.storage import RemotePath, content_key, pinned
from slic.videos.frame_folder import frame_paths, is_picture_clip
from slic.videos.video import Video

SET_ASIDE_FORMAT = 1
SET_ASIDE_NAME = ".slic-set-aside.json"
MAX_SET_ASIDE = 4000  # the oldest entries are dropped
MAX_MARK_BYTES = 64 << 20  # of a file's content; more is sampled
BLOCK_BYTES = 65536
CATALOG_CACHES = ".*slic-catalog.scan"  # of a folder and of lists
DECODER = f"PyAV {av.__version__}"  # another FFmpeg may decode what this one does not

_log = logging.getLogger("slic")


@dataclass
class _Table:
    """Reasons by content mark: those in the file of a folder, and those of this process only."""

    state: tuple[int, int] | None = None
    in_file: dict[str, str] = field(default_factory=dict)
    in_process: dict[str, str] = field(default_factory=dict)


_tables: dict[Path | None, _Table] = {}
_failed_readings: dict[tuple[Path, int, tuple[int, ...]], str] = {}


def refuse_set_aside(video: Video, places: Sequence[int]) -> None:
    """Raise at once for a video that failed before and has not changed.

    In a run (see `Video.set_aside`) only a reading of the same frames counts as having failed. So
    the outcome of a reading does not depend on the readings before it.

    Raises:
        VideoError: It has failed; the message has the reason.
    """
    if video.set_aside is None:
        reason = reason_set_aside(video)
    else:
        reading = (video.path, _state(video.path)[1], tuple(places)) if _failed_readings else None
        reason = video.set_aside or (_failed_readings.get(reading) if reading else None)
    if reason:
        raise VideoError(f"{video.path}: set aside earlier: {reason}")


def reason_set_aside(video: Video) -> str | None:
    """Return why a video is set aside; None if it is not, or its content is another now."""
    table = _table_of(_catalog_folder(video))
    reasons = table.in_file | table.in_process
    if not reasons:
        return None
    size, changed = _state(video.path)
    if not any(mark.startswith(f"{size}-") for mark in reasons):
        return None
    try:
        return reasons.get(_content_mark(video.path, size, changed))
    except OSError:  # reported when it is read
        return None


def set_aside(video: Video, places: Sequence[int], reason: str, *, lasting: bool) -> None:
    """Remember that a video does not decode.

    Args:
        video: The video.
        places: The frames that were read.
        reason: What is wrong with it.
        lasting: The content is the cause. Otherwise it is remembered in this process only, as it
            is where the folder has no catalog cache or cannot be written.
    """
    size, changed = _state(video.path)
    if size < 0:
        return
    _failed_readings[video.path, changed, tuple(places)] = reason
    try:
        mark = _content_mark(video.path, size, changed)
    except OSError:  # the disk is at fault, not the content
        return
    folder = _catalog_folder(video)
    table = _table_of(folder)
    table.in_process[mark] = reason
    if lasting and folder and _is_writable(folder):
        # A process that writes at the same moment may lose an entry; the video is then tried again.
        entries = [*({**table.in_file, mark: reason}).items()][-MAX_SET_ASIDE:]
        about = {"slic_set_aside": SET_ASIDE_FORMAT, "decoder": DECODER, "files": dict(entries)}
        try:
            write_atomically(folder / SET_ASIDE_NAME, json.dumps(about, indent=1).encode())
        except WriteError as error:
            _log.debug("not remembered: %s", error)


def _is_writable(folder: Path) -> bool:
    """Return whether a folder has a catalog cache and takes files; to root all folders would."""
    try:
        return bool(folder.stat().st_mode & 0o222) and any(folder.glob(CATALOG_CACHES))
    except OSError:
        return False


def _catalog_folder(video: Video) -> Path | None:
    """Return the folder that a video's id is relative to; None if nothing can be kept there."""
    parts = PurePosixPath(video.id).parts
    if isinstance(video.path, RemotePath):
        return None
    if video.path.parts[-len(parts) :] != parts or PurePosixPath(video.id).is_absolute():
        return None
    return absolute(Path(*video.path.parts[: -len(parts)]))


def _table_of(folder: Path | None) -> _Table:
    """Return what is known of a folder; its file is read again when it has changed."""
    table = _tables.setdefault(folder, _Table())
    if folder is None:
        return table
    path = folder / SET_ASIDE_NAME
    try:
        status = path.stat()
        state = (status.st_mtime_ns, status.st_size)
    except OSError:
        state = None
    if state != table.state:
        table.state, table.in_file = state, _read(path) if state else {}
    return table


def _read(path: Path) -> dict[str, str]:
    """Read the file; one that is damaged or of another version holds nothing."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        about = read_json_object(path)
        if (about["slic_set_aside"], about["decoder"]) == (SET_ASIDE_FORMAT, DECODER):
            return {str(mark): str(reason) for mark, reason in about["files"].items()}
        _log.info("%s: written by another version; its videos are tried again", path)
    return {}


def _state(path: Path) -> tuple[int, int]:
    """Return the bytes of a video and the time of its last change; -1 if it cannot be reached."""
    try:
        files = [file.stat() for file in _files_of(path)]
    except OSError:
        return -1, -1
    return sum(f.st_size for f in files), max((f.st_mtime_ns for f in files), default=-1)


def _files_of(path: Path) -> list[Path]:
    return frame_paths(path) if is_picture_clip(path) else [path]


@lru_cache(maxsize=4096)
def _content_mark(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 (a changed file is read again)
    """Return the size and a checksum of the content; of long files, of blocks at equal distances.

    The ends alone would not do: a file that is repaired often keeps them.
    """
    if isinstance(path, RemotePath):
        return f"{size}-{content_key(path.url, pinned(path).known)[:8]}"
    checksum = 0
    files = _files_of(path)
    for file in files:
        blocks = -(-file.stat().st_size // BLOCK_BYTES)
        count = min(blocks, max(2, MAX_MARK_BYTES // BLOCK_BYTES // len(files)))
        chosen = [place * (blocks - 1) // max(count - 1, 1) for place in range(count)]
        with file.open("rb") as content:
            for block in chosen:
                content.seek(block * BLOCK_BYTES)
                checksum = crc32(content.read(BLOCK_BYTES), checksum)
    return f"{size}-{checksum:08x}"
