"""Rates of every stage of indexing, and what an archive of a given size takes at these rates.

    python benchmarks/capacity.py --scratch FOLDER

It draws two kinds of video: short clips (10 s, 320x240, H.264) and recordings of a fixed camera
(60 s, 1920x1080, H.264). Every stage runs on one thread and is measured in CPU time. docs/scale.md
has the table that this prints.
"""

import argparse
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
import torch

from slic.models.default import default_encoder
from slic.models.encoder import EncoderConfig, VideoEncoder
from slic.models.passes import in_passes
from slic.search import create_index
from slic.search.index import Index
from slic.search.indexing import update_index
from slic.search.moment_embedder import MomentEmbedder
from slic.search.repository.moments import NewMoment, insert_moments
from slic.search.repository.videos import FileState, insert_video
from slic.search.streaming import EmbeddingJob, MomentClips, read_moments
from slic.videos.catalog import Catalog
from slic.videos.contents import content_id
from slic.videos.inspection import inspect_video
from slic.videos.isolation import cpu_seconds
from slic.videos.video import Video

REPEATS = 5
MOMENTS_PER_BATCH = 16
CLIPS_PER_PASS = 4
NETWORKS = ("slic/r3d18",)  # of the paper
GB = 1e9


@dataclass(frozen=True)
class Archive:
    """An archive to plan for.

    Attributes:
        name: What it is.
        kind: The kind of video that it has, a key of the measured rates.
        hours: Hours of video.
    """

    name: str
    kind: str
    hours: float


ARCHIVES = (
    Archive("10 million videos of 10 s", "clips", 1e8 / 3600),
    Archive("10,000 hours of CCTV", "cctv", 1e4),
)


@dataclass(frozen=True)
class Rates:
    """What an hour of one kind of video takes.

    Attributes:
        cpu: CPU-seconds by stage.
        gigabytes: Size of the videos.
        moments: Number of moments.
        bytes_per_moment: Size of the database for each moment.
    """

    cpu: dict[str, float]
    gigabytes: float
    moments: float
    bytes_per_moment: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--cpu-price", type=float, default=0.04, help="$ for an hour of one core")
    parser.add_argument("--ssd-price", type=float, default=0.08, help="$ for a GB and month")
    parser.add_argument("--object-price", type=float, default=0.023, help="$ for a GB and month")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    folder, encoder = arguments.scratch, default_encoder()
    clips = [
        _write(folder / f"clips/{seed}.mp4", seed=seed, size=(320, 240), seconds=10)
        for seed in range(8)
    ]
    cctv = [_write(folder / "cctv/0.mp4", seed=0, size=(1920, 1080), seconds=60)]
    rates = {
        "clips": _rates(clips, encoder, folder / "clips-index"),
        "cctv": _rates(cctv, encoder, folder / "cctv-index"),
    }
    for archive in ARCHIVES:
        _print_plan(archive, rates[archive.kind], arguments)
    for name in NETWORKS:
        print(f"\n{name}: {_cpu_seconds_per_clip(name):.2f} CPU-seconds to embed a clip")


def _write(path: Path, *, seed: int, size: tuple[int, int], seconds: int) -> Path:
    """Encode a fixed scene with sensor noise in which two people-sized figures walk."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    (w, h), rng = size, np.random.default_rng(seed)
    ground = cv2.GaussianBlur(rng.normal(size=(h, w, 3)), (0, 0), h / 60)
    ground = np.clip(127 + 45 * ground / ground.std(), 0, 255)
    noise = rng.normal(0, 1.5, (8, h, w, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(25), options={"preset": "veryfast", "crf": "26", "g": "50"}
        )
        stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
        for number in range(25 * seconds):
            picture = ground + noise[rng.integers(8)]
            for lane in (0.4, 0.7):
                x = int(w * (0.5 + 0.45 * np.sin(number / 40 + 3 * lane)))
                centre, axes = (x, int(h * lane)), (h // 25, h // 8)
                picture = cv2.ellipse(picture, centre, axes, 0, 0, 360, (60, 90, 160), -1)
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _rates(paths: list[Path], encoder: VideoEncoder, folder: Path) -> Rates:
    """Measure every stage on these videos."""
    videos = [inspect_video(path, path.name) for path in paths]
    hours = sum(video.duration_seconds for video in videos) / 3600
    index = create_index(folder, encoder)
    update_index(index, Catalog.from_folder(paths[0].parent, progress=False), progress=False)
    moments, vectors = _decode(index, videos), index.all_vectors()[1]
    stages: dict[str, Callable[[], object]] = {
        "scan": lambda: [inspect_video(path, path.name) for path in paths],
        "identify": lambda: [content_id(path) for path in paths],
        "decode": lambda: _decode(index, videos),
        "embed": lambda: _embed(encoder, moments),
        "write": lambda: _write_rows(folder / "rows", index, vectors),
    }
    return Rates(
        cpu={name: _cpu_seconds(stage) / hours for name, stage in stages.items()},
        gigabytes=sum(path.stat().st_size for path in paths) / GB / hours,
        moments=len(vectors) / hours,
        bytes_per_moment=_write_rows(folder / "rows", index, np.tile(vectors, (100, 1))),
    )


def _cpu_seconds(stage: Callable[[], object]) -> float:
    """Return the median CPU time of a stage, which runs once before to warm up."""
    stage()
    seconds = []
    for _ in range(REPEATS):
        began = cpu_seconds()
        stage()
        seconds.append(cpu_seconds() - began)
    return median(seconds)


def _decode(index: Index, videos: list[Video]) -> list[MomentClips]:
    """Read the clips of all moments of the videos in this process."""
    cuts = [index.cut(video) for video in videos]
    jobs = [
        EmbeddingJob(-1, video, cut, np.arange(len(cut().seconds)))
        for video, cut in zip(videos, cuts, strict=True)
    ]
    read = [read_moments(job, index.clip, position=place) for place, job in enumerate(jobs)]
    return [moment for moments in read for moment in moments]


def _embed(encoder: VideoEncoder, moments: list[MomentClips]) -> None:
    embed = MomentEmbedder(encoder)
    for start in range(0, len(moments), MOMENTS_PER_BATCH):
        embed(moments[start : start + MOMENTS_PER_BATCH])


@torch.no_grad()
def _cpu_seconds_per_clip(backbone: str) -> float:
    """Return the CPU time of a network with random weights; no number depends on the weights."""
    encoder = VideoEncoder(EncoderConfig(backbone=backbone)).eval()
    clip = encoder.clip
    clips = torch.zeros(CLIPS_PER_PASS, clip.frames, clip.size, clip.size, 3, dtype=torch.uint8)
    return _cpu_seconds(lambda: in_passes(encoder, clips)) / CLIPS_PER_PASS


def _write_rows(folder: Path, index: Index, vectors: np.ndarray) -> float:
    """Write moments into a new index, and return the bytes for each."""
    shutil.rmtree(folder, ignore_errors=True)
    copy, video = Index.create(folder, index.settings), index.videos()[0].video
    with copy.database.transaction() as connection:
        state = FileState(size=1, mtime_ns=1, content_id="0" * 32)
        video_id = insert_video(connection, video, root="/", state=state)
        rows = enumerate(vectors)
        insert_moments(connection, [NewMoment(video_id, n, n, n + 2.0, row) for n, row in rows])
    copy.close()
    return sum(path.stat().st_size for path in folder.iterdir()) / len(vectors)


def _print_plan(archive: Archive, rates: Rates, options: argparse.Namespace) -> None:
    """Print what indexing the archive takes, stage by stage."""
    print(f"\n{archive.name}: {archive.hours:,.0f} hours\n")
    print("| stage | CPU-seconds for an hour of video | CPU-hours |\n|---|---|---|")
    for name, seconds in (rates.cpu | {"**all**": sum(rates.cpu.values())}).items():
        print(f"| {name} | {seconds:.2f} | {seconds * archive.hours / 3600:,.0f} |")
    cpu_hours = sum(rates.cpu.values()) * archive.hours / 3600
    days, cost = cpu_hours / options.cores / 24, cpu_hours * options.cpu_price
    print(f"\n- all stages: {days:.1f} days on {options.cores} cores, ${cost:,.0f}")
    videos = rates.gigabytes * archive.hours
    print(f"- videos: {videos:,.0f} GB, ${videos * options.object_price:,.0f} a month as objects")
    moments = rates.moments * archive.hours
    database = moments * rates.bytes_per_moment / GB
    print(f"- index: {moments / 1e6:,.0f} million moments of {rates.bytes_per_moment:,.0f} bytes")
    print(f"- database: {database:,.0f} GB, ${database * options.ssd_price:,.0f} a month on SSD")


if __name__ == "__main__":
    main()
