"""Reading clips: 16 consecutive frames of a 320x240 video, resized to 171x128, at random places.

Ours, plain PyAV and TorchCodec take turns on one thread each; clips per CPU-second, medians of 5.
A clip is right if it is nearer to the frames that reading from the start gives at its place than to
those up to three frames before or after. Right clips per CPU-second are compared.
Run ``python benchmarks/reading.py``.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

import targets
from films import FORMATS, RAW, RESIZED, encode, moving_picture
from loading import FRAMES
from slic.videos.frames import read_frames, stream_frames
from slic.videos.inspection import inspect_video
from slic.videos.isolation import cpu_seconds
from slic.videos.video import Video
from targets import Target

RUNS = 5
EXACT = "TorchCodec (exact)"
Clip = UInt8[np.ndarray, "t h w 3"]
Read = Callable[[Video, int], Clip]  # the second is the clip's first frame


def ours() -> Read:
    return lambda video, first: read_frames(video, range(first, first + FRAMES), size=RESIZED)


def pyav() -> Read:
    """Return a reader that seeks to the key frame before a clip and decodes from there."""
    import av
    from av.video.reformatter import VideoReformatter

    colours = VideoReformatter()  # the one of a frame starts threads

    def read(video: Video, first: int) -> Clip:
        with av.open(str(video.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            assert stream.time_base is not None
            place = round(first / video.fps / stream.time_base) + (stream.start_time or 0)
            container.seek(place, stream=stream)
            frames: list[np.ndarray] = []
            for frame in container.decode(stream):
                if frame.pts is not None and frame.pts >= place:
                    rgb = colours.reformat(frame, format="rgb24", threads=1)
                    frames.append(resized(rgb.to_ndarray()))
                if len(frames) == FRAMES:
                    break
        return np.stack(frames)

    return read


def torchcodec(seek_mode: str) -> Read:
    from torchcodec.decoders import VideoDecoder

    def read(video: Video, first: int) -> Clip:
        decoder = VideoDecoder(
            str(video.path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode=seek_mode
        )
        frames = decoder.get_frames_in_range(first, first + FRAMES).data.numpy()
        return np.stack([resized(frame) for frame in frames])

    return read


READERS: dict[str, Callable[[], Read]] = {
    "slic": ours,
    "PyAV": pyav,
    EXACT: partial(torchcodec, "exact"),
    "TorchCodec (approximate)": partial(torchcodec, "approximate"),
}


def resized(frame: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(frame, RESIZED, interpolation=cv2.INTER_LINEAR), np.uint8)


def measure(readers: dict[str, Read], videos: list[Video], clips: int) -> dict[str, float]:
    """Return the median clips per CPU-second of each. The first turn is a warm-up."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(RUNS + 1):
        for name, read in readers.items():
            rng = np.random.default_rng(turn)
            start = cpu_seconds()
            for _ in range(clips):
                video = videos[rng.integers(len(videos))]
                read(video, int(rng.integers(video.frames - FRAMES)))
            rates[name].append(clips / (cpu_seconds() - start))
    return {name: statistics.median(rate[1:]) for name, rate in rates.items()}


def share_right(read: Read, video: Video) -> float:
    """Return the share of right clips."""
    truth = np.stack(list(stream_frames(video, range(video.frames), size=RESIZED)))
    shifts = range(-3, 4)
    right = []
    for first in range(3, video.frames - FRAMES - 3, 17):
        clip = read(video, first).astype(int)
        away = [np.abs(truth[first + k : first + k + FRAMES] - clip).mean() for k in shifts]
        right.append(shifts[int(np.argmin(away))] == 0)
    return statistics.mean(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=3, help="videos of each format")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    readers, missing = targets.importable(READERS)
    rows = [targets.not_run(f"reading clips, {name}", why) for name, why in missing.items()]
    films = [moving_picture(np.random.default_rng(i), RAW) for i in range(options.videos)]
    for form in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{i}{form.suffix}" for i in range(len(films))]
            for path, film in zip(paths, films, strict=True):
                encode(path, film, form)
            videos = [inspect_video(path, path.name) for path in paths]
            rate = measure(readers, videos, options.clips)
            right = {name: share_right(read, videos[0]) for name, read in readers.items()}
        print(f"clips per CPU-second from {form.name}")
        for name in readers:
            print(f"  {name:26}{rate[name]:8.1f}   {right[name]:.0%} of clips right", flush=True)
        rows += compared(form.name, rate, right)
    targets.append(rows, options.targets)


def compared(form: str, rate: dict[str, float], right: dict[str, float]) -> list[Target]:
    """Compare right clips per CPU-second."""
    return [
        Target(
            name=f"reading {form} against {peer}",
            ours=f"{rate['slic']:.0f} clips/CPU-s ({right['slic']:.0%} right)",
            peer=f"{rate[peer]:.0f} ({right[peer]:.0%} right)",
            value=rate["slic"] * right["slic"] / max(rate[peer] * right[peer], 1e-9),
            bound=1.0,
            at_least=True,
        )
        for peer in ("PyAV", EXACT)
        if peer in rate
    ]


if __name__ == "__main__":
    main()
