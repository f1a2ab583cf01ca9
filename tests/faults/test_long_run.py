"""A long run keeps its memory, its open files and its speed, and its logs stay bounded."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.faults.campaign import Campaign
from tests.faults.trials import SMALL_RUN

pytestmark = pytest.mark.slow

RECIPE = """
rounds: {every_epochs: 5, inputs: [rgb]}
optimizer: {name: adamw, learning_rate: 0.001, weight_decay: 0.0}
train: {epochs: null, steps: %d, batch_size: 4, workers: 1}
"""
PROGRAM = """
import json, os, time
import psutil
from slic.callbacks import Callback
from slic.pretraining import pretrain
from slic.recipe import load_recipe

class Meter(Callback):
    def on_start(self, run):
        self.file = open({meter!r}, "w")
        self.process = psutil.Process()
        self.every = max(1, run.total_steps // 200)

    def on_step_end(self, run, result):
        if run.state.step % self.every:
            return
        family = [self.process, *self.process.children(recursive=True)]
        memory = sum(one.memory_info().rss for one in family)
        files = sum(one.num_fds() for one in family)
        seconds = sum(sum(one.cpu_times()[:2]) for one in family)
        row = dict(step=run.state.step, memory=memory, files=files,
                   processes=len(family), cpu=seconds)
        print(json.dumps(row), file=self.file, flush=True)

pretrain({videos!r}, out={out!r}, recipe=load_recipe({recipe!r}), callbacks=[Meter()],
         progress=False)
"""


def test_memory_files_speed_and_logs_of_a_long_run(
    campaign: Campaign, program: Callable[..., Any], make_video: Callable[..., Path], tmp_path: Path
) -> None:
    steps = campaign.trials(quick=24, soak=12_000)
    for number in range(campaign.trials(quick=16, soak=48)):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=12 + number, size=(64, 48))
    recipe, meter, out = tmp_path / "long.yaml", tmp_path / "meter.jsonl", tmp_path / "run"
    recipe.write_text(SMALL_RUN + RECIPE % steps)
    text = PROGRAM.format(
        videos=str(tmp_path / "videos"), out=str(out), recipe=str(recipe), meter=str(meter)
    )
    ended = program(text).wait(seconds=14_000)
    assert ended.code == 0, ended.err

    rows = [json.loads(line) for line in meter.read_text().splitlines()]
    assert rows[-1]["step"] == steps
    early, late = (rows[len(rows) // 10 : len(rows) // 5], rows[-len(rows) // 10 :])
    first, second = rows[: len(rows) // 2], rows[len(rows) // 2 :]  # prefetched batches are files
    for count in ("files", "processes"):
        assert max(row[count] for row in second) <= max(row[count] for row in first)
    log = (out / "log.jsonl").read_text().splitlines()
    assert len(log) < 1.5 * steps + 10  # a line a step and a few for each round
    checkpoints = [path for path in out.rglob("*.pt*") if path.is_file()]
    assert len(checkpoints) <= 2  # the last one and the one before
    if not campaign.soak:
        return
    growth = median(row["memory"] for row in late) / median(row["memory"] for row in early)
    speed = cpu_per_step(early) / cpu_per_step(late)
    campaign.record(
        "12,000 steps",
        tried=steps,
        survived=steps,
        note=f"memory {growth:.3f}, speed {speed:.3f} of the start; log {len(log)} lines",
    )
    assert growth < 1.03
    assert speed > 0.97


def cpu_per_step(rows: list[dict[str, float]]) -> float:
    """Return the median CPU seconds of a step between two readings."""
    return median(
        (after["cpu"] - before["cpu"]) / (after["step"] - before["step"])
        for before, after in pairwise(rows)
    )
