"""Looking for videos in object storage: one listing tells names, sizes and versions."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from slic.errors import CatalogError
from slic.files import reason_of
from slic.storage import ObjectState, RemotePath, list_folder, pinned
from slic.videos.frame_folder import picture_clips
from slic.videos.scanning import VIDEO_SUFFIXES, Found
from slic.videos.video import Refused

MIN_LISTED: Final = 20  # objects of one folder, from which on listing it is quicker than asking
ASKED_AT_ONCE: Final = 32
WITH_LISTINGS: Final = frozenset({"s3", "gs", "az", "abfs", "abfss"})
NO_FRAME_FOLDERS = (
    "a folder of pictures; in object storage only video files are read. Copy it to a disk, or make "
    "a video of it"
)
_log = logging.getLogger("slic")


def find_objects(root: RemotePath) -> tuple[list[Found], list[Refused]]:
    """Return the videos below a folder of object storage, and what cannot be used.

    Hidden names are passed over. Nothing but the listing is read.

    Raises:
        CatalogError: It cannot be listed.
    """
    try:
        listed = list_folder(root)
    except OSError as error:
        raise CatalogError(f"{root}: cannot be listed ({reason_of(error)}).") from error
    found, others = list[Found](), defaultdict[str, set[str]](set)
    with_videos = set[str]()
    for name, path in listed.items():
        folder, _, last = name.rpartition("/")
        if not last or any(part.startswith(".") for part in name.split("/")):
            continue
        if Path(last).suffix.lower() in VIDEO_SUFFIXES:
            found.append(_found(name, path))
            with_videos.add(folder)
        else:
            others[folder].add(last)
    clips = (folder for folder, names in others.items() if picture_clips(names).clips)
    refused = [
        Refused(folder or ".", NO_FRAME_FOLDERS) for folder in clips if folder not in with_videos
    ]
    return found, refused


def pin_objects(paths: Sequence[tuple[str, Path]]) -> list[Found]:
    """Return listed objects with the versions that they have now, in the same order.

    Folders of many are listed; for single objects the storage is asked, several at a time. One that
    is not there has the size -1; scanning it tells why.

    Args:
        paths: Id and path of each; files are not allowed.
    """
    objects = [path for _, path in paths if isinstance(path, RemotePath)]
    states = _listed_states(objects)
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        known = list(pool.map(lambda path: states.get(path.url) or _state(path), objects))
    return [
        Found(name, path, -1, -1)
        if state is None
        else _found(name, RemotePath(path.address.request, state=state))
        for (name, _), path, state in zip(paths, objects, known, strict=True)
    ]


def _listed_states(paths: Iterable[RemotePath]) -> dict[str, ObjectState]:
    """Return the versions in folders that hold many of the objects, by address."""
    counts: defaultdict[RemotePath, int] = defaultdict(int)
    for path in paths:
        if path.scheme in WITH_LISTINGS:
            counts[path.parent] += 1
    states: dict[str, ObjectState] = {}
    for folder, count in counts.items():
        if count >= MIN_LISTED:
            with suppress(OSError):  # reading alone may be allowed
                states |= {path.url: path.known for path in list_folder(folder).values()}
    return states


def _state(path: RemotePath) -> ObjectState | None:
    try:
        return pinned(path).known
    except OSError as error:
        _log.debug("%s: %s", path, reason_of(error))
        return None


def _found(name: str, path: RemotePath) -> Found:
    return Found(name, path, path.known.size, path.known.mtime_ns)
