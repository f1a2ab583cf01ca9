"""Every codec and container of the sample gives back the frames."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from slic.videos.encoding import draw_encoding, write_video

ENCODINGS = {
    (encoding.container, encoding.codec): encoding
    for encoding in (draw_encoding(np.random.default_rng(seed)) for seed in range(60))
}


def moving_square(frames: int) -> np.ndarray:
    """Return frames with a bright square that moves by 12 pixels a frame."""
    video = np.full((frames, 240, 320, 3), (60, 90, 120), np.uint8)
    for number, frame in enumerate(video):
        frame[100:140, 12 * number : 12 * number + 40] = (230, 210, 190)
    return video


def test_every_codec_and_container_gives_back_the_frames(tmp_path: Path) -> None:
    video = moving_square(20)
    assert len(ENCODINGS) == 7
    for number, encoding in enumerate(ENCODINGS.values()):
        path = tmp_path / f"{number}{encoding.suffix}"
        write_video(path, video, fps=Fraction(25), size=(320, 240), encoding=encoding)
        capture = cv2.VideoCapture(str(path))
        for index in range(len(video)):
            ok, bgr = capture.read()
            assert ok
            error = np.abs(bgr[..., ::-1].astype(float) - video).mean(axis=(1, 2, 3))
            assert error.argmin() == index
            assert error[index] < 10  # grey levels
        assert not capture.read()[0]


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    video = moving_square(12)
    for number, encoding in enumerate(ENCODINGS.values()):
        written = []
        for name in ("first", "second"):
            path = tmp_path / f"{name}{number}{encoding.suffix}"
            write_video(path, video, fps=Fraction(25), size=(320, 240), encoding=encoding)
            written.append(path.read_bytes())
        assert written[0] == written[1]
