"""One row of the tables: parse its name, and run it for one seed."""

import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import torch

from learning.features import UNTRAINED
from learning.scoring import curve_of
from learning.tasks import TRAIN, Task
from learning.training import train, views
from slic.errors import RecipeError
from slic.evaluation.cost import PASSES_PER_TRAINING_CLIP, gflop_per_clip
from slic.pretraining.build import build_encoder, resolve_precision
from slic.recipe import Recipe, load_recipe

_OWN_VIDEO = "--sampling.same_video_probability=1"
_ALONE = ("--clustering.name=none", _OWN_VIDEO)
_PICTURES = "--sampling.flow_probability=0"


class Method(NamedTuple):
    """A way to learn: settings added to those of the recipe, and the recipe if none is named."""

    settings: Sequence[str] = ()
    recipe: str = "motion"


METHODS = {
    "slic": Method(),
    "official": Method(["--compat=official"], "paper-small"),
    "instance": Method(_ALONE),
    "instance-finch": Method([_OWN_VIDEO]),
    "simclr": Method([*_ALONE, _PICTURES]),
    "supervised": Method(["--clustering.name=none"]),
}
SEEDLESS = {"chance", "mean-frame", "frame-differences", "motion-descriptor"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One experiment with one seed.

    Attributes:
        name: As given on the command line.
        method: A key of ``METHODS`` or ``UNTRAINED``.
        recipe: All settings, including the seed.
        steps: Requested optimizer steps. Whole epochs may give a few more or fewer.
    """

    name: str
    method: str
    recipe: Recipe
    steps: int = 0


def read_row(name: str, *, seed: int) -> Row:
    """Parse ``METHOD[:RECIPE]`` or ``RECIPE`` (method ``slic``), then ``,--setting=value`` ..."""
    head, *words = name.split(",--")
    method, colon, recipe = head.partition(":")
    if method not in METHODS | UNTRAINED:
        if colon:
            known = ", ".join((*METHODS, *UNTRAINED))
            raise RecipeError(f"{name}: no method {method!r}; there are {known}, or a recipe.")
        method, recipe = "slic", method
    usual = METHODS.get(method, METHODS["slic"])
    settings = [
        "--train.workers=0",
        *usual.settings,
        *(f"--{word}" for word in words),
        f"--train.seed={seed}",
    ]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    read = resolve_precision(load_recipe(recipe or usual.recipe, settings), device)
    return Row(name=name, method=method, recipe=read)


def within(row: Row, *, videos: int, steps: int, curve_every: int) -> Row:
    """Adapt a row's recipe to a budget of optimizer steps and a number of videos.

    Recipes count epochs of 400 videos. The number of steps between rounds of clustering is kept
    for other numbers of videos.
    """
    recipe, train = row.recipe, row.recipe.train
    steps_per_epoch = videos // min(train.batch_size, videos)
    every = max(1, round(recipe.rounds.every_epochs * TRAIN / videos))
    fitted = replace(
        recipe,
        rounds=replace(recipe.rounds, every_epochs=every),
        train=replace(
            train,
            epochs=max(1, round(steps / steps_per_epoch)),
            snapshot_every_epochs=max(1, round(curve_every / steps_per_epoch)),
        ),
    )
    return replace(row, recipe=fitted, steps=steps)


def steps_for(row: Row, gflop: float) -> int:
    """Return how many optimizer steps a budget of 10^9 operations allows, without rounds."""
    recipe = row.recipe
    clips = PASSES_PER_TRAINING_CLIP * views(recipe) * recipe.train.batch_size
    return max(1, round(gflop / (clips * gflop_per_clip(build_encoder(recipe)))))


def identity(row: Row, task: Task) -> str:
    """Return the id of a result. It does not depend on the git revision."""
    parts = [task.name, task.draw, len(task.training), len(task.catalog), row.method]
    return sha256(json.dumps([*parts, row.recipe.to_dict()]).encode()).hexdigest()[:12]


def do(row: Row, task: Task, out: Path, *, start: bool = True) -> dict[str, Any]:
    """Run a row and return its record, one line of ``results.jsonl``.

    Args:
        row: The experiment.
        task: The task.
        out: Folder for the run.
        start: Whether the curve starts with random weights.
    """
    started, worked = time.monotonic(), time.process_time()
    outcome = (_train if row.method in METHODS else _score)(row, task, out, start)
    return {
        "id": identity(row, task),
        "task": task.name,
        "draw": task.draw,
        "videos": len(task.training),
        "gallery": len(task.split.train),
        "queries": len(task.split.test),
        "asked_videos": task.asked_videos,
        "set_videos": len(task.catalog),
        "run": row.name,
        "method": row.method,
        "seed": row.recipe.train.seed,
        "asked_steps": row.steps,
        **outcome,
        "total_seconds": round(time.monotonic() - started, 1),
        "total_cpu_seconds": round(time.process_time() - worked, 1),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "revision": revision(),
        "recipe": row.recipe.to_dict(),
    }


def _score(row: Row, task: Task, _: Path, __: bool) -> Mapping[str, Any]:
    """Score features without learning."""
    return {"steps": 0, "curve": {"0": UNTRAINED[row.method](task, row.recipe)}}


def _train(row: Row, task: Task, out: Path, start: bool) -> Mapping[str, Any]:
    """Train, score, and delete snapshots and checkpoints; return cost and scores."""
    folder = out / "runs" / f"{task.name}-{row.method}-{identity(row, task)}"
    shutil.rmtree(folder, ignore_errors=True)
    started, worked = time.monotonic(), time.process_time()
    trained = train(
        row.recipe,
        task,
        folder,
        supervised=row.method == "supervised",
        instance=row.method == "instance-finch",
    )
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - worked
    untrained = build_encoder(row.recipe)
    curve = curve_of(
        folder, task, row.recipe, start=untrained if start else None, steps=trained.steps
    )
    for part in ("snapshots", "checkpoints"):
        shutil.rmtree(folder / part, ignore_errors=True)
    passes = PASSES_PER_TRAINING_CLIP * trained.clips_trained + trained.clips_embedded
    return {
        **asdict(trained),
        "gflop": round(passes * gflop_per_clip(untrained.cpu()), 1),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "curve": curve,
        "folder": str(folder.relative_to(out)),
    }


def revision() -> str:
    """Return the git revision of the code, with ``+`` if files have changed since."""

    def git(*words: str) -> str:
        here = Path(__file__).parent
        done = subprocess.run(
            ["git", *words], cwd=here, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../../src", ".")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("+" if changed else "")
