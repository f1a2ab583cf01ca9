"""Write the videos of a sample in parallel, and their labels."""

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from slic.errors import CatalogError, FormatError, SlicError
from slic.files import atomic_path, read_json_object, write_atomically
from slic.machine import has_semaphores, usable_cores
from slic.sample.actions import ACTIONS
from slic.sample.backgrounds import paint_background
from slic.sample.figure import draw_actor
from slic.sample.plan import (
    SAMPLE_FORMAT,
    SampleSettings,
    SampleVideo,
    Scenes,
    draw_cast,
    plan_sample,
    random_stream,
)
from slic.sample.scene import FRAME_HEIGHT, FRAME_WIDTH, render_video
from slic.sample.take import SampleLevel, draw_take
from slic.signals import starting_processes
from slic.videos.encoding import draw_encoding, write_video
from slic.videos.preparing import process_pool

_cached_plan = lru_cache(maxsize=2)(plan_sample)  # a worker process needs it for each video
MAX_SERIAL_VIDEOS = 4  # these are written before worker processes would have started

_DEAD_PROCESS = (
    "write_sample: a worker process did not start or was killed. In a script, call it below "
    '`if __name__ == "__main__":`, or use workers=1.'
)


def write_sample(
    folder: Path,
    *,
    level: SampleLevel = "easy",
    train: int = 400,
    test: int = 120,
    seed: int = 0,
    scenes: Scenes = "any",
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write drawn videos to ``train/`` and ``test/`` and describe them in ``labels.csv``.

    The files depend on ``level``, ``train``, ``test``, ``seed`` and ``scenes`` only. A folder with
    the same sample is not changed; one that was interrupted is completed.

    Args:
        folder: Where to write: a new or empty folder, or one with the same sample.
        level: ``"easy"``, or ``"hard"`` with all directions of view, small figures, and a moving
            camera and background.
        train: Number of training videos.
        test: Number of test videos. They share no actor and no background with the others.
        seed: Seed of all draws.
        scenes: How backgrounds depend on actions. ``"any"``: not at all. ``"confounded"``: each
            training background belongs to one action in 90 % of its videos, while test backgrounds
            are independent; a set that punishes learning the scene. ``"typical"``: each action has
            its own kind of scene in both splits, as diving has pools.
        workers: Number of processes; None for one on each core, 1 for none besides this.
        progress: Show a progress bar on stderr.

    Raises:
        CatalogError: The folder contains something else.
        FormatError: The folder contains a sample of another version.
        SlicError: A worker process died. The files written so far stay.

    Example:
        >>> write_sample(Path("videos"), train=40, test=20)
        >>> labels = read_labels("videos/labels.csv")
    """
    settings = SampleSettings(level, train, test, seed, scenes=scenes)
    _claim_folder(folder, settings)
    videos = plan_sample(settings)
    missing = [number for number, video in enumerate(videos) if not (folder / video.path).exists()]
    for _ in tqdm(
        _write_videos(folder, settings, missing, workers),
        total=len(missing),
        desc="drawing videos",
        unit="video",
        disable=not (progress and missing),
    ):
        pass
    if missing or not (folder / "labels.csv").exists():
        write_atomically(folder / "labels.csv", _labels_csv(videos))


def write_sample_video(folder: Path, settings: SampleSettings, number: int) -> None:
    """Draw and encode one video of a sample.

    Args:
        folder: Folder of the sample.
        settings: Settings of the sample.
        number: Index of the video in its plan.
    """
    video = _cached_plan(settings)[number]
    index = number if video.split == "train" else number - settings.train
    actor, background = draw_cast(settings, video.split, index, video.label)
    take = draw_take(random_stream(settings, video.split, index, "take"), settings.level)
    frames = render_video(
        video.label,
        actor=draw_actor(np.random.default_rng([settings.seed, 99, actor])),
        background=paint_background(
            1000 * settings.seed + background,
            textured=take.ranges.textured,
            scene_class=ACTIONS.index(video.label) if settings.scenes == "typical" else None,
        ),
        take=take,
    )
    with atomic_path(folder / video.path) as path:
        write_video(
            path,
            frames,
            fps=take.fps,
            size=(FRAME_WIDTH, FRAME_HEIGHT),
            encoding=draw_encoding(random_stream(settings, video.split, index, "encoding")),
        )


def _write_videos(
    folder: Path, settings: SampleSettings, numbers: list[int], workers: int | None
) -> Iterator[None]:
    """Write videos, in this process if they are few; yield after each."""
    count = min(workers or usable_cores(), len(numbers))
    if count <= 1 or len(numbers) <= MAX_SERIAL_VIDEOS or not has_semaphores():
        for number in numbers:
            write_sample_video(folder, settings, number)
            yield
        return
    try:
        with process_pool(count) as pool:
            with starting_processes():
                futures = [pool.submit(write_sample_video, folder, settings, n) for n in numbers]
            for future in as_completed(futures):
                future.result()
                yield
    except BrokenProcessPool as error:
        raise SlicError(_DEAD_PROCESS) from error


def _claim_folder(folder: Path, settings: SampleSettings) -> None:
    """Mark a folder as that of this sample, or raise an error if it contains something else."""
    if folder.exists() and not folder.is_dir():
        raise CatalogError(f"{folder}: is a file. Give a new folder.")
    settings_file = folder / "sample.json"
    if settings_file.exists():
        _require_same_sample(settings_file, settings)
    elif folder.exists() and any(folder.iterdir()):
        raise CatalogError(f"{folder}: is not empty. Give a new or empty folder.")
    else:
        write_atomically(settings_file, json.dumps(settings._asdict()).encode())


def _require_same_sample(settings_file: Path, settings: SampleSettings) -> None:
    wanted = settings._asdict()
    # A file without the later settings was written with their defaults.
    try:
        found = SampleSettings._field_defaults | read_json_object(settings_file)
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"{settings_file}: not the description of a sample ({error}). Give another folder."
        ) from error
    if found.get("drawing") != SAMPLE_FORMAT:
        raise FormatError(
            f"{settings_file}: is of version {found.get('drawing')}, this package writes "
            f"{SAMPLE_FORMAT}. Write the sample to a new folder with `slic sample`."
        )
    if found != wanted:
        raise CatalogError(
            f"{settings_file.parent}: contains another sample ({found}, not {wanted}). "
            "Give another folder."
        )


def _labels_csv(videos: list[SampleVideo]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(SampleVideo.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(video) for video in videos)
    return text.getvalue().encode()
