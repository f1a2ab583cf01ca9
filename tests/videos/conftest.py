"""What the ``ffmpeg`` command shows of a file, and files that it makes."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest


class Ffmpeg:
    """The ``ffmpeg`` command, reading files from the start."""

    def run(self, *words: str, stdin: bytes = b"") -> bytes:
        """Run the command and return what it prints."""
        command = ["ffmpeg", "-v", "error", "-y", *words]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout

    def frames(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        """Return all frames of a file as RGB, as the command shows them."""
        words = ["-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        data = self.run("-i", str(path), "-vf", f"scale={size[0]}:{size[1]}", *words)
        return np.frombuffer(data, np.uint8).reshape(-1, size[1], size[0], 3)

    def seconds(self, path: Path) -> np.ndarray:
        """Return the presentation times of all frames."""
        text = self.run("-i", str(path), "-vsync", "0", "-an", "-f", "framehash", "-").decode()
        lines = [line for line in text.splitlines() if line]
        (base,) = (line.split(":")[1] for line in lines if line.startswith("#tb 0"))
        numerator, denominator = map(int, base.split("/"))
        ticks = [int(line.split(",")[2]) for line in lines if not line.startswith("#")]
        return np.sort(ticks) * numerator / denominator

    def encode(self, path: Path, pictures: np.ndarray, options: Sequence[str]) -> Path:
        """Write RGB pictures of 25 frames a second to a file."""
        _, height, width, _ = pictures.shape
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25"]
        self.run(*source, "-i", "-", "-threads", "1", *options, str(path), stdin=pictures.tobytes())
        return path


@pytest.fixture(scope="session")
def ffmpeg() -> Ffmpeg:
    """Return the ``ffmpeg`` command."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("the ffmpeg command is not installed")
    return Ffmpeg()
