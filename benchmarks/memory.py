"""Peak memory by number and length of the videos, and growth of loading workers.

Three collections of tiny files: 64 videos of 2 seconds; the same with 30-minute videos in every
second place; 2,048 videos of 2 seconds. Training (20 steps of 32 videos) and embedding run on each
in a new process. The peak is that of the process plus that of the larger of its two loading
workers. All windows of a one-minute and of a 30-minute video are embedded. Then one worker loads
10,000 clips. Run ``python benchmarks/memory.py``.
"""

import argparse
import gc
import multiprocessing
import pickle
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch

import targets
from first_round import endless, loader_of, run_after_first_round, train_on
from slic.embeddings import embed
from slic.pretraining.build import build_encoder
from slic.recipe import load_recipe
from slic.videos.catalog import Catalog
from slic.videos.inspection import inspect_video
from slic.videos.video import Video
from targets import Target

FPS, SHORT, MINUTE, LONG = 25, 2, 60, 30 * 60  # the last three in seconds
FEW, MANY = 64, 2048
STEPS, CLIPS = 20, 10_000
FORMATS = {"avi": ("mpeg4", {}), "mp4": ("libx264", {"preset": "ultrafast"})}
TINY = ["--clip.frames=4", "--clip.size=32", "--backbone.width=0.25", "--head.hidden=64"]


def write_video(path: Path, seconds: int) -> Video:
    """Encode a repeating sequence of drifting pictures."""
    clouds = np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8)
    clouds = clouds.repeat(4, 0).repeat(4, 1)
    pictures = [np.ascontiguousarray(clouds[k : k + 72, k : k + 96]) for k in range(FPS)]
    with av.open(str(path), "w") as container:
        codec, options = FORMATS[path.suffix[1:]]
        stream = container.add_stream(codec, rate=FPS, options={"g": "50"} | options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        frames = [
            av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            for picture in pictures
        ]
        for number in range(seconds * FPS):
            frame = frames[number % FPS]
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return inspect_video(path, path.name)


def collections(folder: Path) -> dict[str, Catalog]:
    """Make the collections, in which one file has many names."""
    short, minute, long = (
        [write_video(folder / f"{seconds}.{suffix}", seconds) for suffix in FORMATS]
        for seconds in (SHORT, MINUTE, LONG)
    )

    def catalog(files: list[Video], number: int) -> Catalog:
        videos = (replace(files[k % len(files)], id=f"{k:05d}") for k in range(number))
        return Catalog(folder, tuple(videos))

    mixed = [short[0], long[0], short[1], long[1]]
    return {
        f"{FEW} videos of 2 s": catalog(short, FEW),
        "half of them of 30 min": catalog(mixed, FEW),
        f"{MANY:,} videos of 2 s": catalog(short, MANY),
        "one video of 1 min": catalog(minute, 1),
        "one video of 30 min": catalog(long, 1),
    }


def mebibytes(field: str, process: int | str = "self") -> float:
    """Return memory of a process in MiB: ``VmHWM`` is its peak, ``VmRSS`` its current size."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def train(catalog: Catalog) -> None:
    """Train 20 steps."""
    run = run_after_first_round(load_recipe("motion", TINY), catalog, catalog.root)
    train_on(run, islice(endless(run, loader_of(run, workers=2)), STEPS))


def embed_clips(catalog: Catalog) -> None:
    """Embed two clips of every video."""
    embed(build_encoder(load_recipe("motion", TINY)), catalog, clips=2, progress=False)


def embed_windows(catalog: Catalog) -> None:
    """Embed all windows of every video."""
    longer = load_recipe("motion", [*TINY, "--clip.frames=16"])
    embed(build_encoder(longer), catalog, clips="windows", progress=False)


WORK: dict[str, Callable[[Catalog], None]] = {
    "training": train, "embedding": embed_clips, "embedding all windows": embed_windows,
}  # fmt: skip


def peak(work: str, catalog: Catalog) -> float:
    """Return the peak MiB of one kind of work in a new process, plus that of its largest worker."""
    done = subprocess.run(
        [sys.executable, __file__, "--work", work], input=pickle.dumps(catalog),
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return float(done.stdout)


def work_and_print_peak(work: str) -> None:
    """Do the work on the catalog of stdin, and print the peak."""
    torch.set_num_threads(1)
    WORK[work](pickle.load(sys.stdin.buffer))
    gc.collect()  # ends the workers
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(mebibytes("VmHWM") + worker)


def growth(work: str, made: dict[str, Catalog], names: list[str]) -> list[Target]:
    """Compare the peaks on further collections with that on the first."""
    first, *others = ((name, peak(work, made[name])) for name in names)
    return [
        Target(
            name=f"peak memory of {work}, {name}", ours=f"{mib:.0f} MiB",
            peer=f"{first[1]:.0f} MiB, {first[0]}",
            value=mib / first[1], bound=1.05, at_least=False,
        )
        for name, mib in others
    ]  # fmt: skip


def leak(catalog: Catalog) -> list[Target]:
    """Compare the memory of worker and main process after 1,000 and 10,000 clips."""
    run = run_after_first_round(load_recipe("motion", TINY), catalog, catalog.root)
    held, loaded = list[tuple[float, float]](), 0
    for batch in endless(run, loader_of(run, workers=1)):
        loaded += batch.clips.shape[:2].numel()
        if loaded >= (CLIPS // 10, CLIPS)[len(held)]:
            (worker,) = multiprocessing.active_children()
            assert worker.pid is not None
            held.append((mebibytes("VmRSS", worker.pid), mebibytes("VmRSS")))
        if len(held) == 2:
            break
    return [
        Target(
            name=f"memory of {who} after {CLIPS:,} clips", ours=f"{after:.0f} MiB",
            peer=f"{before:.0f} MiB, after {CLIPS // 10:,}",
            value=after / before, bound=1.02, at_least=False,
        )
        for who, before, after in zip(("a loading worker", "its process"), *held, strict=True)
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work_and_print_peak(options.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        made = collections(Path(folder))
        *several, minute, half_hour = made
        found = [
            *growth("training", made, several),
            *growth("embedding", made, several),
            *growth("embedding all windows", made, [minute, half_hour]),
            *leak(made[several[0]]),
        ]
    for target in found:
        print(f"{target.name}: {target.ours} ({target.peer}): {target.value:.3f}, {target.verdict}")
    targets.append(found, options.targets)


if __name__ == "__main__":
    main()
