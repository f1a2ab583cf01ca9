"""The cost of an experiment: clips, floating-point operations, hours on this machine, disk."""

import copy
import os
import time
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from slic.clips.flow import make_flow_step
from slic.clips.frame_size import fixed_frame_size
from slic.clips.spans import half_overlapping_spans
from slic.evaluation.classification.ten_crop import CROPS
from slic.evaluation.classification.training import PAPER_EPOCHS
from slic.evaluation.reproduction import PAPER_TABLES, PRETRAINING_SETS, PaperRow, PaperTable
from slic.models.encoder import VideoEncoder
from slic.recipe import Recipe
from slic.recipe.length import run_length

PASSES_PER_TRAINING_CLIP = 3  # forward, and backward at twice its cost
FLOW_BYTES_PER_STEP = 3600  # stored TV-L1 flow at 171x128, measured (benchmarks/notes.md)


@dataclass(frozen=True)
class BenchmarkSize:
    """The amount of video of a benchmark (docs/reference/data.md).

    Attributes:
        train: Number of training videos of split 1.
        test: Number of test videos of split 1.
        frames: Mean number of frames of a video.
    """

    train: int
    test: int
    frames: int


BENCHMARK_SIZES: dict[str, BenchmarkSize] = {
    "ucf101": BenchmarkSize(9537, 3783, 186),
    "hmdb51": BenchmarkSize(3570, 1530, 95),
    "kinetics400": BenchmarkSize(240_000, 19_906, 300),  # about; many videos are deleted
}


@dataclass(frozen=True)
class ExperimentStage:
    """One stage of an experiment.

    Attributes:
        name: The stage in words.
        trained: Number of clips that pass forward and backward.
        embedded: Number of clips that only pass forward.
    """

    name: str
    trained: int
    embedded: int

    @property
    def passes(self) -> int:
        """Number of forward passes with the same cost."""
        return PASSES_PER_TRAINING_CLIP * self.trained + self.embedded


def pretraining_stage(recipe: Recipe, videos: int) -> ExperimentStage:
    """Return the clips of a pretraining run, with those of its clustering rounds.

    Args:
        recipe: The recipe.
        videos: Number of training videos.
    """
    options, batch_size = recipe.rounds, min(recipe.train.batch_size, videos)
    length = run_length(recipe, videos=videos, steps_per_epoch=videos // batch_size)
    views = 3 if recipe.temporal.weight > 0 else 2
    epochs = max(0, length.epochs - options.first_epoch)
    rounds = -(-epochs // length.round_epochs) if recipe.clusters_embeddings else 0
    inputs = sum(name != "motion" for name in options.inputs)  # "motion" needs no forward pass
    return ExperimentStage(
        f"pretraining, {length.epochs} epochs of {videos:,} videos",
        trained=length.epochs * videos * views,
        embedded=rounds * videos * options.clips * inputs,
    )


def experiment_stages(table: PaperTable, recipe: Recipe) -> list[ExperimentStage]:
    """Return the stages of a table of the paper that need a network.

    Args:
        table: A key of `PAPER_TABLES`.
        recipe: The recipe of the pretraining.
    """
    videos = BENCHMARK_SIZES[PRETRAINING_SETS[table].dataset].train
    return [pretraining_stage(recipe, videos), *map(_evaluation_stage, PAPER_TABLES[table])]


def _evaluation_stage(row: PaperRow) -> ExperimentStage:
    """Return the clips of retrieval, 10 of each video, or of training for `PAPER_EPOCHS`.

    Training ends with the ten-crop test of windows of 16 frames. A frozen backbone passes forward
    only.
    """
    size, name = BENCHMARK_SIZES[row.dataset], row.dataset
    if row.kind == "retrieval":
        return ExperimentStage(f"retrieval on {name}", 0, 10 * (size.train + size.test))
    windows = len(half_overlapping_spans(size.frames, frames=16, stride=1))
    seen, tested = PAPER_EPOCHS * size.train, size.test * windows * CROPS
    if row.kind == "linear":
        return ExperimentStage(f"linear layer on {name}, {PAPER_EPOCHS} epochs", 0, seen + tested)
    return ExperimentStage(f"fine-tuning on {name}, {PAPER_EPOCHS} epochs", seen, tested)


@dataclass(frozen=True, kw_only=True)
class PassCost:
    """The cost of one clip's forward pass on this machine.

    Attributes:
        gflop: Multiplications and additions, in 10^9.
        seconds: Time without loading.
        device: Name of the device that was timed.
    """

    gflop: float
    seconds: float
    device: str

    def describe(self, recipe: Recipe) -> str:
        """Return what was counted and timed, in words."""
        clip = recipe.clip
        clips_per_second = 1 / (PASSES_PER_TRAINING_CLIP * self.seconds)
        return (
            f"The forward pass of one clip of {clip.frames} x {clip.size} x {clip.size} takes "
            f"{self.gflop:.0f} x 10^9 operations. Training on a clip counts as "
            f"{PASSES_PER_TRAINING_CLIP} forward passes. Measured in {recipe.train.precision} on "
            f"{self.device}: {clips_per_second:.3g} clips trained per second, without loading."
        )

    def table_row(self, stage: ExperimentStage, *, seeds: int) -> tuple[str, ...]:
        """Return name, clips, 10^15 operations, and hours of a stage for one seed and for all."""
        hours = stage.passes * self.seconds / 3600
        return (
            stage.name,
            f"{stage.trained:,}",
            f"{stage.embedded:,}",
            f"{stage.passes * self.gflop / 1e6:,.0f}",
            f"{hours:,.0f}",
            f"{seeds * hours:,.0f}",
        )


def measure_pass_cost(encoder: VideoEncoder, *, bf16: bool) -> PassCost:
    """Count the operations of an encoder's forward pass, and time it on this machine."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "this CPU"
    seconds = seconds_per_pass(encoder, bf16=bf16)
    return PassCost(gflop=gflop_per_clip(encoder), seconds=seconds, device=device)


def describe_flow_cost(recipe: Recipe, *, videos: int, frames: int) -> str:
    """Return the CPU time and the disk space of storing optical flow, in words.

    Args:
        recipe: Decides the flow method and the size of the frames.
        videos: Number of videos.
        frames: Mean number of frames of a video.
    """
    steps = videos * (frames - 1)
    hours = steps * seconds_per_flow_step(recipe) / 3600
    gigabytes = steps * FLOW_BYTES_PER_STEP / 1e9
    return (
        f"`slic prepare --flow` ({recipe.flow.method}) of {videos:,} videos of {frames} frames: "
        f"{hours:,.0f} hours of one core of this machine, about {gigabytes:.0f} GB."
    )


def describe_load() -> list[str]:
    """Return a line if other programs keep this machine busy, because times are then too long."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # Windows has none
    if load <= cores:
        return []
    return [
        f"The machine was busy (load {load:.0f} on {cores} cores), so the hours are too high. "
        "Measure again when it is idle."
    ]


def seconds_per_flow_step(recipe: Recipe, *, repetitions: int = 3) -> float:
    """Return the median time of optical flow between two frames.

    The frames are blurred noise that moves by one pixel. They are 4:3 where those of videos differ.
    """
    clip = recipe.clip
    width, height = fixed_frame_size(clip.size, clip.resize) or (clip.size * 4 // 3, clip.size)
    noise = np.random.default_rng(0).integers(0, 256, (height, width + 1), np.uint8)
    frame = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    step, seconds = make_flow_step(recipe.flow.method), []
    for _ in range(repetitions):
        start = time.perf_counter()
        step(frame[:, 1:].copy(), frame[:, :-1].copy())
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def gflop_per_clip(encoder: VideoEncoder) -> float:
    """Return the multiplications and additions of one clip's forward pass, in 10^9."""
    shapes_only = copy.deepcopy(encoder).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes_only(torch.empty(_clips_shape(encoder, 1), device="meta"))
    return float(counter.get_total_flops()) / 1e9


def seconds_per_pass(
    encoder: VideoEncoder, *, bf16: bool, clips: int | None = None, repetitions: int = 3
) -> float:
    """Return the time of one clip's forward pass, derived from training steps on this machine.

    The steps run on the GPU if there is one. They do not load anything.

    Args:
        encoder: A copy of it is trained.
        bf16: Run the forward pass under autocast.
        clips: Clips per step. None means 32 on a GPU and 2 elsewhere.
        repetitions: Number of timed steps, after one to warm up; the median counts.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    count = clips or (32 if device.type == "cuda" else 2)
    trained = copy.deepcopy(encoder).to(device).train()
    x = torch.randn(_clips_shape(encoder, count), device=device)
    seconds = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            trained(x).float().square().mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:]) / count / PASSES_PER_TRAINING_CLIP


def _clips_shape(encoder: VideoEncoder, count: int) -> tuple[int, int, int, int, int]:
    clip = encoder.clip
    return (count, 3, clip.frames, clip.size, clip.size)
