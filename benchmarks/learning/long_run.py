"""The paper's recipe over many steps, beside instance discrimination.

    python benchmarks/learning/long_run.py arid6 both --steps 20000 --out long

trains both ways on each task, with RGB and flow and rounds of clustering every 5 epochs, on small
clips: a step takes 0.05 s of CPU time. It scores snapshots, random weights, the mean frame and
chance. ``OUT/long.jsonl`` gets the records, each short enough for ``results.jsonl``;
``OUT/learning-long-TASK.svg`` shows R@1, mAP, agreement of clusters with the labels, and the share
of active triplets against steps. Runs that ``OUT/results.jsonl`` has are not repeated.

    python benchmarks/learning/long_run.py arid6 both --records results.jsonl --out docs/images

draws the pictures again from records.
"""

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the package `learning` is

from learning.plots import Line, grid, line_of, plot
from learning.rows import do, identity, read_row, within
from learning.tables import Record, network_of, read_records
from learning.tasks import NAMES, TRAIN, Task, open_task
from slic.runs import read_log

SIZE = (
    "--clip.size=48,--backbone.stem_stride=[2,6,6],--backbone.width=.25,--train.batch_size=16,"
    "--train.precision=bf16"
)
EPOCHS_PER_ROUND = 5  # as in the paper
WAYS = {"slic": "paper's recipe", "instance-finch": "instance discr."}
POINT = (
    500  # steps between points of the clusters, and steps that active triplets are averaged over
)
VIDEOS = ("draw", "videos", "gallery", "queries")
KEPT = ("step", "clusters", "nmi", "ami")  # of the record of a round


def main() -> None:
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.records:
        records = read_records(arguments.records)
    else:
        records = [
            condensed(record, arguments.out)
            for name in arguments.tasks
            for record in _records(arguments, name)
        ]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (arguments.out / "long.jsonl").write_text(lines)
    for name in arguments.tasks:
        picture = draw(name, [record for record in records if record["task"] == name])
        (arguments.out / f"learning-long-{name}.svg").write_text(picture)


def _records(arguments: argparse.Namespace, name: str) -> Iterator[Record]:
    """Yield the records of a task; those that ``results.jsonl`` lacks are made and added."""
    results = arguments.out / "results.jsonl"
    task = open_task(name, "test", data=arguments.data or arguments.out / "tasks")
    for run, seed in _runs(task, arguments.seeds):
        row = read_row(run, seed=seed)
        if row.method in WAYS:
            row = within(
                row, videos=len(task.training), steps=arguments.steps, curve_every=arguments.every
            )
        known = {record["id"]: record for record in read_records([results])}
        record = known.get(identity(row, task)) or do(row, task, arguments.out)
        if record["id"] not in known:
            with results.open("a") as file:
                file.write(json.dumps(record) + "\n")
        yield record


def _runs(task: Task, seeds: int) -> Iterator[tuple[str, int]]:
    """Yield the name and seed of every row of a task; random weights have three seeds."""
    every = round(EPOCHS_PER_ROUND * len(task.training) / TRAIN)  # `within` counts for 400 videos
    size = f"{SIZE},--rounds.every_epochs={every}"
    yield from ((f"{name}:paper-small,{SIZE}", 0) for name in ("chance", "mean-frame"))
    yield from ((f"random:paper-small,{SIZE}", seed) for seed in range(3))
    for seed in range(seeds):
        yield f"paper-small,{size}", seed
        yield f"instance-finch:paper-small,{size}", seed


def condensed(record: Record, out: Path) -> Record:
    """Return a record with fewer rounds, and with the share of active triplets.

    Args:
        record: A record of `learning.rows.do`.
        out: Folder of the run folders.
    """
    if record["method"] not in WAYS:
        return record
    steps = (r for r in read_log(out / record["folder"] / "log.jsonl") if r["kind"] == "step")
    return {**record, "rounds": thinned(record["rounds"]), "active": active_shares(steps)}


def thinned(rounds: Iterable[Record]) -> list[Record]:
    """Return the first round of every ``POINT`` steps, with what a picture shows of it."""
    first: dict[int, Record] = {}
    for record in rounds:
        first.setdefault(record["step"] // POINT, {name: record[name] for name in KEPT})
    return list(first.values())


def active_shares(steps: Iterable[Record]) -> dict[str, float]:
    """Return the mean share of positive pairs with a negative, by the last of ``POINT`` steps.

    Steps at the end that are fewer than ``POINT`` are left out.
    """
    shares: defaultdict[int, list[float]] = defaultdict(list)
    for record in steps:
        shares[-(-record["step"] // POINT) * POINT].append(record["active"])
    return {str(end): round(mean(x), 4) for end, x in shares.items() if len(x) == POINT}


def draw(task: str, records: Sequence[Record]) -> str:
    """Return the four panels of a task; other records than those of the long runs do not count."""
    learnt = [record for record in records if record["method"] in WAYS and "active" in record]
    records = [record for record in records if _comparable(record, learnt[0])]
    panels = {
        "R@1": [*_curves(learnt, ""), *_baselines(records, learnt, "")],
        "mAP": [*_curves(learnt, " mAP"), *_baselines(records, learnt, " mAP")],
        "FINCH clusters and labels": [*_clusters(learnt, "nmi"), *_clusters(learnt, "ami")],
        "active triplets": _lines(learnt, "", lambda record: record["active"]),
    }
    return grid(
        [
            plot(f"{task}: {name}", lines, axis="steps", highest=_highest(lines))
            for name, lines in panels.items()
        ]
    )


def _comparable(record: Record, learnt: Record) -> bool:
    """Return whether a record has the videos of a long run, and where it has one, its network."""
    same_videos = all(record[key] == learnt[key] for key in VIDEOS)
    return same_videos and (
        record["method"] != "random" or network_of(record) == network_of(learnt)
    )


def _curves(learnt: Sequence[Record], score: str) -> Iterator[Line]:
    for protocol, short in (("backbone", "backbone"), ("paper", "head")):
        key = protocol + score
        yield from _lines(
            learnt, f", {short}", lambda r, key=key: {s: c[key] for s, c in r["curve"].items()}
        )


def _clusters(learnt: Sequence[Record], score: str) -> list[Line]:
    return _lines(
        learnt, f", {score.upper()}", lambda r: {one["step"]: one[score] for one in r["rounds"]}
    )


def _lines(learnt: Sequence[Record], suffix: str, points: Any) -> list[Line]:
    """Return one line per way to learn: the mean over seeds of fractions by step, in percent."""
    lines = []
    for way, name in WAYS.items():
        values: defaultdict[int, list[float]] = defaultdict(list)
        for record in learnt:
            if record["method"] == way:
                for step, value in points(record).items():
                    values[int(step)].append(100 * value)
        if values:
            lines.append(line_of(name + suffix, values))
    return lines


def _baselines(records: Sequence[Record], learnt: Sequence[Record], score: str) -> Iterator[Line]:
    """Yield flat lines: random weights (by the backbone), mean frame, and chance where known."""
    last = max(record["steps"] for record in learnt)
    for method, name, key in (
        ("random", "random weights", "backbone"),
        ("mean-frame", "mean frame", "any"),
        ("chance", "chance", "any"),
    ):
        values = [
            100 * record["curve"]["0"][key + score]
            for record in records
            if record["method"] == method and key + score in record["curve"]["0"]
        ]
        if values:
            yield line_of(name, {0: values, last: values})


def _highest(lines: Sequence[Line]) -> int:
    """Return the end of the upright axis: the next multiple of 20 percent, at most 100."""
    return min(100, 20 * math.ceil((max(max(line.y) for line in lines) + 1) / 20))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add: Any = parser.add_argument
    add("tasks", nargs="+", choices=NAMES)
    add("--steps", type=int, default=20_000, help="optimizer steps of every run")
    add("--every", type=int, default=1_000, help="steps between the scores of a run")
    add("--seeds", type=int, default=1, help="number of seeds of the runs")
    add("--data", type=Path, help="folder of the sets; default OUT/tasks")
    add("--records", type=Path, nargs="+", help="only draw the pictures, from these records")
    add("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
