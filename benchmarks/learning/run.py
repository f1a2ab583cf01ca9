"""The learning bench: R@1 and mAP of RGB queries, by task, way to learn, and seed.

    python benchmarks/learning/run.py easy hard --runs motion paper-small simclr --out results

Every row is one of

- a recipe, by name or file: ``motion``, ``paper-small``, ``mine.yaml``;
- a method, on the recipe ``motion`` unless another is named (``simclr:mine.yaml``):
  ``instance`` (every video is its own cluster), ``instance-finch`` (the same; the record also has
  the clusters that the recipe finds, which are not used), ``simclr`` (``instance`` without flow),
  ``supervised`` (the true labels are the pseudo-labels), ``official`` (``compat: official``, with
  ``paper-small``);
- features without learning: ``chance``, ``mean-frame``, ``random``, ``frame-differences``,
  ``motion-descriptor``; ``random:paper-small``;

each followed by settings if need be: ``motion,--loss.temperature=0.2``. Every row, task and seed
adds one JSON line to ``OUT/results.jsonl``, with the whole recipe, git revision, clips,
operations, seconds and the curve. A row that is already there is skipped. ``tables.py`` makes
tables and plots of the file. tasks.py describes the tasks.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the package `learning` is

from learning.rows import (
    METHODS,
    SEEDLESS,
    Row,
    do,
    identity,
    read_row,
    steps_for,
    within,
)
from learning.tables import read_records, table
from learning.tasks import NAMES, TEST, TRAIN, Draw, Task, open_task, why_missing
from slic.errors import SlicError
from slic.recipe.length import run_length
from slic.signals import StopRequested


def main() -> None:
    arguments = _arguments()
    draw: Draw = "validation" if arguments.validation else "test"
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "results.jsonl"
    for name in arguments.tasks:
        if reason := why_missing(name, draw):
            print(f"{name} is skipped: {reason}", file=sys.stderr)
            continue
        for videos in arguments.videos or [None]:
            task = open_task(
                name, draw, data=arguments.data or arguments.out / "tasks", videos=videos,
                train=arguments.train_videos, test=arguments.test_videos,
            )  # fmt: skip
            _fill(results, task, _rows(arguments, task), start=not arguments.trained_only)
    for line in table(read_records([results]), tasks=arguments.tasks, draw=draw):
        print(line)


def _rows(arguments: argparse.Namespace, task: Task) -> Iterator[Row]:
    """Yield the rows seed by seed, so that early results cover all rows."""
    for seed in arguments.seeds:
        for name in arguments.runs:
            row = read_row(name, seed=seed)
            if row.method in METHODS:
                whole = TRAIN // row.recipe.train.batch_size
                length = run_length(row.recipe, videos=TRAIN, steps_per_epoch=whole)
                steps = arguments.steps or length.steps
                if arguments.gflop:
                    steps = steps_for(row, arguments.gflop)
                every = arguments.curve_every or steps
                yield within(row, videos=len(task.training), steps=steps, curve_every=every)
            elif row.method not in SEEDLESS or seed == arguments.seeds[0]:
                yield row


def _fill(results: Path, task: Task, rows: Iterable[Row], *, start: bool) -> None:
    """Run the rows that the results file lacks."""
    done = {record["id"] for record in read_records([results])}
    for row in rows:
        if identity(row, task) in done:
            continue
        seed = row.recipe.train.seed
        print(f"{task.name} {task.draw}: {row.name}, seed {seed}", file=sys.stderr, flush=True)
        record = do(row, task, results.parent, start=start)
        with results.open("a") as file:
            file.write(json.dumps(record) + "\n")
        done.add(record["id"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add: Any = parser.add_argument
    add("tasks", nargs="+", choices=NAMES)
    add("--runs", nargs="+", default=["motion", "paper-small"])
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--validation", action="store_true", help="use the draw on which settings are chosen")
    add(
        "--steps",
        type=int,
        help="optimizer steps of every row; default: those of its recipe on 400 videos",
    )
    add("--gflop", type=float, help="instead of --steps: 10^9 operations of training for every row")
    add(
        "--curve-every",
        type=int,
        help="steps between points of the curve; default: only start and end",
    )
    add("--trained-only", action="store_true", help="do not score random weights")
    add("--videos", nargs="+", type=int, help="numbers of training videos, taken from a larger set")
    add(
        "--train-videos",
        type=int,
        help="training videos of a set; default 400, or 1600 with --videos",
    )
    add("--test-videos", type=int, default=TEST, help="test videos of a set")
    add("--data", type=Path, help="folder of the sets; default OUT/tasks")
    add("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except SlicError as error:
        sys.exit(f"learning: {error}")
    except (KeyboardInterrupt, StopRequested):
        sys.exit(130)
