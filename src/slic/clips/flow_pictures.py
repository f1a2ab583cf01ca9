"""Flow that another tool extracted to grey pictures, as the authors' does."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, Int

from slic.errors import CatalogError, VideoError
from slic.videos.frame_folder import frame_paths
from slic.videos.video import Video

EXTRACTED_RANGE: Final = 20.0  # pixels that the levels 0 and 255 stand for
ENOUGH: Final = 0.9  # tools leave out the last steps, and decoders differ by a frame or two


class ExtractedFlow:
    """Flow pictures as other tools extract them: ``u/<video>/frame000001.jpg``, and ``v/...``.

    Picture k of a video is the motion from its frame k to the next, counted from 1; grey 0 to 255
    stands for -20 to 20 pixels of the pictures' own size. A video's folder has its id as name,
    with or without the folders above it and the suffix.

    Args:
        folder: That has ``u`` and ``v``.
        size: (width, height) that clips are read at.
        vertical: Whether ``v`` is needed; else the vertical motion is 0.
    """

    def __init__(self, folder: Path, *, size: tuple[int, int], vertical: bool) -> None:
        self.folder = folder
        self.size = size
        self.components = ("u", "v") if vertical else ("u",)

    def __str__(self) -> str:
        return str(self.folder)

    def check(self, videos: Sequence[Video]) -> None:
        """See that every video has flow of its own, and enough of it.

        Raises:
            CatalogError: Names the first video that has none, shares it with another, lacks a
                picture in between, or has less than ``ENOUGH`` of what its frames need.
        """
        for component in self.components:
            pictures = {video.id: 0 for video in videos}
            users: dict[Path, list[str]] = {}
            for video in videos:
                if paths := self._pictures_of(video, component):
                    _refuse_gaps(paths)
                    pictures[video.id] = len(paths)
                    users.setdefault(paths[0].parent, []).append(video.id)
            if missing := [name for name, there in pictures.items() if not there]:
                wanted = f"{component}/{PurePosixPath(missing[0]).stem}/frame000001.jpg"
                raise CatalogError(
                    f"{self.folder}: {len(missing)} of {len(videos)} videos have no extracted "
                    f"flow, first {missing[0]} (no {wanted}). Extract it, leave these videos out, "
                    "or leave flow.folder out."
                )
            for folder, (first, *others) in users.items():
                if others:
                    raise CatalogError(
                        f"{folder}: is the flow of both {first} and {others[0]}; give each a "
                        "folder named as its path, such as "
                        f"{component}/{PurePosixPath(first).with_suffix('')}."
                    )
            for video, folder in zip(videos, users, strict=True):
                there = pictures[video.id]
                if there < ENOUGH * (video.frames - 1):
                    raise CatalogError(
                        f"{folder}: has {there} flow pictures for the {video.frames} "
                        f"frames of {video.id}; extract them all, at the video's own frame rate."
                    )

    def read(
        self, video: Video, span: Int[np.ndarray, " t"]
    ) -> Float32[np.ndarray, "t h w 2"] | None:
        """Return the flow of a clip; the last picture stands for those after it."""
        w, h = self.size
        flow = np.zeros((len(span), h, w, 2), np.float32)
        for axis, component in enumerate(self.components):
            paths = self._pictures_of(video, component)
            if not paths:
                return None
            for k, i in enumerate(np.minimum(span, len(paths) - 1).tolist()):
                flow[k, ..., axis] = self._component(paths[i], axis)
        return flow

    def _component(self, path: Path, axis: int) -> Float32[np.ndarray, "h w"]:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        if picture is None:
            raise VideoError(f"{path}: this flow picture does not decode")
        zoom = self.size[axis] / picture.shape[1 - axis]
        pixels = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA).astype(np.float32)
        return np.asarray((pixels - 127.5) * np.float32(EXTRACTED_RANGE / 127.5 * zoom))

    def _pictures_of(self, video: Video, component: str) -> list[Path]:
        whole = PurePosixPath(video.id)
        for name in (whole.with_suffix(""), whole, whole.stem, whole.name):
            folder = self.folder / component / str(name).lstrip("/")
            if folder.is_dir() and (paths := frame_paths(folder)):
                return paths
        return []


def _refuse_gaps(paths: Sequence[Path]) -> None:
    """Refuse pictures whose numbers have a gap: what follows it would be a step late."""
    first, last = (int(re.findall(r"\d+", path.stem)[-1]) for path in (paths[0], paths[-1]))
    if last - first + 1 != len(paths):
        raise CatalogError(
            f"{paths[0].parent}: has {len(paths)} flow pictures numbered {first} to {last}, so "
            "some in between are missing; extract them again."
        )
