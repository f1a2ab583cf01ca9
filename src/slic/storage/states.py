"""Versions of objects: what tells one from the next, without reading it."""

import hashlib
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from zlib import crc32

_MD5: Final = re.compile(r"[0-9a-f]{32}(-\d+)?")
_SECOND: Final = 1_000_000_000


class ObjectState(NamedTuple):
    """One version of an object.

    Attributes:
        size: Bytes.
        mtime_ns: Second of the last change; its nanoseconds are a checksum of the entity tag. So
            two versions of one size within a second differ, wherever size and time are compared.
        tag: Entity tag, or the generation of an object; empty if there is none.
    """

    size: int
    mtime_ns: int
    tag: str


def object_state(size: int, changed: Any, tag: str | None) -> ObjectState:
    """Return the state of an object.

    Args:
        size: Bytes.
        changed: Time of the last change: a date, seconds since 1970, or text; None if unknown.
        tag: Entity tag as the server wrote it.
    """
    tag = tag or ""
    mark = crc32(tag.encode()) % _SECOND if tag else 0
    return ObjectState(int(size), int(_seconds(changed)) * _SECOND + mark, tag)


def _seconds(changed: Any) -> float:
    if isinstance(changed, str):
        try:
            changed = parsedate_to_datetime(changed)
        except ValueError:
            try:
                changed = datetime.fromisoformat(changed)
            except ValueError:
                return 0.0
    if isinstance(changed, datetime):
        aware = changed if changed.tzinfo else changed.replace(tzinfo=UTC)
        return max(0.0, aware.timestamp())
    return max(0.0, float(changed or 0))


def content_key(url: str, state: ObjectState) -> str:
    """Return the content id of an object, from its entity tag; it is not read.

    S3 makes the tag from the content, so an object that was copied or moved keeps its id. Elsewhere
    the id depends on the address too. The same bytes on a disk have another id.

    Returns:
        32 hexadecimal digits of BLAKE2b.
    """
    tag = state.tag.strip('"')
    by_content = url.startswith("s3://") and _MD5.fullmatch(tag)
    about = (tag, state.size) if by_content else (tag, state.size, state.mtime_ns, url)
    text = "\n".join(map(str, ("object", *about)))
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()
