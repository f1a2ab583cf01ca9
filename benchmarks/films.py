"""Drawn moving pictures for the benchmarks, and formats to encode them."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

RAW, RESIZED = (320, 240), (171, 128)  # width, height
LENGTH = 180  # frames; a video of UCF101 has 7.2 s at 25 fps on average


class Format(NamedTuple):
    """One encoding of the same moving pictures."""

    name: str
    suffix: str
    codec: str
    options: dict[str, str]


FORMATS = (
    # 540 kbit/s is the average of UCF101.
    Format("XviD AVI (gop 12, 2 B-frames)", ".avi", "mpeg4", {"b": "540k", "g": "12", "bf": "2"}),
    Format("H.264 mp4 (medium, gop 12)", ".mp4", "libx264", {"preset": "medium", "g": "12"}),
    Format("H.264 mp4 (medium, gop 250)", ".mp4", "libx264", {"preset": "medium", "g": "250"}),
)


def moving_picture(rng: np.random.Generator, shape: tuple[int, int]) -> list[np.ndarray]:
    """Draw textured discs that move over a slowly panning textured ground, with sensor noise."""
    w, h = shape
    ground, cloth = (
        np.clip(127 + 45 * x / x.std(), 0, 255)
        for x in (cv2.GaussianBlur(rng.normal(size=(2 * h, 2 * w, 3)), (0, 0), s) for s in (3, 2))
    )
    start, speed = rng.uniform(0, [w, h], (5, 2)), rng.uniform(-5, 5, (5, 2))
    pan, radius = rng.uniform(-0.8, 0.8, 2), rng.integers(15, 50, 5)
    pictures = []
    for k in range(LENGTH):
        shift = np.array([[1, 0, pan[0] * k - w / 2], [0, 1, pan[1] * k - h / 2]])
        picture = cv2.warpAffine(ground, shift, (w, h), borderMode=cv2.BORDER_REFLECT)
        for at, r in zip((start + k * speed) % [w, h], radius, strict=True):
            mask = cv2.circle(np.zeros((h, w), np.uint8), at.astype(int).tolist(), int(r), 255, -1)
            moved = cv2.warpAffine(cloth, np.array([[1, 0, at[0] - w], [0, 1, at[1] - h]]), (w, h))
            picture = np.where(mask[..., None] > 0, moved, picture)
        noisy = picture + rng.normal(0, 2, picture.shape)
        pictures.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return pictures


def encode(path: Path, pictures: list[np.ndarray], form: Format) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(form.codec, rate=Fraction(25), options=form.options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
