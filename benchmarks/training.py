"""What training and embedding cost beyond the bare network, and how loading grows with workers.

* step: the step of a run (learning rate, loss, mining, guard against numbers that are not finite,
  log) against bare forward, backward and optimizer on tensors that are ready, in turns;
* epoch: the same of an epoch whose batches come from two loading workers. The bare calls are timed
  inside it: beside workers a process runs slower than alone, and that is not what is asked;
* embedding: `slic.embed` with two loading workers, likewise against its forward passes;
* loading: batches a second of two workers against twice those of one (wall time, so only on a
  machine with nothing else to do), beside what two separate processes of one worker reach.

A figure is the median of the ratios of five turns, in CPU time of the process (one thread) where
nothing else is said. Run ``python benchmarks/training.py``.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import av
import numpy as np
import torch
from torch import Generator, Tensor

import targets
from first_round import run_after_first_round
from slic.clips.loader import batch_loader
from slic.clips.triplets import TripletSample
from slic.embeddings import embed
from slic.models.encoder import to_input
from slic.pretraining.objective import loss_terms
from slic.pretraining.parts import instance_loss, new_optimizer
from slic.pretraining.run import Run
from slic.recipe import load_recipe
from slic.videos.catalog import Catalog
from targets import Target

TURNS = 5
VIDEOS = 96
# The paper's network and loss at 1 / 256 of its pixels; its slow flow is not what is measured here.
TINY_CLIPS = ["--clip.frames=4", "--clip.size=16", "--flow.method=dis"]


def write_videos(folder: Path) -> Catalog:
    """Encode small videos of drifting clouds."""
    for number in range(VIDEOS):
        rng = np.random.default_rng(number)
        clouds = rng.integers(0, 256, (40, 40, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        with av.open(str(folder / f"{number:03d}.avi"), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
            for k in range(60):
                picture = np.ascontiguousarray(clouds[k : k + 120, 2 * k : 2 * k + 160])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    return Catalog.from_folder(folder, progress=False)


class Cost(NamedTuple):
    """Median CPU-seconds of both sides, and the median of their ratio."""

    ours: float
    bare: float
    ratio: float


class Bare:
    """Forward, backward and optimizer of a run's network, on tensors that are ready."""

    def __init__(self, run: Run) -> None:
        self.network = deepcopy(run.encoder)
        self.optimizer = new_optimizer(self.network, run.recipe.train)
        self.bf16 = run.precision == "bf16"

    def step(self, x: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            z = self.network(x)
        z.float().square().mean().backward()
        self.optimizer.step()


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def in_turns(ours: Callable[[], object], bare: Callable[[], object], *, each: int) -> Cost:
    """Compare two pieces of work, each done so often in a row; the first turn warms up.

    In a row, because the first after the other pays for memory that the other gave back.
    """

    def row(work: Callable[[], object]) -> float:
        return statistics.median(cpu_seconds(work) for _ in range(each))

    return medians([(row(ours), row(bare)) for _ in range(TURNS + 1)][1:])


def within(work: Callable[[], object], *bare: tuple[object, str]) -> Cost:
    """Compare a piece of work with the calls of the network that it makes."""
    turns = []
    for _ in range(TURNS + 1):
        spent: list[float] = []
        with ExitStack() as patched:
            for owner, name in bare:
                timed = partial(note_seconds, spent, getattr(owner, name))
                patched.enter_context(patch.object(owner, name, timed))
            turns.append((cpu_seconds(work), sum(spent)))
    return medians(turns[1:])


def note_seconds(spent: list[float], call: Callable[..., Any], *words: Any, **named: Any) -> Any:
    start = time.process_time()
    result = call(*words, **named)
    spent.append(time.process_time() - start)
    return result


def medians(turns: list[tuple[float, float]]) -> Cost:
    ours, bare = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
    return Cost(ours, bare, statistics.median(a / b for a, b in turns))


def ready(batch: TripletSample) -> Tensor:
    return to_input(batch.clips.flatten(0, 1))


def as_target(name: str, cost: Cost) -> Target:
    return Target(
        name=name, ours=f"{cost.ours:.2f} CPU-s",
        peer=f"{cost.bare:.2f}, bare forward, backward, optimizer",
        value=cost.ratio, bound=1.05, at_least=False,
    )  # fmt: skip


def step_and_epoch(run: Run) -> list[Target]:
    """Measure a step, and an epoch with two workers, of the recipe `best`."""
    loader, bare = batch_loader(run.dataset, run.batches, workers=2), Bare(run)
    assert run.pseudo_labels is not None
    run.batches.start(0, run.pseudo_labels)
    batch = next(iter(loader))
    x = ready(batch)

    def epoch() -> None:
        run.batch = 0
        run.train_epoch(run.encoder, loader, lambda: False)

    calls = ((run.encoder, "forward"), (torch.autograd, "backward"), (run.optimizer, "step"))
    step = in_turns(lambda: run.train_step(run.encoder, batch), lambda: bare.step(x), each=5)
    name = f"training epoch of {run.batches.steps} steps, 2 workers, recipe best"
    return [
        as_target("training step, recipe best", step),
        as_target(name, within(epoch, *calls)),
    ]


def paper_step(run: Run) -> list[Target]:
    """Measure a step of the paper's network and loss at batch 104, and the loss alone."""
    assert run.pseudo_labels is not None
    draw = np.random.default_rng(0).integers(0, 256, (104, 3, 4, 16, 16, 3), np.uint8)
    video = torch.arange(104) % len(run.catalog)
    batch = TripletSample(torch.from_numpy(draw), video, torch.zeros_like(video))
    bare, x = Bare(run), ready(batch)
    step = in_turns(lambda: run.train_step(run.encoder, batch), lambda: bare.step(x), each=2)
    labels = torch.as_tensor(run.pseudo_labels.labels)[video]
    z = torch.randn(104, 3, 128, requires_grad=True)

    def loss() -> None:
        terms = loss_terms(
            z, labels, instance=instance_loss(run.recipe.loss), temporal_weight=1.0,
            temporal_margin=0.04, generator=Generator().manual_seed(0),
        )  # fmt: skip
        torch.autograd.grad(terms.total, z)

    mining = statistics.median(cpu_seconds(loss) for _ in range(TURNS))
    return [
        as_target("training step, paper's network, batch 104, clips of 4x16x16", step),
        Target(
            name="mining and loss at batch 104", ours=f"{mining * 1e3:.1f} ms",
            peer=f"{step.ours:.2f} s, the step with clips of 4x16x16",
            value=mining / step.ours, bound=0.01, at_least=False,
        ),
    ]  # fmt: skip


def embedding(run: Run, clips: int = 10) -> list[Target]:
    """Measure the embedding of a catalog against its forward passes."""
    encoder, count = run.encoder.eval(), clips * len(run.catalog)
    cost = within(
        lambda: embed(encoder, run.catalog, clips=clips, reader=run.reader, progress=False),
        (encoder, "forward"),
    )
    return [
        Target(
            name="embedding, 2 workers, recipe best", ours=f"{count / cost.ours:.0f} clips/CPU-s",
            peer=f"{count / cost.bare:.0f}, its forward passes alone",
            value=1 / cost.ratio, bound=0.9, at_least=True,
        )
    ]  # fmt: skip


def loading_seconds(run: Run, workers: int, start: Any = None) -> float:
    """Return the wall seconds of four epochs' batches, once the workers are up."""
    loader = batch_loader(run.dataset, run.batches, workers=workers)
    assert run.pseudo_labels is not None
    run.batches.start(0, run.pseudo_labels)
    list(loader)
    if start:
        start.wait()
    begun = time.monotonic()
    for epoch in range(1, 5):
        run.batches.start(epoch, run.pseudo_labels)
        for _ in loader:
            pass
    return time.monotonic() - begun


def separate_processes(run: Run) -> float:
    """Return the seconds of two processes that load with one worker each at the same time."""
    fork = multiprocessing.get_context("fork")
    start, results = fork.Barrier(2), fork.SimpleQueue()
    both = [
        fork.Process(target=lambda: results.put(loading_seconds(run, 1, start))) for _ in range(2)
    ]
    for process in both:
        process.start()
    seconds = [results.get() for _ in both]
    for process in both:
        process.join()
    return float(statistics.mean(seconds))


def loading(run: Run) -> list[Target]:
    """Measure how loading grows from one worker to two, beside two processes that share nothing."""
    turns = [
        (loading_seconds(run, 1), loading_seconds(run, 2), separate_processes(run))
        for _ in range(TURNS)
    ]
    one, two, apart = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
    linear = statistics.median(a / (2 * b) for a, b, _ in turns)
    machine = statistics.median(a / c for a, _, c in turns)
    print(
        f"loading, wall: one worker {one:.2f} s, two {two:.2f} s ({linear:.2f} of linear); "
        f"two separate processes at once {apart:.2f} s each ({machine:.2f} of linear)"
    )
    if machine < 0.95:
        print("the machine has other work to do, so loading is no target of this run")
        return []
    return [
        Target(
            name="loading, 1 to 2 workers, wall", ours=f"{one / two:.2f} x",
            peer=f"{2 * machine:.2f} x, two separate processes", value=linear, bound=0.9,
            at_least=True,
        )
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=Path, help="file that the targets are appended to")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "videos").mkdir()
        catalog = write_videos(folder / "videos")
        best = run_after_first_round(load_recipe("best"), catalog, folder / "best")
        # An epoch that two workers can share evenly: three batches would go at 1.5 x at best.
        even = run_after_first_round(
            load_recipe("best", ["--train.batch_size=8"]), catalog, folder / "even"
        )
        paper = run_after_first_round(
            load_recipe("paper-kinetics400", TINY_CLIPS), catalog, folder / "paper"
        )
        parts: list[Callable[[], list[Target]]] = [
            lambda: step_and_epoch(best),
            lambda: embedding(best),
            lambda: paper_step(paper),
            lambda: loading(even),
        ]
        for part in parts:
            found = part()
            for t in found:
                print(f"{t.name}: {t.ours} ({t.peer}): {t.value:.3f}, {t.verdict}", flush=True)
            targets.append(found, options.targets)


if __name__ == "__main__":
    main()
