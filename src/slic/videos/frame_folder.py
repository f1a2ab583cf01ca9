"""Folders of numbered frames (``image_00001.jpg``), which is how many research sets lie on disk."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from slic.errors import VideoError
from slic.videos.pictures import decode_picture

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
FRAMES_PER_SECOND = 25.0  # a folder does not say; the rate of most research sets

_NUMBER = re.compile(r"\d+")
_FLOW = re.compile(r"(flow.*|[uvxy][\W_\d]*)\*", re.IGNORECASE)  # patterns of extracted flow
_log = logging.getLogger("slic")


class PictureClips(NamedTuple):
    """The clips whose frames lie in one folder.

    Attributes:
        clips: Names of the frames of each clip in the order of their numbers. The keys are patterns
            such as ``walk_*.jpg``, with a star for the number.
        unused: How many pictures of the folder belong to no clip.
    """

    clips: dict[str, list[str]]
    unused: int


def picture_clips(names: Iterable[str]) -> PictureClips:
    """Find the clips among the names of a folder.

    Names belong together if they differ in one number only: ``img_001.jpg``, ``001_rgb.jpg``,
    ``frame_001_of_030.jpg``. Which of several numbers counts the frames follows from the largest
    group. Extracted flow (``flow_x_*``, ``u_*``) beside other pictures is no clip.
    """
    pictures = [name for name in names if _is_picture(name)]
    groups: defaultdict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
    for name in pictures:
        stem, _, suffix = name.rpartition(".")
        for place, match in enumerate(reversed([*_NUMBER.finditer(stem)])):
            pattern = f"{stem[: match.start()]}*{stem[match.end() :]}.{suffix.lower()}"
            groups[place, pattern].append((int(match[0]), name))
    largest = max(sorted(groups), key=lambda group: len(groups[group]), default=(0, ""))
    clips = {
        pattern: [name for _, name in sorted(frames)]
        for (place, pattern), frames in sorted(groups.items())
        if place == largest[0] and len(frames) > 1
    }
    without_flow = {key: clip for key, clip in clips.items() if not _FLOW.match(key)}
    clips = without_flow or clips
    return PictureClips(clips, len(pictures) - sum(map(len, clips.values())))


def is_picture_clip(path: Path) -> bool:
    """Return whether a path means pictures: a folder, or a pattern of names in a folder."""
    return path.is_dir() or ("*" in path.name and not path.exists() and path.parent.is_dir())


def frame_paths(path: Path) -> list[Path]:
    """Return the frames of a clip in order.

    Args:
        path: A folder, which stands for the largest clip in it, or a pattern in a folder.
    """
    folder, pattern = (path, "") if path.is_dir() else (path.parent, path.name)
    clips = picture_clips(entry.name for entry in folder.iterdir()).clips
    largest = max(clips.values(), key=len, default=[])
    return [folder / name for name in (clips.get(pattern, []) if pattern else largest)]


def report_gaps(path: Path, frames: list[Path]) -> None:
    """Log a warning if numbers are missing between the first and the last frame."""
    around = path.name.split("*") if "*" in path.name else None
    if around is None:
        names = picture_clips(frame.name for frame in frames).clips
        around = next(iter(names)).split("*")
    before, after = len(around[0]), len(around[-1])
    numbers = [int(frame.name[before : len(frame.name) - after]) for frame in frames]
    if missing := numbers[-1] - numbers[0] + 1 - len(set(numbers)):
        _log.warning("%s: %d frame numbers are missing", path, missing)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def read_image(path: Path) -> UInt8[np.ndarray, "h w 3"] | None:
    """Return an image as BGR (alpha dropped, 16 bits cut to 8, turned as its EXIF says) or None."""
    return decode_picture(path.read_bytes(), path.parent)


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
