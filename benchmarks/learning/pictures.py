"""Draw docs/images/tasks.webp: three videos of each drawn task, with their labels.

    python benchmarks/learning/pictures.py --data results/pictures

The videos are those of a small draw of each task, one per label.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the package `learning` is

from learning.tasks import DRAWN, Task, open_task
from slic.videos.frames import read_frames
from slic.videos.video import Video

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "images" / "tasks.webp"
FRAMES, COLUMNS = 3, 2  # pictures of a task, tasks in a row
WIDTH, HEIGHT, TITLE, CAPTION, GAP = 168, 126, 24, 18, 14
PLACE = 0.4  # of the video: the action has begun


def videos_of(name: str, data: Path) -> Iterator[tuple[str, Video]]:
    """Yield one video of each of the first labels of a task."""
    task = open_task(name, "test", data=data, train=20, test=10)
    of_label = {label: video for video, label in zip(task.training, labels_of(task), strict=True)}
    yield from sorted(of_label.items())[:: max(1, len(of_label) // FRAMES)][:FRAMES]


def labels_of(task: Task) -> list[str]:
    """Return the labels of the training videos."""
    return list(task.labels.labels_of(video.id for video in task.training))


def picture_of(video: Video) -> Image.Image:
    """Return a frame of a video at the size of the picture."""
    (frame,) = read_frames(video, np.array([int(PLACE * video.frames)]))
    return Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def draw(data: Path) -> Image.Image:
    """Return the picture of all drawn tasks."""
    across = FRAMES * WIDTH + 2 * GAP  # no space between the pictures of a task
    down = TITLE + HEIGHT + CAPTION + GAP
    rows = -(-len(DRAWN) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * across, rows * down + GAP), "white")
    pen = ImageDraw.Draw(page)
    bold, small = ImageFont.load_default(16), ImageFont.load_default(12)
    for number, name in enumerate(DRAWN):
        x, y = GAP + number % COLUMNS * across, GAP + number // COLUMNS * down
        pen.text((x, y), name, "black", bold)
        for place, (label, video) in enumerate(videos_of(name, data)):
            left = x + place * WIDTH
            page.paste(picture_of(video), (left, y + TITLE))
            pen.text((left + 2, y + TITLE + HEIGHT + 2), label, "#444", small)
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder for the videos")
    draw(parser.parse_args().data).save(PAGE, quality=80, method=6)


if __name__ == "__main__":
    main()
