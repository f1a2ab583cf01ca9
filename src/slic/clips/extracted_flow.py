"""Optical flow that another tool extracted to grey images, such as that of the SLIC authors."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32

from slic.clips.flow import ClipFlow
from slic.clips.spans import Span
from slic.errors import CatalogError, VideoError
from slic.videos.frame_folder import frame_paths
from slic.videos.pictures import decode_picture
from slic.videos.video import Video

MAX_EXTRACTED_MOTION: Final = 20.0  # pixels that level 255 stands for; level 0 is its negative
MIN_EXTRACTED_SHARE: Final = 0.9  # tools drop the last steps, and decoders differ by a frame or two


class ExtractedFlow:
    """Flow images as other tools extract them: ``u/<video>/frame000001.jpg`` and ``v/...``.

    Image k of a video, counted from 1, is the motion from its frame k to frame k + 1. Grey levels 0
    to 255 stand for -20 to 20 pixels at the size of the images. The folder of a video has its id as
    its name, with or without parent folders and suffix.

    Args:
        folder: Folder with the subfolders ``u`` and ``v``.
        size: (width, height) of the frames that clips are read at, in pixels.
        vertical: Whether to read ``v``. Otherwise the vertical motion is 0.
    """

    def __init__(self, folder: Path, *, size: tuple[int, int], vertical: bool) -> None:
        self.folder = folder
        self.size = size
        self.components = ("u", "v") if vertical else ("u",)

    def __str__(self) -> str:
        return str(self.folder)

    def check(self, videos: Sequence[Video]) -> None:
        """Check that every video has its own flow, and that it is complete.

        Raises:
            CatalogError: A video has no flow, shares it with another video, lacks an image in
                between, or has fewer images than ``MIN_EXTRACTED_SHARE`` of its frames.
        """
        for component in self.components:
            images = {video.id: self._image_paths(video, component) for video in videos}
            self._check_present(images, component)
            self._check_unshared(images, component)
            for video in videos:
                _check_complete(images[video.id], video)

    def read(self, video: Video, span: Span) -> ClipFlow | None:
        """Return the flow of a clip, or None if there are no images of this video.

        Args:
            video: The video.
            span: Frame indices, 1 apart.

        Returns:
            Flow in pixels at ``size``. The last image is repeated for frames after it.

        Raises:
            VideoError: An image cannot be decoded.
        """
        w, h = self.size
        flow = np.zeros((len(span), h, w, 2), np.float32)
        for axis, component in enumerate(self.components):
            paths = self._image_paths(video, component)
            if not paths:
                return None
            for k, i in enumerate(np.minimum(span, len(paths) - 1).tolist()):
                flow[k, ..., axis] = self._read_component(paths[i], axis)
        return flow

    def _read_component(self, path: Path, axis: int) -> Float32[np.ndarray, "h w"]:
        image = decode_picture(path.read_bytes(), path.parent, grey=True)
        if image is None:
            raise VideoError(f"{path}: this flow image cannot be decoded. Extract it again.")
        zoom = self.size[axis] / image.shape[1 - axis]
        levels = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA).astype(np.float32)
        return np.asarray((levels - 127.5) * np.float32(MAX_EXTRACTED_MOTION / 127.5 * zoom))

    def _image_paths(self, video: Video, component: str) -> list[Path]:
        whole = PurePosixPath(video.id)
        for name in (whole.with_suffix(""), whole, whole.stem, whole.name):
            folder = self.folder / component / str(name).lstrip("/")
            if folder.is_dir() and (paths := frame_paths(folder)):
                return paths
        return []

    def _check_present(self, images: dict[str, list[Path]], component: str) -> None:
        if missing := [video_id for video_id, paths in images.items() if not paths]:
            wanted = f"{component}/{PurePosixPath(missing[0]).stem}/frame000001.jpg"
            raise CatalogError(
                f"{self.folder}: {len(missing)} of {len(images)} videos have no extracted flow, "
                f"the first is {missing[0]} (no {wanted}). Extract it, leave these videos out, or "
                "compute flow while loading."
            )

    def _check_unshared(self, images: dict[str, list[Path]], component: str) -> None:
        owners: dict[Path, str] = {}
        for video_id, paths in images.items():
            other = owners.setdefault(folder := paths[0].parent, video_id)
            if other != video_id:
                raise CatalogError(
                    f"{folder}: is the flow of both {other} and {video_id}. Give each a folder "
                    f"with its path as its name, such as "
                    f"{component}/{PurePosixPath(other).with_suffix('')}."
                )


def _check_complete(paths: Sequence[Path], video: Video) -> None:
    """Refuse images with a gap, which would shift all later steps, and too few images."""
    folder = paths[0].parent
    first, last = (int(re.findall(r"\d+", path.stem)[-1]) for path in (paths[0], paths[-1]))
    if last - first + 1 != len(paths):
        raise CatalogError(
            f"{folder}: has {len(paths)} flow images numbered {first} to {last}, so some in "
            "between are missing. Extract them again."
        )
    if len(paths) < MIN_EXTRACTED_SHARE * (video.frames - 1):
        raise CatalogError(
            f"{folder}: has {len(paths)} flow images for the {video.frames} frames of {video.id}. "
            "Extract all of them, at the video's own frame rate."
        )
