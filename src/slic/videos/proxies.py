"""Small proxies of videos, from which clips load several times as fast.

A proxy has the name of its video, so that ids, labels and benchmark layouts fit the proxies' folder
too, and the same frames by number. It is Motion JPEG in AVI whatever the name says (readers go by
what is inside); a folder of numbered frames becomes a folder of small frames.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from slic.errors import CatalogError, CheckpointError, VideoError
from slic.files import atomic_path, flush_file, id_of, move_whole, temporary_folder
from slic.storage import RemotePath, is_address
from slic.videos import motion_jpeg
from slic.videos.catalog import Catalog
from slic.videos.frame_folder import is_picture_clip
from slic.videos.frames import stream_frames
from slic.videos.preparing import content_digest
from slic.videos.video import Video

_MAX_ORIGIN_BYTES = 4096
_ORIGIN = ".copy-of"  # in a folder of frames: what a file says in itself


@dataclass(frozen=True)
class Proxies:
    """The proxies of a collection.

    Attributes:
        folder: Where they lie.
        short_side: Pixels of the shorter side of a frame; a smaller video keeps its size.
        quality: Of the JPEG pictures, up to 100.
    """

    folder: Path
    short_side: int
    quality: int = 85

    def check(self, catalog: Catalog) -> None:
        """Check that every proxy lies in the folder, links followed, and none on a video.

        Raises:
            CatalogError: One would not.
        """
        folder = _real(self.folder)
        if not isinstance(catalog.root, RemotePath) and _real(catalog.root) == folder:
            raise CatalogError(f"{folder}: is the folder of the videos themselves; choose another.")
        originals = {_real(v.path) for v in catalog if not isinstance(v.path, RemotePath)}
        for video in catalog:
            proxy = _real(self.path(video))
            if proxy in originals or folder not in proxy.parents:
                raise CatalogError(
                    f"{video.path}: its proxy would be written to {proxy}, which is a video or "
                    f"lies outside {folder}; choose another folder."
                )

    def path(self, video: Video) -> Path:
        """Return where a video's proxy lies.

        Raises:
            CatalogError: That is not in the folder.
        """
        name = id_of(video.id, self.folder)
        if is_address(video.id) or name == "." or name.startswith("/"):
            raise CatalogError(
                f"{video.path}: does not lie below the folder of VIDEOS, so no proxy can have its "
                "name; give a folder above it, or a list that lies in such a folder."
            )
        return self.folder / name

    def size(self, video: Video) -> tuple[int, int]:
        """Return (width, height) of the proxy's frames."""
        zoom = min(1.0, self.short_side / min(video.width, video.height))
        return round(video.width * zoom), round(video.height * zoom)

    def holds(self, video: Video) -> bool:
        """Return whether the proxy of this very video is there."""
        try:
            return _origin(self.path(video)) == self._about(video)
        except VideoError:  # reported when it is written
            return False

    def write(self, video: Video) -> int:
        """Write the proxy of a video; return its bytes.

        Raises:
            VideoError: A frame does not decode.
            CheckpointError: The proxy cannot be written, or something else has its name.
        """
        path = self.path(video)
        if os.path.lexists(path) and _origin(path) is None:
            raise CheckpointError(
                f"{path}: exists and is not a proxy, so it is not replaced; choose "
                "another folder, or delete it."
            )
        frames = stream_frames(video, range(video.frames), size=self.size(video))
        if is_picture_clip(video.path):
            return self._write_folder(video, frames)
        with atomic_path(path) as temporary:
            motion_jpeg.write(
                temporary,
                frames,
                fps=video.fps,
                quality=self.quality,
                origin=self._about(video),
            )
            return temporary.stat().st_size

    def bytes_a_frame(self, video: Video) -> float:
        """Return about how much a frame takes, from one in the middle."""
        (frame,) = stream_frames(video, [video.frames // 2], size=self.size(video))
        return float(len(motion_jpeg.encoded(frame, quality=self.quality))) + 24

    def _write_folder(self, video: Video, frames: Iterator[UInt8[np.ndarray, "h w 3"]]) -> int:
        """Write all frames to a hidden folder and give it its name at the end."""
        path, written = self.path(video), 0
        with temporary_folder(path) as temporary:
            for number, frame in enumerate(frames, start=1):
                data = motion_jpeg.encoded(frame, quality=self.quality)
                written += (temporary / f"{number:06d}.jpg").write_bytes(data)
            (temporary / _ORIGIN).write_text(self._about(video))
            for file in temporary.iterdir():
                flush_file(file)
            shutil.rmtree(path, ignore_errors=True)
            move_whole(temporary, path)
        return written

    def _about(self, video: Video) -> str:
        return f"{content_digest(video)} {self.size(video)} {self.quality}"


def _real(path: Path) -> Path:
    """Return a path with its links followed; `Path.resolve` raises where they are a loop."""
    return Path(os.path.realpath(path))


def _origin(proxy: Path) -> str | None:
    """Return what a proxy says that it is of; None where there is none, or not by us."""
    with suppress(OSError):
        if not proxy.is_dir():
            return motion_jpeg.origin_of(proxy)
        with (proxy / _ORIGIN).open("rb") as file:
            return file.read(_MAX_ORIGIN_BYTES).decode(errors="replace")
    return None
