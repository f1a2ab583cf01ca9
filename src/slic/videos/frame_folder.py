"""Folders of numbered frames (``image_00001.jpg``), which is how many research sets lie on disk."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from slic.errors import VideoError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
FRAMES_PER_SECOND = 25.0  # a folder does not say; the rate of most research sets

_NUMBER = re.compile(r"\d+")
_log = logging.getLogger("slic")


class Numbering(NamedTuple):
    """How the pictures of a folder are numbered.

    Attributes:
        names: The pictures of the video, in the order of their numbers.
        missing: How many numbers are missing between the first and the last.
        unused: How many pictures of the folder are not part of the video.
    """

    names: list[str]
    missing: int
    unused: int


def numbered_frames(names: Iterable[str]) -> Numbering:
    """Find the pictures that make one video.

    Names belong together if they differ in one number only: ``img_001.jpg``, ``001_rgb.jpg``,
    ``frame_001_of_030.jpg``. Of several such groups (``img_*`` beside ``flow_x_*``) the largest is
    taken, of equal ones that of the last number, and then the first by name.
    """
    pictures = [name for name in names if _is_picture(name)]
    groups: defaultdict[tuple[int, str, str], list[tuple[int, str]]] = defaultdict(list)
    for name in pictures:
        stem, _, suffix = name.rpartition(".")
        for place, match in enumerate(reversed([*_NUMBER.finditer(stem)])):
            around = stem[: match.start()], f"{stem[match.end() :]}.{suffix.lower()}"
            groups[place, *around].append((int(match[0]), name))
    largest = max(sorted(groups), key=lambda group: len(groups[group]), default=None)
    if largest is None or len(groups[largest]) < 2:
        return Numbering([], 0, len(pictures))
    frames = sorted(groups[largest])
    numbers = {number for number, _ in frames}
    missing = max(numbers) - min(numbers) + 1 - len(numbers)
    return Numbering([name for _, name in frames], missing, len(pictures) - len(frames))


def report_numbering(folder: Path) -> None:
    """Log a warning if pictures of a folder are not used, or numbers are missing."""
    found = numbered_frames(entry.name for entry in folder.iterdir())
    if found.unused:
        _log.warning(
            "%s: %d of %d pictures are not used; each clip needs a folder of its own",
            folder, found.unused, found.unused + len(found.names),
        )  # fmt: skip
    if found.missing:
        _log.warning("%s: %d frame numbers are missing", folder, found.missing)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def frame_paths(folder: Path) -> list[Path]:
    """Return the frames of a folder in order."""
    return [folder / name for name in numbered_frames(e.name for e in folder.iterdir()).names]


def read_image(path: Path) -> UInt8[np.ndarray, "h w 3"] | None:
    """Return an image as BGR (alpha dropped, 16 bits cut to 8, turned as its EXIF says) or None."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        return cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # larger than OpenCV reads, or than the memory
        return None


def check_frames(paths: list[Path]) -> tuple[int, int]:
    """Check that every picture is a file, decode the first, and return (width, height).

    Raises:
        VideoError: The first picture does not decode, or one is not a file.
    """
    for path in paths:
        if not path.is_file():  # reading a pipe would wait for ever
            raise VideoError(f"{path.parent}: its frame {path.name} is no file")
    image = read_image(paths[0])
    if image is None:
        raise VideoError(f"{paths[0].parent}: its frame {paths[0].name} does not decode")
    height, width, _ = image.shape
    return width, height
