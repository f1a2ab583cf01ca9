"""Training samples per CPU-second from video files, against extracted JPEGs and PIL.

A sample is what pretraining reads for one video: anchor, positive and a second view of the anchor's
frames. These are three clips of 16 x 128 x 128, each with its own augmentation.

* ours: decode from the 320x240 file, resize to 171x128, augment;
* reciprocal: ours, with two videos as each other's positive, each decoded once;
* native: decode, crop the 320x240 frames, augment, as the authors do;
* proxies: ours, from the proxies of `slic prepare --proxies`;
* flow .25: ours, with positive and second view as DIS flow in a quarter of the cases each;
* prepared: the same with the flow of `slic prepare --flow`;
* the authors' way: frames were extracted as 320x240 JPEGs beforehand (not timed); load and augment
  frame by frame with PIL, without a resize in between.

All ways draw the same spans and parameters, take turns in one run, and are timed in CPU-seconds of
the process. Run ``python benchmarks/loading.py``.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

import targets
from films import FORMATS, RAW, RESIZED, Format, encode, moving_picture
from slic.clips.augmentation import Augmentation, AugmentationParameters, draw_parameters
from slic.clips.flow_cache import FlowCache
from slic.clips.reader import ClipReader, ClipRequest
from slic.clips.spans import random_pair
from slic.videos.frames import read_frames
from slic.videos.inspection import inspect_video
from slic.videos.isolation import cpu_seconds
from slic.videos.proxies import Proxies
from slic.videos.video import Video
from targets import Target

FRAMES, STRIDE, SIZE = 16, 1, 128


class Source(NamedTuple):
    """One video in three forms: the file, its proxy, and its extracted frames."""

    video: Video
    proxy: Video
    jpegs: list[Path]


class Plan(NamedTuple):
    """All random choices of one sample."""

    anchor: tuple[int, np.ndarray]  # position of the video, frame numbers
    positive: tuple[int, np.ndarray]
    views: dict[tuple[int, int], list[AugmentationParameters]]  # by width and height of the frames
    as_flow: tuple[bool, bool, bool]


def make_sources(folder: Path, form: Format, films: list[list[np.ndarray]]) -> list[Source]:
    """Encode films, and prepare proxy, flow and extracted JPEGs of quality 95 of each."""
    sources = []
    proxies, cache = Proxies(folder / "proxies", short_side=SIZE), flow_cache(folder)
    for i, film in enumerate(films):
        path = folder / f"{i}{form.suffix}"
        encode(path, film, form)
        video = inspect_video(path, path.name)
        jpegs = [folder / str(i) / f"image_{k:05d}.jpg" for k in range(1, video.frames + 1)]
        jpegs[0].parent.mkdir()
        for file, frame in zip(jpegs, read_frames(video, range(video.frames)), strict=True):
            Image.fromarray(frame).save(file, quality=95)
        proxies.write(video)
        cache.write(video)
        sources.append(Source(video, inspect_video(proxies.path(video), video.id), jpegs))
    return sources


def flow_cache(folder: Path) -> FlowCache:
    """Return the cache of DIS flow. Reading flow of another method takes as long."""
    return FlowCache(folder / "flow", method="dis", size=RESIZED, stride=STRIDE)


def draw_plans(
    sources: list[Source], rng: np.random.Generator, kind: "Kind", samples: int
) -> list[list[Plan]]:
    """Draw samples in the groups that are loaded together.

    As in the paper, four of five positives come from another video.
    """
    groups: list[list[Plan]] = []
    while sum(len(group) for group in groups) < samples:
        one, other = (int(i) for i in rng.choice(len(sources), 2, replace=False))
        other = one if rng.random() < 0.2 else other
        pairs = [(one, other)]
        if kind.reciprocal and one != other:
            pairs.append((other, one))
        groups.append([draw_plan(sources, rng, kind.flow_probability, *pair) for pair in pairs])
    return groups


def draw_plan(
    sources: list[Source], rng: np.random.Generator, flow_probability: float, one: int, other: int
) -> Plan:
    """Draw one sample with anchor and positive from two videos, or from one."""
    pairs = [
        random_pair(sources[i].video.frames, frames=FRAMES, stride=STRIDE, rng=rng)
        for i in (one, other)
    ]
    seeds, augmentation = rng.integers(2**32, size=3), Augmentation()
    views = {
        (w, h): [
            draw_parameters(augmentation, width=w, height=h, rng=np.random.default_rng(seed))
            for seed in seeds
        ]
        for w, h in (RAW, RESIZED)
    }
    positive, second = (bool(x) for x in rng.random(2) < flow_probability)
    span = pairs[0].positive if one == other else pairs[1].positive
    return Plan((one, pairs[0].anchor), (other, span), views, (False, positive, second))


def ours(
    reader: ClipReader, videos: list[Video], plans: list[Plan], *, native: bool = False
) -> list[UInt8[np.ndarray, "t s s 3"]]:
    """Load samples together, as training does."""
    return reader.render(
        [
            ClipRequest(videos[i], span, parameters, "flow" if as_flow else "rgb", native)
            for plan in plans
            for (i, span), parameters, as_flow in zip(
                (plan.anchor, plan.positive, plan.anchor),
                plan.views[RAW if native else RESIZED],
                plan.as_flow,
                strict=True,
            )
        ]
    )


def authors_way(sources: list[Source], plans: list[Plan]) -> list[np.ndarray]:
    """Load one sample from extracted frames, one picture at a time."""
    (plan,) = plans
    anchor, positive = (
        [load_jpeg(sources[i].jpegs[k]) for k in span] for i, span in (plan.anchor, plan.positive)
    )
    views = plan.views[RAW]
    return [
        np.stack([np.asarray(render_pil(image, parameters)) for image in clip])
        for clip, parameters in zip((anchor, positive, anchor), views, strict=True)
    ]


def load_jpeg(path: Path) -> Image.Image:
    with path.open("rb") as file:
        return Image.open(file).convert("RGB")


def render_pil(image: Image.Image, parameters: AugmentationParameters) -> Image.Image:
    """Augment one frame with PIL, one operation after the other."""
    box = (
        parameters.left,
        parameters.top,
        parameters.left + parameters.width,
        parameters.top + parameters.height,
    )
    image = image.crop(box).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    image = ImageOps.mirror(image) if parameters.flip else image
    if parameters.brightness != 1.0:
        image = ImageEnhance.Brightness(image).enhance(parameters.brightness)
        image = ImageEnhance.Contrast(image).enhance(parameters.contrast)
        image = ImageEnhance.Color(image).enhance(parameters.saturation)
        hue, saturation, value = image.convert("HSV").split()
        turned = np.asarray(hue) + np.uint8(round(parameters.hue * 255) % 256)
        hsv = Image.merge("HSV", (Image.fromarray(turned), saturation, value))
        image = hsv.convert("RGB")
    image = image.convert("L").convert("RGB") if parameters.grey else image
    return (
        image.filter(ImageFilter.GaussianBlur(parameters.blur_sigma))
        if parameters.blur_sigma
        else image
    )


class Kind(NamedTuple):
    """A way of loading, and the samples it loads."""

    load: Callable[[list[Plan]], object]
    flow_probability: float = 0.0
    reciprocal: bool = False


def ways_of_loading(sources: list[Source], folder: Path) -> dict[str, Kind]:
    """Return the ways of loading by name."""
    videos, proxies = ([s.video for s in sources], [s.proxy for s in sources])
    reader = ClipReader(frames=FRAMES, stride=STRIDE, size=SIZE)
    prepared = ClipReader(frames=FRAMES, stride=STRIDE, size=SIZE, store=flow_cache(folder))
    return {
        "authors": Kind(partial(authors_way, sources)),
        "ours": Kind(partial(ours, reader, videos)),
        "native": Kind(partial(ours, reader, videos, native=True)),
        "reciprocal": Kind(partial(ours, reader, videos), reciprocal=True),
        "proxies": Kind(partial(ours, reader, proxies)),
        "flow": Kind(partial(ours, reader, videos), 0.25),
        "prepared": Kind(partial(ours, prepared, videos), 0.25),
    }


def measure(
    sources: list[Source], ways: dict[str, Kind], *, samples: int, repetitions: int
) -> dict[str, float]:
    """Return the median samples per CPU-second of every way. They take turns."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions + 1):
        for name, kind in ways.items():
            rng = np.random.default_rng(repetition)
            groups = draw_plans(sources, rng, kind, samples)
            start = cpu_seconds()
            for plans in groups:
                kind.load(plans)
            rates[name].append(sum(len(group) for group in groups) / (cpu_seconds() - start))
    return {
        name: statistics.median(rate[1:]) for name, rate in rates.items()
    }  # the first is a warm-up


def judged(form: Format, rate: dict[str, float]) -> list[Target]:
    """Compare files and proxies with the authors' way."""
    straight = 4.0 if form.codec == "mpeg4" else 1.5
    said = {
        "ours": "files as they are",
        "reciprocal": "reciprocal positives",
        "proxies": "proxies",
    }
    wanted = dict.fromkeys(said, straight) | {"proxies": 8.0}
    return [
        Target(
            name=f"loading {form.name}, {said[way]}",
            ours=f"{rate[way]:.1f} samples/CPU-s",
            peer=f"{rate['authors']:.1f}, extracted JPEGs through PIL",
            value=rate[way] / rate["authors"],
            bound=bound,
            at_least=True,
        )
        for way, bound in wanted.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=6, help="videos of each format, at least 2")
    parser.add_argument("--samples", type=int, default=16, help="samples of one repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    films = [moving_picture(np.random.default_rng(i), RAW) for i in range(options.videos)]
    print(f"samples per CPU-second, 3 clips of {FRAMES}x{SIZE}x{SIZE} each, from {RAW[0]}x{RAW[1]}")
    for form in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            sources = make_sources(Path(folder), form, films)
            ways = ways_of_loading(sources, Path(folder))
            rate = measure(sources, ways, samples=options.samples, repetitions=options.repetitions)
        print(form.name)
        for way in rate:
            base = "ours" if way in ("flow", "prepared") else "authors"
            print(f"  {way:12}{rate[way]:8.1f}   {rate[way] / rate[base]:.2f} x {base}", flush=True)
        targets.append(judged(form, rate), options.targets)


if __name__ == "__main__":
    main()
