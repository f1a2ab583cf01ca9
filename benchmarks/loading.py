"""Training samples a CPU-second: straight from video files, against extracted JPEGs and PIL.

A sample is what one step of pretraining reads for one video: anchor, positive and a second look
that shares the anchor's frames; three clips of 16 x 128 x 128, each with its own augmentation.

* ours: decode from the 320x240 file, resize to 171x128, augment with OpenCV;
* copies: the same from the small copies of `slic prepare --copies`;
* flow .25: ours, positive and second look shown as DIS flow in a quarter of the cases each;
* prepared: the same with the flow of `slic prepare --flow`;
* the authors' way: every frame was extracted as a 320x240 JPEG beforehand (not timed); load frame
  by frame with PIL and augment frame by frame with PIL, without a resize on the way.

Both ways draw the same spans and looks, take turns within one run, and are timed in CPU seconds of
the process. Run ``python benchmarks/loading.py``.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from slic.clips.augment import Augmentation, Look, draw_look
from slic.clips.flow_cache import FlowCache
from slic.clips.reader import ClipReader, Shown
from slic.clips.spans import random_pair
from slic.videos.copies import Copies
from slic.videos.decoding import read_frames
from slic.videos.probing import probe
from slic.videos.video import Video

FRAMES, STRIDE, SIZE = 16, 1, 128
RAW, RESIZED = (320, 240), (171, 128)  # width, height
LENGTH = 180  # frames; the mean video of UCF101 has 7.2 s at 25 fps


class Format(NamedTuple):
    """One way of encoding the same moving pictures."""

    name: str
    suffix: str
    codec: str
    options: dict[str, str]


FORMATS = (
    # UCF101's own average is 540 kbit/s.
    Format("XviD AVI (gop 12, 2 B-frames)", ".avi", "mpeg4", {"b": "540k", "g": "12", "bf": "2"}),
    Format("H.264 mp4 (medium, gop 12)", ".mp4", "libx264", {"preset": "medium", "g": "12"}),
    Format("H.264 mp4 (medium, gop 250)", ".mp4", "libx264", {"preset": "medium", "g": "250"}),
)


class Source(NamedTuple):
    """One video three times: the file, its small copy, and its extracted frames."""

    video: Video
    copy: Video
    jpegs: list[Path]


class Plan(NamedTuple):
    """Everything that is random about one sample."""

    anchor: tuple[int, np.ndarray]  # position of the video, frame numbers
    positive: tuple[int, np.ndarray]
    looks: dict[tuple[int, int], list[Look]]  # for frames of this width and height
    as_flow: tuple[bool, bool, bool]


def moving_picture(rng: np.random.Generator, shape: tuple[int, int]) -> list[np.ndarray]:
    """Draw textured discs that cross a slowly panning, textured ground, with sensor noise."""
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


def make_sources(folder: Path, form: Format, count: int) -> list[Source]:
    """Encode ``count`` videos, and prepare copy, flow and extracted JPEGs of quality 95 of each."""
    sources = []
    copies, cache = Copies(folder / "copies", short_side=SIZE), flow_cache(folder)
    for i in range(count):
        path = folder / f"{i}{form.suffix}"
        encode(path, moving_picture(np.random.default_rng(i), RAW), form)
        video = probe(path, path.name)
        jpegs = [folder / str(i) / f"image_{k:05d}.jpg" for k in range(1, video.frames + 1)]
        jpegs[0].parent.mkdir()
        for file, frame in zip(jpegs, read_frames(video, range(video.frames)), strict=True):
            Image.fromarray(frame).save(file, quality=95)
        copies.write(video)
        cache.write(video)
        sources.append(Source(video, probe(copies.path(video), video.id), jpegs))
    return sources


def flow_cache(folder: Path) -> FlowCache:
    """Return the cache of DIS flow (reading another method's takes as long)."""
    return FlowCache(folder / "flow", method="dis", size=RESIZED, stride=STRIDE)


def draw_plan(sources: list[Source], rng: np.random.Generator, flow_probability: float) -> Plan:
    """Draw one sample; as in the paper, four of five positives come from another video."""
    one, other = (int(i) for i in rng.choice(len(sources), 2, replace=False))
    other = one if rng.random() < 0.2 else other
    pairs = [
        random_pair(sources[i].video.frames, frames=FRAMES, stride=STRIDE, rng=rng)
        for i in (one, other)
    ]
    seeds, augmentation = rng.integers(2**32, size=3), Augmentation()
    looks = {
        (w, h): [
            draw_look(augmentation, width=w, height=h, rng=np.random.default_rng(seed))
            for seed in seeds
        ]
        for w, h in (RAW, RESIZED)
    }
    positive, second = (bool(x) for x in rng.random(2) < flow_probability)
    span = pairs[0].positive if one == other else pairs[1].positive
    return Plan((one, pairs[0].anchor), (other, span), looks, (False, positive, second))


def ours(reader: ClipReader, videos: list[Video], plan: Plan) -> list[UInt8[np.ndarray, "t s s 3"]]:
    """Load one sample as training does."""
    places = (plan.anchor, plan.positive, plan.anchor)
    return reader.show(
        [
            Shown(videos[i], span, look, "flow" if as_flow else "rgb")
            for (i, span), look, as_flow in zip(
                places, plan.looks[RESIZED], plan.as_flow, strict=True
            )
        ]
    )


def authors_way(sources: list[Source], plan: Plan) -> list[np.ndarray]:
    """Load one sample from extracted frames, picture by picture."""
    anchor, positive = (
        [load_jpeg(sources[i].jpegs[k]) for k in span] for i, span in (plan.anchor, plan.positive)
    )
    looks = plan.looks[RAW]
    return [
        np.stack([np.asarray(render_pil(image, look)) for image in clip])
        for clip, look in zip((anchor, positive, anchor), looks, strict=True)
    ]


def load_jpeg(path: Path) -> Image.Image:
    with path.open("rb") as file:
        return Image.open(file).convert("RGB")


def render_pil(image: Image.Image, look: Look) -> Image.Image:
    """Render a look of one frame, one operation of PIL after the other."""
    box = (look.left, look.top, look.left + look.width, look.top + look.height)
    image = image.crop(box).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    image = ImageOps.mirror(image) if look.flip else image
    if look.brightness != 1.0:
        image = ImageEnhance.Brightness(image).enhance(look.brightness)
        image = ImageEnhance.Contrast(image).enhance(look.contrast)
        image = ImageEnhance.Color(image).enhance(look.saturation)
        hue, saturation, value = image.convert("HSV").split()
        turned = np.asarray(hue) + np.uint8(round(look.hue * 255) % 256)
        hsv = Image.merge("HSV", (Image.fromarray(turned), saturation, value))
        image = hsv.convert("RGB")
    image = image.convert("L").convert("RGB") if look.grey else image
    return image.filter(ImageFilter.GaussianBlur(look.blur_sigma)) if look.blur_sigma else image


Way = Callable[[Plan], object]


def ways_of_loading(sources: list[Source], folder: Path) -> dict[str, tuple[Way, float]]:
    """Return every way, with the probability of flow."""
    videos, copies = ([s.video for s in sources], [s.copy for s in sources])
    reader = ClipReader(frames=FRAMES, stride=STRIDE, size=SIZE)
    prepared = ClipReader(frames=FRAMES, stride=STRIDE, size=SIZE, store=flow_cache(folder))
    return {
        "ours": (partial(ours, reader, videos), 0.0),
        "authors": (partial(authors_way, sources), 0.0),
        "copies": (partial(ours, reader, copies), 0.0),
        "flow": (partial(ours, reader, videos), 0.25),
        "prepared": (partial(ours, prepared, videos), 0.25),
    }


def measure(
    sources: list[Source], ways: dict[str, tuple[Way, float]], *, samples: int, repetitions: int
) -> dict[str, float]:
    """Return the median samples a CPU-second of every way; they take turns."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions + 1):
        for name, (way, flow_probability) in ways.items():
            rng = np.random.default_rng(repetition)
            plans = [draw_plan(sources, rng, flow_probability) for _ in range(samples)]
            start = time.process_time()
            for plan in plans:
                way(plan)
            rates[name].append(samples / (time.process_time() - start))
    return {name: statistics.median(rate[1:]) for name, rate in rates.items()}  # first: warming up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=6, help="videos of each format, at least 2")
    parser.add_argument("--samples", type=int, default=16, help="samples of one repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"samples a CPU-second, 3 clips of {FRAMES}x{SIZE}x{SIZE} each, from {RAW[0]}x{RAW[1]}")
    print(f"{'':32}{'authors':>8}{'ours':>8}{'ratio':>7}{'copies':>8}{'ratio':>7}"
          f"{'flow .25':>10}{'of RGB':>8}{'prepared':>10}{'of RGB':>8}")  # fmt: skip
    for form in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            sources = make_sources(Path(folder), form, options.videos)
            ways = ways_of_loading(sources, Path(folder))
            rate = measure(sources, ways, samples=options.samples, repetitions=options.repetitions)
        print(
            f"{form.name:32}{rate['authors']:8.1f}"
            f"{rate['ours']:8.1f}{rate['ours'] / rate['authors']:7.2f}"
            f"{rate['copies']:8.1f}{rate['copies'] / rate['authors']:7.2f}"
            f"{rate['flow']:10.1f}{rate['flow'] / rate['ours']:8.2f}"
            f"{rate['prepared']:10.1f}{rate['prepared'] / rate['ours']:8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
