"""Cost of training and embedding beyond the bare network, and of loading with more workers.

* step: a step of a run (learning rate, loss, mining, check for non-finite numbers, log) against
  bare forward, backward and optimizer on tensors that are ready, in turns;
* epoch: an epoch with batches from two loading workers. The bare calls are timed inside it, because
  a process is slower beside workers than alone;
* embedding: `slic.embed` with two loading workers, likewise against its forward passes;
* loading: batches per second of two workers against twice those of one, beside two separate
  processes with one worker each. This is wall time, so it needs an idle machine.

A figure is the median ratio of five turns, in CPU time of the process on one thread unless stated
otherwise. Run ``python benchmarks/training.py``.
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
from first_round import loader_of, run_after_first_round, train_on
from slic.clips.samples import TrainingSample
from slic.embeddings import embed
from slic.models.encoder import to_input
from slic.pretraining.loop import Run, labels_of
from slic.recipe import Recipe, load_recipe
from slic.videos.catalog import Catalog
from targets import Target

TURNS = 5
VIDEOS = 96
# The paper's network and loss at 1 / 256 of its pixels, without its slow flow.
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

    def __init__(self, run: Run, recipe: Recipe) -> None:
        self.network = deepcopy(run.encoder).train()
        self.optimizer = recipe.build("optimizer", parameters=self.network.parameters())
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
    """Compare two functions, each called several times in a row. The first turn is a warm-up.

    The first call after the other function pays for memory that the other has freed.
    """

    def row(work: Callable[[], object]) -> float:
        return statistics.median(cpu_seconds(work) for _ in range(each))

    return medians([(row(ours), row(bare)) for _ in range(TURNS + 1)][1:])


def within(work: Callable[[], object], *bare: tuple[object, str]) -> Cost:
    """Compare a function with the calls of the network that it makes."""
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


def ready(batch: TrainingSample) -> Tensor:
    return to_input(batch.clips.flatten(0, 1))


def as_target(name: str, cost: Cost) -> Target:
    return Target(
        name=name, ours=f"{cost.ours:.2f} CPU-s",
        peer=f"{cost.bare:.2f}, bare forward, backward, optimizer",
        value=cost.ratio, bound=1.05, at_least=False,
    )  # fmt: skip


def step_and_epoch(run: Run, recipe: Recipe) -> list[Target]:
    """Measure a step, and an epoch with two workers, of the recipe `motion`."""
    loader, bare = loader_of(run, workers=2), Bare(run, recipe)
    assert run.state.pseudo_labels is not None
    run.sampler.start(0, run.state.pseudo_labels["embedding"])
    batch = next(iter(loader))
    x = ready(batch)
    optimizer = run.optimizer.optimizer
    calls = ((run.encoder, "forward"), (torch.autograd, "backward"), (optimizer, "step"))
    step = in_turns(lambda: train_on(run, [batch]), lambda: bare.step(x), each=5)
    name = f"training epoch of {run.sampler.steps} steps, 2 workers, recipe motion"
    return [
        as_target("training step, recipe motion", step),
        as_target(name, within(lambda: train_on(run, loader), *calls)),
    ]


def paper_step(run: Run, recipe: Recipe) -> list[Target]:
    """Measure a step of the paper's network and loss at batch 104, and the loss alone."""
    assert run.state.pseudo_labels is not None
    draw = np.random.default_rng(0).integers(0, 256, (104, 3, 4, 16, 16, 3), np.uint8)
    video = torch.arange(104) % len(run.rounds.catalog)
    batch = TrainingSample(torch.from_numpy(draw), video, video, torch.zeros_like(video))
    bare, x = Bare(run, recipe), ready(batch)
    step = in_turns(lambda: train_on(run, [batch]), lambda: bare.step(x), each=2)
    labels = labels_of(run, batch)
    z = torch.randn(104, 3, 128, requires_grad=True)

    def loss() -> None:
        terms = run.objective(z, labels, Generator().manual_seed(0))
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
    encoder, catalog, reader = run.encoder.eval(), run.rounds.catalog, run.rounds.reader
    count = clips * len(catalog)
    cost = within(
        lambda: embed(encoder, catalog, clips=clips, reader=reader, progress=False),
        (encoder, "forward"),
    )
    return [
        Target(
            name="embedding, 2 workers, recipe motion", ours=f"{count / cost.ours:.0f} clips/CPU-s",
            peer=f"{count / cost.bare:.0f}, its forward passes alone",
            value=1 / cost.ratio, bound=0.9, at_least=True,
        )
    ]  # fmt: skip


def loading_seconds(run: Run, workers: int, start: Any = None) -> float:
    """Return the wall seconds to load four epochs, after the workers have started."""
    loader = loader_of(run, workers=workers)
    assert run.state.pseudo_labels is not None
    run.sampler.start(0, run.state.pseudo_labels["embedding"])
    list(loader)
    if start:
        start.wait()
    begun = time.monotonic()
    for epoch in range(1, 5):
        run.sampler.start(epoch, run.state.pseudo_labels["embedding"])
        for _ in loader:
            pass
    return time.monotonic() - begun


def separate_processes(run: Run) -> float:
    """Return the mean seconds of two processes that load at the same time, one worker each."""
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
    """Measure loading with one and two workers, beside two separate processes."""
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
        print("the machine is busy, so loading is no target of this run")
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
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "videos").mkdir()
        catalog = write_videos(folder / "videos")
        recipe = load_recipe("motion")
        best = run_after_first_round(recipe, catalog, folder / "best")
        # Twelve batches an epoch, which two workers share evenly; three would allow 1.5 x only.
        even = run_after_first_round(
            load_recipe("motion", ["--train.batch_size=8"]), catalog, folder / "even"
        )
        paper_recipe = load_recipe("paper-kinetics400", TINY_CLIPS)
        paper = run_after_first_round(paper_recipe, catalog, folder / "paper")
        parts: list[Callable[[], list[Target]]] = [
            lambda: step_and_epoch(best, recipe),
            lambda: embedding(best),
            lambda: paper_step(paper, paper_recipe),
            lambda: loading(even),
        ]
        for part in parts:
            found = part()
            for t in found:
                print(f"{t.name}: {t.ours} ({t.peer}): {t.value:.3f}, {t.verdict}", flush=True)
            targets.append(found, options.targets)


if __name__ == "__main__":
    main()
