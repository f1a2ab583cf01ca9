"""The content id of a video: equal for a file that was moved or copied."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from slic.errors import VideoError
from slic.files import reason_of
from slic.storage import RemotePath, content_key, pinned
from slic.videos.frame_folder import frame_paths, is_picture_clip

_BYTES_PER_READ = 1 << 20


def content_id(path: Path) -> str:
    """Return the digest of all bytes of a file, or of all frames of a folder in their order.

    Of an object in storage it is the digest of its entity tag, see `slic.storage.content_key`.

    Returns:
        32 hexadecimal digits of BLAKE2b.

    Raises:
        VideoError: The file cannot be read.
    """
    try:
        if isinstance(path, RemotePath):
            return content_key(path.url, pinned(path).known)
        parts = frame_paths(path) if is_picture_clip(path) else [path]
        return digest_of_files(part.open("rb") for part in parts)
    except OSError as error:
        raise VideoError(f"{path}: {reason_of(error)}") from error


def digest_of_files(files: Iterable[BinaryIO]) -> str:
    """Return the content id of opened files, as `content_id` does; each is closed when it is read.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        with file:
            # The size separates the frames: the same bytes divided otherwise are another folder.
            digest.update(os.fstat(file.fileno()).st_size.to_bytes(8, "little"))
            while chunk := file.read(_BYTES_PER_READ):
                digest.update(chunk)
    return digest.hexdigest()


def content_ids(paths: Sequence[Path], *, progress: bool) -> Iterator[str | VideoError]:
    """Give the content ids of several paths, which are read in parallel.

    Args:
        paths: Files or folders of frames.
        progress: Show a progress bar.

    Yields:
        For each path in order, its content id, or the error if it cannot be read.
    """
    hidden = not (progress and paths)
    with ThreadPoolExecutor() as pool:  # hashing releases the global interpreter lock
        ids = pool.map(content_id_or_error, paths)
        yield from tqdm(
            ids, total=len(paths), desc="reading", unit="file", leave=False, disable=hidden
        )


def content_id_or_error(path: Path) -> str | VideoError:
    """Return the content id, or the error if the file cannot be read."""
    try:
        return content_id(path)
    except VideoError as error:
        return error
