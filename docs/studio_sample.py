"""The index that the pictures of the studio show: drawn people, and an encoder that was trained."""

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np

from slic.models.encoder import VideoEncoder
from slic.pretraining import pretrain
from slic.pretraining.folder import RunFolder
from slic.recipe import load_recipe
from slic.sample.dataset import write_sample
from slic.sample.index import SampleFolders
from slic.search import (
    Index,
    cluster_index,
    clusters_per_level,
    create_index,
    set_label,
    update_index,
)
from slic.search.timeline import label_range
from slic.studio.previews import PREVIEW_ENCODING
from slic.videos.catalog import Catalog
from slic.videos.encoding import write_video
from slic.videos.frames import read_frames
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

VIDEOS = 200
RECORDED = 16  # videos that a recording joins; they are in no other file
COPIED = 4  # videos that are also there at a lower quality
RATE, SIZE = 25, (320, 240)
RECORDING = "recordings/hall.mp4"


def make_pictured_index(folder: Path, *, workers: int = 2) -> SampleFolders:
    """Draw videos, train the default recipe on them, index and cluster them, and label half.

    Whatever exists from an earlier call is kept. The first call takes some minutes.

    Args:
        folder: Folder to write to.
        workers: Number of processes that draw and decode.
    """
    videos, runs, index_folder = folder / "videos", folder / "runs", folder / "index"
    write_sample(videos, train=VIDEOS, test=0)
    write_sample(folder / "parts", train=RECORDED, test=0, seed=7)
    run = RunFolder(runs / "two-stream")
    if not run.encoder.exists():
        catalog = Catalog.from_folder(videos, workers=workers)
        recipe = load_recipe("two-stream", [f"--train.workers={workers}"])
        pretrain(catalog, out=run.path, recipe=recipe, resume=run.has_run)
    _write_copies(videos)
    spans = _write_recording(videos / RECORDING, folder / "parts")
    index = create_index(index_folder, VideoEncoder.from_pretrained(run.encoder))
    update_index(index, Catalog.from_folder(videos, workers=workers), workers=workers)
    if not clusters_per_level(index):
        cluster_index(index)
        _label_half(index, _labels_of(videos), spans)
    index.close()
    return SampleFolders(index_folder, runs)


def _labels_of(folder: Path) -> dict[str, str]:
    with (folder / "labels.csv").open() as file:
        return {row["path"]: row["label"] for row in csv.DictReader(file)}


def _write_copies(videos: Path) -> None:
    """Write some videos again, as somebody would who sends them to others."""
    for path in sorted(_labels_of(videos))[:COPIED]:
        copy = videos / "sent" / f"{Path(path).stem} small.mp4"
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            frames = _frames_of(inspect_video(videos / path, path))
            write_video(copy, frames, fps=Fraction(RATE), size=SIZE, encoding=PREVIEW_ENCODING)


def _write_recording(path: Path, parts: Path) -> list[tuple[float, float, str]]:
    """Join videos to a recording, and return start, end and label of each."""
    labels = _labels_of(parts)
    found = [inspect_video(parts / name, name) for name in sorted(labels)]
    frames = [_frames_of(video) for video in found]
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        joined = np.concatenate(frames)
        write_video(path, joined, fps=Fraction(RATE), size=SIZE, encoding=PREVIEW_ENCODING)
    ends = np.cumsum([len(part) for part in frames]) / RATE
    starts = ends - [len(part) / RATE for part in frames]
    names = [labels[video.id] for video in found]
    return list(zip(starts.tolist(), ends.tolist(), names, strict=True))


def _frames_of(video: Video) -> np.ndarray:
    seconds = video.time_of(0) + np.arange(0, video.duration_seconds, 1 / RATE)
    return read_frames(video, seconds=seconds, size=SIZE)


def _label_half(
    index: Index, label_of: dict[str, str], spans: list[tuple[float, float, str]]
) -> None:
    """Set the ground-truth labels of half the videos, and of half the recording."""
    moments = index.moments(index.ids().tolist())
    known = [moment for moment in moments if moment.video_id % 2 and moment.path in label_of]
    for label in sorted(set(label_of.values())):
        set_label(index, [m.id for m in known if label_of[m.path] == label], label)
    (recording,) = (video for video in index.videos() if video.path == RECORDING)
    for start, end, label in spans[::2]:
        label_range(index, recording.id, start_seconds=start, end_seconds=end, label=label)
