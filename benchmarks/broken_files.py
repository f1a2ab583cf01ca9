"""Put 300 broken or odd files through the scan, reading, pretraining and indexing.

The files are made by the ``ffmpeg`` command from drawn pictures: many codecs and containers, cut,
with flipped bytes, with zeroed blocks, with wrong suffixes, and with pictures of 16,000 x 16,000.
The script ends with an error if a command crashes, hangs or prints a traceback, or if the memory is
above the limit. A file that is read otherwise than ``ffmpeg`` reads it has to be named.

    python benchmarks/broken_files.py [--out NUMBERS.md] [--files FOLDER]
"""

import argparse
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import av
import numpy as np

from slic.errors import VideoError
from slic.videos.container import select_stream, video_streams
from slic.videos.frames import stream_frames
from slic.videos.isolation import inspect_isolated
from slic.videos.sources import resize

FILES = 300
MAX_SECONDS = 30.0  # for one file
MAX_COMMAND_SECONDS = 280.0
MAX_BYTES = 1_500_000_000  # of a command and its processes
MAX_DIFFERENCE = 2.5  # mean of a frame, in grey levels, from the frame of ffmpeg
FRAMES = 40
SIZE = (96, 72)
PICTURE_SIDE = 16_000
HEALTHY = ("whole_", "renamed_")  # their names begin so

CODECS = {
    "h264.mp4": "-c:v libx264 -preset ultrafast -g 12",
    "h264_b.mkv": "-c:v libx264 -preset fast -bf 2 -g 250",
    "h264_open.ts": "-c:v libx264 -preset fast -x264opts open-gop=1:keyint=12",
    "h264.mov": "-c:v libx264 -preset ultrafast -intra-refresh 1",
    "h264_10.mp4": "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le",
    "h264_frag.mp4": "-c:v libx264 -preset ultrafast -movflags frag_keyframe+empty_moov",
    "hevc.mp4": "-c:v libx265 -preset ultrafast -x265-params log-level=error:pools=1",
    "vp8.webm": "-c:v libvpx -deadline realtime -auto-alt-ref 1 -lag-in-frames 10",
    "vp9.webm": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8",
    "mpeg4.avi": "-c:v mpeg4 -bf 2",
    "mpeg4.mp4": "-c:v mpeg4 -qmin 4",
    "mpeg2.mpg": "-c:v mpeg2video -bf 2",
    "mpeg2.vob": "-c:v mpeg2video",
    "mpeg1.mpg": "-c:v mpeg1video",
    "mjpeg.avi": "-c:v mjpeg -q:v 3",
    "gif.gif": "",
    "flv1.flv": "-c:v flv",
    "wmv2.wmv": "-c:v wmv2",
    "theora.ogv": "-c:v libtheora -q:v 7",
    "huffyuv.avi": "-c:v huffyuv",
    "ffv1.mkv": "-c:v ffv1",
    "prores.mov": "-c:v prores",
    "qtrle.mov": "-c:v qtrle",
}
SUFFIXES = ("mp4", "avi", "mkv", "mov", "webm", "mpg", "gif", "wmv", "flv", "ts")


@dataclass
class Outcome:
    """What a command did."""

    seconds: float
    most_bytes: int
    text: str
    code: int


@dataclass
class Verdicts:
    """What became of the files; the lists are of names."""

    count: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")


def pictures() -> bytes:
    """Return moving bars and blobs as raw RGB."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
    frames = [
        np.stack(
            [
                128 + 100 * np.sin(x / 9 + n / 3),
                128 + 100 * np.sin(y / 7 - n / 4),
                128 + 100 * np.sin((x + y) / 11 + n / 5),
            ],
            axis=-1,
        )
        for n in range(FRAMES)
    ]
    return np.stack(frames).astype(np.uint8).tobytes()


def ffmpeg(*words: str, stdin: bytes = b"") -> bytes:
    """Run the command and return what it prints, whatever its exit code."""
    command = ["ffmpeg", "-v", "quiet", "-y", "-threads", "1", *words]
    return subprocess.run(command, input=stdin, capture_output=True, check=False).stdout


def make_sources(folder: Path) -> list[Path]:
    """Encode the pictures with every codec that this ``ffmpeg`` has."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = pictures()
    source = f"-f rawvideo -pix_fmt rgb24 -s {SIZE[0]}x{SIZE[1]} -r 25 -i -".split()
    for name, options in CODECS.items():
        words = options.split()
        pixels = [] if "pix_fmt" in options or "gif" in name else ["-pix_fmt", "yuv420p"]
        if any(codec in name for codec in ("prores", "qtrle", "huffyuv")):
            pixels = []
        ffmpeg(*source, *words, *pixels, "-threads", "1", str(folder / name), stdin=raw)
    return [path for name in CODECS if (path := folder / name).exists() and path.stat().st_size]


def damaged(data: bytes, kind: str, rng: random.Random) -> bytes:
    """Return a damaged copy of a file's bytes."""
    content = bytearray(data)
    if kind.startswith("cut"):
        return bytes(content[: len(content) * int(kind[3:]) // 100])
    if kind.startswith("flip"):
        for _ in range(max(1, len(content) * int(kind[4:]) // 100_000)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    if kind.startswith("zero"):
        for _ in range(int(kind[4:])):
            start = rng.randrange(len(content))
            length = min(len(content) - start, max(16, len(content) // 100))
            content[start : start + length] = bytes(length)
    if kind == "head":
        content[: len(content) // 50] = rng.randbytes(len(content) // 50)
    return bytes(content)


def make_files(folder: Path, sources: list[Path], rng: random.Random) -> None:
    """Write the broken and odd files."""
    folder.mkdir()
    kinds = ("cut10", "cut40", "cut70", "cut97", "flip10", "flip100", "zero1", "zero5", "zero30")
    for source in sources:
        for kind in (*kinds, "head"):
            name = f"{kind}_{source.stem}{source.suffix}"
            (folder / name).write_bytes(damaged(source.read_bytes(), kind, rng))
    for number, source in enumerate(sources):  # whole files, under the names of others
        suffix = SUFFIXES[number % len(SUFFIXES)]
        (folder / f"renamed_{source.stem}.{suffix}").write_bytes(source.read_bytes())
        (folder / f"whole_{source.name}").write_bytes(source.read_bytes())
    for number, suffix in enumerate(SUFFIXES):
        (folder / f"text_{number}.{suffix}").write_text("This is no video.\n" * 40)
        (folder / f"empty_{number}.{suffix}").write_bytes(b"")
    (folder / "random.mp4").write_bytes(rng.randbytes(100_000))
    (folder / "playlist.mkv").write_text("ffconcat version 1.0\nfile whole_h264.mp4\n")
    make_odd_files(folder)
    number = 0
    while len(list(folder.iterdir())) < FILES:
        source = sources[number % len(sources)]
        content = damaged(source.read_bytes(), f"flip{20 + number}", rng)
        (folder / f"more_{number:03d}{source.suffix}").write_bytes(content)
        number += 1


def make_odd_files(folder: Path) -> None:
    """Write videos of one and two frames, and pictures that are far too large."""
    for frames in (1, 2):
        source = ["-f", "lavfi", "-i", "testsrc=s=96x72"]
        for suffix in ("mp4", "avi", "gif"):
            ffmpeg(*source, "-frames:v", str(frames), str(folder / f"frames{frames}.{suffix}"))
    side = f"{PICTURE_SIDE}x{PICTURE_SIDE}"
    large = ["-f", "lavfi", "-i", f"color=gray:s={side}", "-frames:v", "2", "-pix_fmt", "yuvj420p"]
    ffmpeg(*large, "-c:v", "mjpeg", str(folder / "large_mjpeg.avi"))
    ffmpeg("-i", str(folder / "large_mjpeg.avi"), "-c", "copy", str(folder / "large_mjpeg.mkv"))
    clip = folder / "large_pictures"
    clip.mkdir()
    words = ["-i", str(folder / "large_mjpeg.avi"), "-frames:v", "1", "-pix_fmt", "gray"]
    ffmpeg(*words, str(clip / "1.png"))
    (clip / "2.png").write_bytes((clip / "1.png").read_bytes())


def children_of(pid: int) -> Iterator[int]:
    """Give a process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from children_of(int(child))


def memory_of(pid: int) -> int:
    """Return the bytes of a process and all below it; shared memory counts once."""
    total = 0
    for each in list(children_of(pid)):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def run(*words: str) -> Outcome:
    """Run a ``slic`` command and measure its time and memory."""
    started = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "slic", *words], stdout=output, stderr=output, env=environment
        )
        most, ended = [0], Event()

        def watch() -> None:
            while not ended.wait(0.1):
                try:
                    most[0] = max(most[0], memory_of(process.pid))
                except OSError:  # one of them has just ended
                    continue

        watcher = Thread(target=watch)
        watcher.start()
        try:
            code = process.wait(MAX_COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = -9
        ended.set()
        watcher.join()
        output.seek(0)
        return Outcome(time.monotonic() - started, most[0], output.read(), code)


class NamedFiles(logging.Handler):
    """Collects warnings."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.text.append(record.getMessage())


def decoded_plainly(path: Path, size: tuple[int, int], frames: np.ndarray) -> bool:
    """Return whether the frames are those that this version of FFmpeg gives from the start.

    Versions differ in how they conceal damage that a codec does not detect. A decoder may also give
    frames of a damaged stream out of order; they are compared in the order of their times.
    """
    plain = list[tuple[int, np.ndarray]]()
    with av.open(str(path)) as container:
        stream = video_streams(container)[0]
        select_stream(container, stream)
        for packet in container.demux(stream):
            try:
                pictures = stream.codec_context.decode(packet)
            except (av.FFmpegError, EOFError):
                continue
            plain += [(p.pts or 0, p.to_ndarray(format="rgb24")) for p in pictures]
    in_order = sorted(plain, key=lambda timed: timed[0])
    expected = [resize(picture, size) for _, picture in in_order]
    return len(plain) == len(frames) and bool(
        np.abs(np.stack(expected).astype(int) - frames).mean(axis=(1, 2, 3)).max() < MAX_DIFFERENCE
    )


def read_all(folder: Path) -> Verdicts:
    """Read every file to its end; compare with ``ffmpeg`` what was not named."""
    verdicts, named = Verdicts(), NamedFiles()
    logging.getLogger("slic").addHandler(named)
    for path in sorted(folder.iterdir()):
        started = time.monotonic()
        named.text.clear()
        try:
            video = inspect_isolated(path, path.name)
            size = (video.width, video.height)
            frames = np.stack(list(stream_frames(video, range(video.frames), size=size)))
        except VideoError as error:
            verdicts.count["refused"] += 1
            if path.name.startswith(HEALTHY):
                verdicts.wrong.append(f"a healthy file is refused: {error}")
            frames = None
        seconds = time.monotonic() - started
        verdicts.slowest = max(verdicts.slowest, (seconds, path.name))
        if frames is None:
            continue
        if any(path.name in text for text in named.text):
            verdicts.count["named, and read as far as it decodes"] += 1
            if path.name.startswith(HEALTHY):
                verdicts.wrong.append(f"a healthy file is called damaged: {named.text}")
            continue
        words = f"-vf scale={size[0]}:{size[1]} -vsync 0 -f rawvideo -pix_fmt rgb24 -".split()
        truth = np.frombuffer(ffmpeg("-i", str(path), *words), np.uint8)
        truth = truth.reshape(-1, size[1], size[0], 3)
        if len(truth) == len(frames):
            difference = np.abs(frames.astype(int) - truth).mean(axis=(1, 2, 3)).max()
            if difference <= MAX_DIFFERENCE:
                verdicts.count["read as ffmpeg reads it"] += 1
                continue
            if not path.name.startswith(HEALTHY) and decoded_plainly(path, size, frames):
                verdicts.count["concealed or ordered otherwise by that ffmpeg"] += 1
                continue
            verdicts.wrong.append(f"{path.name}: a frame differs by {difference:.1f}")
        else:
            verdicts.wrong.append(f"{path.name}: {len(frames)} frames, ffmpeg {len(truth)}")
    logging.getLogger("slic").removeHandler(named)
    return verdicts


def main() -> None:
    """Make the files, run everything, print the numbers, and fail if a rule is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="Markdown file for the numbers")
    parser.add_argument("--files", type=Path, help="keep the files in this new folder")
    parser.add_argument("--seed", type=int, default=0, help="which bytes are damaged")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folder = arguments.files or work / "videos"
        sources = make_sources(work / "sources")
        make_files(folder, sources, random.Random(arguments.seed))
        count = len(list(folder.iterdir()))
        print(f"{count} files of {len(sources)} codecs and containers", flush=True)
        lines, faults = check(folder, work)
    lines.insert(0, f"| files | {count} of {len(sources)} codecs and containers |")
    text = "\n".join(["| | |", "|---|---|", *lines, "", *(faults or ["No fault."])])
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    sys.exit(1 if faults else 0)


def check(folder: Path, work: Path) -> tuple[list[str], list[str]]:
    """Return lines of a table, and what is wrong."""
    lines, faults = list[str](), list[str]()

    def record(name: str, outcome: Outcome, codes: tuple[int, ...] = (0,)) -> None:
        print(f"{name}: {outcome.seconds:.0f} s", flush=True)
        lines.append(
            f"| `slic {name}` | {outcome.seconds:.0f} s, {outcome.most_bytes / 1e6:.0f} MB, "
            f"exit code {outcome.code} |"
        )
        if outcome.code not in codes:
            faults.append(f"slic {name}: exit code {outcome.code}: {outcome.text[-600:]}")
        if "Traceback" in outcome.text:
            faults.append(f"slic {name}: a traceback: {outcome.text[-2000:]}")
        if outcome.most_bytes > MAX_BYTES:
            faults.append(f"slic {name}: {outcome.most_bytes / 1e6:.0f} MB")

    scanned = run("scan", str(folder), "--json")
    record("scan", scanned)
    answer = json.loads(scanned.text[scanned.text.index('{"root"') :].splitlines()[0])
    lines.append(
        f"| scan | {len(answer['videos'])} usable, {len(answer['refused'])} refused with a reason |"
    )
    listed = work / "usable.csv"
    rows = "".join(f"{folder.absolute() / video['id']}\n" for video in answer["videos"])
    listed.write_text("path\n" + rows)
    recipe = work / "tiny.yaml"
    recipe.write_text(RECIPE)
    trained = run("pretrain", str(listed), "--recipe", str(recipe), "--out", str(work / "run"))
    record("pretrain", trained)
    lines.append(f"| pretrain | {trained.text.count('another sample is drawn')} samples redrawn |")
    encoder = work / "run" / "encoder"
    indexed = run("index", str(folder), "--encoder", str(encoder), "--out", str(work / "index"))
    record("index", indexed)
    lines.append(f"| index | {indexed.text.count('refused: ')} refused with a reason |")
    again = run("scan", str(folder), "--json")
    record("scan, again", again)
    answer = json.loads(again.text[again.text.index('{"root"') :].splitlines()[0])
    aside = sum("set aside earlier" in refused["reason"] for refused in answer["refused"])
    lines.append(f"| set aside by pretrain and index, and refused by the second scan | {aside} |")
    started = time.monotonic()
    verdicts = read_all(folder)
    lines.append(f"| every file read to its end | {time.monotonic() - started:.0f} s |")
    lines.extend(f"| {kind} | {count} files |" for kind, count in verdicts.count.items())
    lines.append(f"| slowest file | {verdicts.slowest[1]}: {verdicts.slowest[0]:.1f} s |")
    faults.extend(verdicts.wrong)
    if not verdicts.count["read as ffmpeg reads it"]:
        faults.append("no file was read as ffmpeg reads it")
    if verdicts.slowest[0] > MAX_SECONDS:
        faults.append(f"{verdicts.slowest[1]}: took {verdicts.slowest[0]:.0f} s")
    return lines, faults


RECIPE = """
clip: {frames: 8, stride: 1, size: 32}
sampling: {flow_probability: 0.0}
backbone: {name: slic/r3d10, width: 0.125}
head: {hidden: 32, embedding: 16}
rounds: {every_epochs: 1, inputs: [rgb]}
loss: {name: info_nce}
train: {epochs: 1, batch_size: 8, workers: 1}
"""

if __name__ == "__main__":
    main()
