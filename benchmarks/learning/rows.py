"""A row of the tables: what its words mean, and doing it for one seed."""

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

from learning.coclr import coclr
from learning.features import UNTRAINED
from learning.momentum import ByolRun, MocoRun
from learning.scenes import BackgroundRun, StillRun
from learning.scoring import curve_of
from learning.tasks import TRAIN, Task
from learning.training import GrowingRun, Looped, StoredRun, SupervisedRun, Training
from slic.errors import RecipeError
from slic.evaluation.cost import TRAINING, gflop_per_clip
from slic.pretraining.parts import new_encoder, settled
from slic.recipe import Recipe, load_recipe

_ALONE = ("--clustering.method=none", "--sampling.same_video_probability=1")
_PICTURES = "--sampling.flow_probability=0"


class Way(NamedTuple):
    """A way to learn: the training, its settings beside those of the recipe, its usual recipe.

    The version goes up when the way changes while its settings do not: a record is of one version.
    """

    training: Training
    settings: Sequence[str] = ()
    recipe: str = "best"
    version: int = 1


WAYS = {
    "slic": Way(Looped(StoredRun)),
    "official": Way(Looped(StoredRun), ["--compat=official"], "paper-small"),
    "instance": Way(Looped(StoredRun), _ALONE),
    "simclr": Way(Looped(StoredRun), [*_ALONE, _PICTURES]),
    "moco": Way(Looped(MocoRun), [*_ALONE, _PICTURES], version=2),
    "byol": Way(Looped(ByolRun), [*_ALONE, _PICTURES], version=2),
    # one of its encoders is shown flow; so many pictures are what the others' backbones see
    "coclr": Way(coclr, ["--encoder.motion=false", "--clip.frames=8", "--clip.stride=2"]),
    "supervised": Way(Looped(SupervisedRun)),
    "backgrounds": Way(Looped(BackgroundRun)),
    "still": Way(Looped(StillRun)),
    "growing": Way(Looped(GrowingRun)),
}
SEEDLESS = {"chance", "mean-frame", "frame-differences", "layout"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to get features, for one seed.

    Attributes:
        name: As the user wrote it.
        method: A key of ``WAYS`` or ``UNTRAINED``.
        recipe: All settings, the seed among them.
        steps: Optimizer steps that were asked for; whole epochs may be a few more or less.
    """

    name: str
    method: str
    recipe: Recipe
    steps: int = 0


def read_row(name: str, *, seed: int) -> Row:
    """Read ``METHOD[:RECIPE]`` or ``RECIPE``, then ``,--setting=value`` ...; a recipe is `slic`."""
    head, *words = name.split(",--")
    method, colon, recipe = head.partition(":")
    if method not in WAYS | UNTRAINED:
        if colon:
            known = ", ".join((*WAYS, *UNTRAINED))
            raise RecipeError(f"{name}: no method {method!r}; there are {known}, or a recipe.")
        method, recipe = "slic", method
    way = WAYS.get(method, WAYS["slic"])
    settings = [
        "--train.workers=0",
        *way.settings,
        *(f"--{word}" for word in words),
        f"--train.seed={seed}",
    ]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    read = settled(load_recipe(recipe or way.recipe, settings), device)
    return Row(name=name, method=method, recipe=read)


def within(row: Row, *, videos: int, steps: int, curve_every: int) -> Row:
    """Fit a row's recipe to a budget of optimizer steps, on so many videos.

    Everything that a recipe counts in epochs is meant for 400 videos and keeps its steps: rounds
    of clustering come after as many steps whatever the number of videos.
    """
    recipe, train = row.recipe, row.recipe.train
    steps_per_epoch = videos // min(train.batch_size, videos)
    every = max(1, round(row.recipe.clustering.every_epochs * TRAIN / videos))
    fitted = replace(
        recipe,
        clustering=replace(recipe.clustering, every_epochs=every),
        train=replace(
            train,
            epochs=max(1, round(steps / steps_per_epoch)),
            snapshot_every_epochs=max(1, round(curve_every / steps_per_epoch)),
        ),
    )
    return replace(row, recipe=fitted, steps=steps)


def steps_for(row: Row, gflop: float) -> int:
    """Return how many optimizer steps a budget of 10^9 operations pays for, rounds left out."""
    recipe = row.recipe
    looks = 3 if recipe.loss.temporal_weight > 0 else 2
    clips = TRAINING * looks * recipe.train.batch_size
    return max(1, round(gflop / (clips * gflop_per_clip(new_encoder(recipe)))))


def identity(row: Row, task: Task) -> str:
    """Return what tells a result from all others; the git revision does not."""
    parts = [task.name, task.draw, len(task.training), len(task.catalog), row.method]
    if (version := _version(row)) > 1:
        parts.append(version)
    return sha256(json.dumps([*parts, asdict(row.recipe)]).encode()).hexdigest()[:12]


def _version(row: Row) -> int:
    return WAYS[row.method].version if row.method in WAYS else 1


def do(row: Row, task: Task, out: Path, *, start: bool = True) -> dict[str, Any]:
    """Do a row and return its record, one line of ``results.jsonl``.

    Args:
        row: What to do.
        task: On what.
        out: Folder for the run.
        start: Whether the curve begins with random weights, which rows of one network share.
    """
    started, worked = time.monotonic(), time.process_time()
    outcome = _train(row, task, out, start) if row.method in WAYS else _look(row, task)
    return {
        "id": identity(row, task),
        "task": task.name,
        "draw": task.draw,
        "videos": len(task.training),
        "gallery": len(task.split.gallery),
        "queries": len(task.split.queries),
        "asked_videos": task.asked_videos,
        "set_videos": len(task.catalog),
        "run": row.name,
        "method": row.method,
        "version": _version(row),
        "seed": row.recipe.train.seed,
        "asked_steps": row.steps,
        **outcome,
        "total_seconds": round(time.monotonic() - started, 1),
        "total_cpu_seconds": round(time.process_time() - worked, 1),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "revision": revision(),
        "recipe": asdict(row.recipe),
    }


def _look(row: Row, task: Task) -> Mapping[str, Any]:
    """Return what features reach that need no learning."""
    return {"steps": 0, "curve": {"0": UNTRAINED[row.method](task, row.recipe)}}


def _train(row: Row, task: Task, out: Path, start: bool) -> Mapping[str, Any]:
    """Train and return what it cost and what came of it; snapshots and checkpoints go away."""
    folder = out / "runs" / f"{task.name}-{row.method}-{identity(row, task)}"
    shutil.rmtree(folder, ignore_errors=True)
    started, worked = time.monotonic(), time.process_time()
    trained = WAYS[row.method].training(row.recipe, task, folder)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - worked
    untrained = new_encoder(row.recipe)
    curve = curve_of(
        folder, task, row.recipe, start=untrained if start else None, steps=trained.steps
    )
    for part in ("snapshots", "checkpoints"):
        shutil.rmtree(folder / part, ignore_errors=True)
    passes = TRAINING * trained.clips_trained + trained.clips_embedded
    return {
        **asdict(trained),
        "gflop": round(passes * gflop_per_clip(untrained.cpu()), 1),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "curve": curve,
        "folder": str(folder.relative_to(out)),
    }


def revision() -> str:
    """Return the code's git revision; ``+`` says that files were changed since."""

    def git(*words: str) -> str:
        here = Path(__file__).parent
        done = subprocess.run(
            ["git", *words], cwd=here, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../../src", ".")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("+" if changed else "")
