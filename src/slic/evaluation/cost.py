"""What a run will cost: clips, floating-point operations, hours of this machine, disk."""

import copy
import time
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from slic.clips.flow import make_flow_step
from slic.clips.reader import read_size
from slic.clips.spans import half_overlapping_spans
from slic.models.encoder import VideoEncoder
from slic.recipe import LOOKS, Recipe

TRAINING = 3  # forward passes that a training step costs: forward, and backward twice that
CROPS = 10  # of the ten-crop test
FLOW_BYTES = 3600  # of a prepared step, measured on TV-L1 flow at 171x128 (docs/performance.md)


@dataclass(frozen=True)
class Set:
    """How much video a benchmark has (docs/data.md).

    Attributes:
        train: Training videos of split 1.
        test: Test videos of split 1.
        frames: Mean frames of a video.
    """

    train: int
    test: int
    frames: int


SETS = {"ucf101": Set(9537, 3783, 186), "hmdb51": Set(3570, 1530, 95)}


@dataclass(frozen=True)
class Stage:
    """One stage of an experiment: how many clips it trains on and how many it only embeds."""

    name: str
    trained: int
    embedded: int

    @property
    def passes(self) -> int:
        """Forward passes that cost as much."""
        return TRAINING * self.trained + self.embedded


def pretraining_stage(recipe: Recipe, videos: int) -> Stage:
    """Return the clips of a pretraining run, with those of its clustering rounds."""
    train, clustering = recipe.train, recipe.clustering
    looks = 3 if recipe.loss.temporal_weight > 0 else 2
    rounds = -(-train.epochs // clustering.every_epochs) if clustering.method != "none" else 0
    views = sum(look != "motion" for look in LOOKS[clustering.view])
    return Stage(
        f"pretraining, {train.epochs} epochs of {videos:,} videos",
        trained=train.epochs * videos * looks,
        embedded=rounds * videos * clustering.clips * views,
    )


def retrieval_stage(name: str, *, clips: int = 10) -> Stage:
    """Return the clips of a retrieval over both splits of a set."""
    there = SETS[name]
    return Stage(f"retrieval on {name}", 0, (there.train + there.test) * clips)


def finetune_stage(name: str, *, epochs: int = 150, clip_frames: int = 16) -> Stage:
    """Return the clips of a fine-tuning and its ten-crop test."""
    there = SETS[name]
    windows = len(half_overlapping_spans(there.frames, frames=clip_frames, stride=1))
    return Stage(
        f"fine-tuning on {name}, {epochs} epochs",
        trained=epochs * there.train,
        embedded=there.test * windows * CROPS,
    )


def stages(table: str, recipe: Recipe) -> list[Stage]:
    """Return the stages of an experiment of the paper that need a network."""
    first = pretraining_stage(recipe, SETS["ucf101"].train)
    if table == "retrieval":
        return [first, *(retrieval_stage(name) for name in SETS)]
    return [first, *(finetune_stage(name) for name in SETS)]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a forward pass of one clip costs here.

    Attributes:
        gflop: 10^9 multiplications and additions.
        seconds: On this machine, without loading.
        device: What was timed.
    """

    gflop: float
    seconds: float
    device: str

    def about(self, recipe: Recipe) -> str:
        """Say what the hours are made of."""
        clip = recipe.clip
        return (
            f"One clip of {clip.frames} x {clip.size} x {clip.size} forward through the "
            f"{recipe.encoder.depth}-layer network: {self.gflop:.0f} x 10^9 operations; training "
            f"counts as {TRAINING} such passes. Timed here, {recipe.train.precision} on "
            f"{self.device}: {1 / (TRAINING * self.seconds):.3g} clips trained a second. Loading "
            "is not in it."
        )

    def cells(self, stage: Stage, *, seeds: int) -> tuple[str, ...]:
        """Return a stage's clips, operations and hours."""
        hours = stage.passes * self.seconds / 3600
        return (
            stage.name,
            f"{stage.trained:,}",
            f"{stage.embedded:,}",
            f"{stage.passes * self.gflop / 1e6:,.0f}",
            f"{hours:,.0f}",
            f"{seeds * hours:,.0f}",
        )


def estimate(encoder: VideoEncoder, *, bf16: bool) -> Estimate:
    """Count the operations of an encoder and time it here."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "this CPU"
    seconds = seconds_per_pass(encoder, bf16=bf16)
    return Estimate(gflop=gflop_per_clip(encoder), seconds=seconds, device=device)


def flow_note(recipe: Recipe, videos: int, frames: int) -> str:
    """Say what preparing the recipe's flow takes: processor time, from steps timed here, and disk.

    Args:
        recipe: Its method, and the size of its clips.
        videos: How many.
        frames: Mean frames of one.
    """
    steps = videos * (frames - 1)
    hours = steps * seconds_per_flow_step(recipe) / 3600
    return (
        f"`slic prepare --flow` ({recipe.flow.method}) of {videos:,} videos of {frames} frames: "
        f"{hours:,.0f} hours of one core of this machine, about {steps * FLOW_BYTES / 1e9:.0f} GB."
    )


def seconds_per_flow_step(recipe: Recipe, *, repetitions: int = 3) -> float:
    """Return the median seconds of one step of flow, on a blurred noise that moves by a pixel."""
    width, height = read_size(recipe.clip.size)
    noise = np.random.default_rng(0).integers(0, 256, (height, width + 1), np.uint8)
    picture = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    step, seconds = make_flow_step(recipe.flow.method), []
    for _ in range(repetitions):
        start = time.perf_counter()
        step(picture[:, 1:].copy(), picture[:, :-1].copy())
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def gflop_per_clip(encoder: VideoEncoder) -> float:
    """Return the 10^9 multiplications and additions of one clip's forward pass."""
    shapes_only = copy.deepcopy(encoder).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes_only(torch.empty(_clips(encoder, 1), device="meta"))
    return float(counter.get_total_flops()) / 1e9


def seconds_per_pass(
    encoder: VideoEncoder, *, bf16: bool, clips: int | None = None, repetitions: int = 3
) -> float:
    """Return the seconds of a forward pass of one clip, from training steps on this machine.

    Timed on its GPU if there is one, else on its CPU; a training step counts as `TRAINING` passes.
    Loading is not in it.

    Args:
        encoder: A copy of it is trained.
        bf16: Whether the forward pass is autocast.
        clips: Clips of a step; None is 32 on a GPU and 2 elsewhere.
        repetitions: The median of so many steps is taken, after one to warm up.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    count = clips or (32 if device.type == "cuda" else 2)
    trained = copy.deepcopy(encoder).to(device).train()
    x = torch.randn(_clips(encoder, count), device=device)
    seconds = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            trained(x).float().square().mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:]) / count / TRAINING


def _clips(encoder: VideoEncoder, count: int) -> tuple[int, int, int, int, int]:
    config = encoder.config
    return (count, 3, config.frames, config.size, config.size)
