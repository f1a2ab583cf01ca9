"""Six short videos, a reader of tiny clips, and a texture with a known motion."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from slic.clips.reader import ClipReader
from slic.videos.catalog import Catalog
from slic.videos.video import Video

SHAPE: dict[str, Any] = {"frames": 4, "stride": 2, "size": 32}  # a clip covers 7 frames


@pytest.fixture(scope="package")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Catalog:
    """Return six videos; the fourth is too short for two clips, the fifth is upright."""
    folder = tmp_path_factory.mktemp("clips")
    for number, frames in enumerate([20, 24, 28, 9, 32, 36]):
        size = (48, 64) if number == 4 else (64, 48)
        make_video(folder / f"{number}.mp4", frames=frames, size=size)
    return Catalog.from_folder(folder, progress=False)


@pytest.fixture(scope="package")
def reader() -> ClipReader:
    """Return a reader of clips of 4 frames of 32 x 32 pixels."""
    return ClipReader(**SHAPE)


class RecordingReader(ClipReader):
    """Records which spans are read, and returns black frames or those of the videos."""

    def __init__(self, *, black: bool = True, **settings: Any) -> None:
        super().__init__(**(SHAPE | settings))
        self.black = black
        self.reads: list[tuple[str, list[list[int]]]] = []  # video and spans of every read

    def read(self, video: Video, spans: Sequence[Any]) -> Any:
        """Record the spans."""
        self.reads.append((video.id, [span.tolist() for span in spans]))
        if not self.black:
            return super().read(video, spans)
        return [np.zeros((len(span), 32, 43, 3), np.uint8) for span in spans]

    @property
    def spans(self) -> list[tuple[str, list[int]]]:
        """Video and frame indices of every span that was read."""
        return [(video_id, span) for video_id, spans in self.reads for span in spans]


@pytest.fixture
def recording_reader() -> Callable[..., RecordingReader]:
    """Return :class:`RecordingReader`."""
    return RecordingReader


def move_texture(h: int, w: int, *, u: float, v: float, t: int = 4) -> np.ndarray:
    """Return a textured image that moves by (u, v) pixels per frame."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.uniform(-1, 1, (2 * h, 2 * w, 3)), (0, 0), 1.5)
    ground = np.clip(127 + 100 * ground / ground.std() / 2, 0, 255)
    shift = [np.array([[1, 0, u * k - w / 2], [0, 1, v * k - h / 2]]) for k in range(t)]
    frames = [cv2.warpAffine(ground, m, (w, h), flags=cv2.INTER_CUBIC) for m in shift]
    return np.clip(np.rint(np.stack(frames)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def moving_texture() -> Callable[..., np.ndarray]:
    """Return :func:`move_texture`."""
    return move_texture
