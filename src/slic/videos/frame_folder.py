"""Folders of numbered frames (``image_00001.jpg``), which is how many research sets lie on disk."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from slic.errors import VideoError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
FRAMES_PER_SECOND = 25.0  # a folder does not say; the rate of most research sets

_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d+)", re.DOTALL)


def numbered_frames(names: Iterable[str]) -> list[str]:
    """Return the names that make one video, in the order of their numbers; else nothing.

    Names belong together when they differ only in their last number. Of several such groups
    (``img_*`` beside ``flow_x_*``) the largest is taken, and of equal ones the first by name.
    """
    groups: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        match = _NUMBERED.fullmatch(stem)
        if match and not name.startswith(".") and dot + suffix.lower() in IMAGE_SUFFIXES:
            groups[match["stem"], suffix.lower()].append((int(match["number"]), name))
    if not groups:
        return []
    largest = max(sorted(groups), key=lambda group: len(groups[group]))
    return [name for _, name in sorted(groups[largest])] if len(groups[largest]) > 1 else []


def frame_paths(folder: Path) -> list[Path]:
    """Return the frames of a folder in order."""
    return [folder / name for name in numbered_frames(entry.name for entry in folder.iterdir())]


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
