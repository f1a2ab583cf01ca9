"""Tables and plots from the results of the learning bench.

    python benchmarks/learning/tables.py results/results.jsonl [MORE ...] --out results

prints Markdown tables of R@1 and mAP, mean and standard deviation over seeds, in percent, in
brackets how many seeds; docs/results.md has the same numbers, its rows named in words. What random
weights reach is a row of its own for each network. ``OUT`` gets plots of each against steps
(``test-TASK-mAP-steps.svg``) and against the number of videos (``test-TASK-mAP-videos.svg``).
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal, NamedTuple, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the package `learning` is

from learning.plots import Line, plot
from learning.scoring import MAP
from slic.errors import SlicError
from slic.recipe import Recipe

Record = Mapping[str, Any]
Score = Literal["R@1", "mAP"]
SCORES: tuple[Score, ...] = get_args(Score)
PROTOCOL = "backbone"  # that the plots show


class Way(NamedTuple):
    """A row of a table: what was done, at which budget."""

    run: str
    steps: int  # asked for; 0 for what does not learn
    recipe: str  # a digest: a name may have meant another recipe when another record was made

    def name(self, among: Collection["Way"]) -> str:
        """Return its name, with the recipe's digest where the others have one of that name."""
        short = f"{self.run}, {self.steps} steps" if self.steps else self.run
        same = [way for way in among if way[:2] == self[:2]]
        return f"{short} [{self.recipe}]" if len(same) > 1 else short


def way_of(record: Record) -> Way:
    """Return the row that a record belongs to: all seeds, tasks and numbers of videos in one."""
    if "any" in _last(record):  # no clip and no network comes into it
        return Way(record["run"], 0, "")
    recipe = {  # a setting younger than the record had its default value then
        part: default | record["recipe"][part]
        if isinstance(default, dict)
        else record["recipe"][part]
        for part, default in asdict(Recipe()).items()
    }
    for key in ("seed", "epochs", "snapshot_every_epochs", "workers", "precision"):
        recipe["train"].pop(key)  # `precision: auto` is what the machine has
    recipe["clustering"].pop("every_epochs")
    if (version := record.get("version", 1)) > 1:
        recipe["version"] = version
    digest = sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:4]
    return Way(record["run"], record["asked_steps"], digest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="folder for plots")
    arguments = parser.parse_args()
    try:
        records = read_records(arguments.results)
    except SlicError as error:
        sys.exit(f"tables: {error}")
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
    for draw in dict.fromkeys(record["draw"] for record in records):
        of_draw = [record for record in records if record["draw"] == draw]
        tasks = list(dict.fromkeys(record["task"] for record in of_draw))
        print(f"\n## {draw}\n")
        for score in SCORES:
            print("\n".join([*table(of_draw, tasks=tasks, draw=draw, score=score), ""]))
        for task in tasks:
            for score in SCORES:
                if lines := _against_videos(of_draw, task, score):
                    print("\n".join([*lines, ""]))
                if arguments.out:
                    _write_plots(of_draw, task, score, arguments.out / f"{draw}-{task}")


def read_records(files: Iterable[Path]) -> list[Record]:
    """Return the records of files of JSON lines, each once; a file that is not there has none.

    Raises:
        SlicError: Two records of one row that found different things: of before and after the
            code changed.
    """
    records: dict[str, Record] = {}
    for file in files:
        for line in file.read_text().splitlines() if file.exists() else ():
            record = json.loads(line)
            same = records.setdefault(record["id"], record)
            if same["curve"] != record["curve"]:
                raise SlicError(
                    f"{file}: {record['run']} on {record['task']}, seed {record['seed']}, has "
                    f"another result at revision {record['revision']} than at {same['revision']}. "
                    "Give these files one at a time."
                )
    return list(records.values())


def table(
    records: Sequence[Record], *, tasks: Sequence[str], draw: str, score: Score = "R@1"
) -> Iterator[str]:
    """Give the lines of a table: a row for each way to learn, a column for each task.

    mAP is of the records that have it: the older ones do not.
    """
    shown = [
        r for r in records
        if r["draw"] == draw and r["asked_videos"] is None and _values(_last(r), score)
    ]  # fmt: skip
    by_way = _starts(shown) | _grouped(shown, way_of)
    yield " | ".join([f"| {score}", *tasks, "clips", "GFLOP", "CPU-min |"])
    yield "|" + "---|" * (len(tasks) + 4)
    for way, of_way in by_way.items():
        cells = [_cell([r for r in of_way if r["task"] == task], score) for task in tasks]
        cost = [_mean_of(of_way, key) for key in ("clips_trained", "gflop")]
        minutes = mean(record.get("cpu_seconds", 0) for record in of_way) / 60
        cost.append(f"{minutes:.1f}" if way.steps else "")
        yield " | ".join([f"| {way.name(by_way)}", *cells, *cost]) + " |"


def _starts(records: Iterable[Record]) -> dict[Way, list[Record]]:
    """Return what random weights reached, of each network under the name of its first way."""
    begun = [r for r in records if r["asked_steps"] and "0" in r["curve"]]
    starts: dict[Way, list[Record]] = {}
    for same in _grouped(begun, _network).values():
        first = way_of(same[0])
        once = {
            (r["task"], r["seed"]): {
                "task": r["task"], "seed": r["seed"], "curve": {"0": r["curve"]["0"]}
            }
            for r in same
        }  # fmt: skip
        starts[Way(f"random weights of {first.run}", 0, first.recipe)] = list(once.values())
    return starts


def _network(record: Record) -> str:
    return json.dumps([record["recipe"][part] for part in ("clip", "encoder")], sort_keys=True)


def spread(values: Sequence[float]) -> str:
    """Return shares as percent, mean and standard deviation."""
    percent = [100 * value for value in values]
    return f"{mean(percent):.1f}" + (f" ± {stdev(percent):.1f}" if len(percent) > 1 else "")


def _cell(records: Sequence[Record], score: Score = "R@1") -> str:
    """Return what a way reached on a task, by each protocol, and with how many seeds."""
    if not records:
        return ""
    last = [_values(_last(record), score) for record in records]
    values = {name: spread([scores[name] for scores in last]) for name in last[0]}
    if list(values) == ["any"]:
        return values["any"]
    if set(values) == {"backbone", "paper"}:
        return f"{values['backbone']} / {values['paper']} ({len(records)})"
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _values(scores: Mapping[str, float], score: Score) -> Mapping[str, float]:
    """Return the values of one score by protocol."""
    if score == "mAP":
        return {k.removesuffix(MAP): v for k, v in scores.items() if k.endswith(MAP)}
    return {k: v for k, v in scores.items() if not k.endswith(MAP)}


def _last(record: Record) -> Mapping[str, float]:
    curve: Mapping[str, Mapping[str, float]] = record["curve"]
    return curve[max(curve, key=int)]


def _mean_of(records: Sequence[Record], key: str) -> str:
    values = [record[key] for record in records if key in record]
    return f"{mean(values):,.0f}" if values else ""


def _grouped(records: Iterable[Record], key: Any) -> dict[Any, list[Record]]:
    groups: defaultdict[Any, list[Record]] = defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    return dict(groups)


def _against_videos(records: Sequence[Record], task: str, score: Score) -> list[str]:
    """Return a table by the number of training videos, if there are such runs."""
    asked = [
        r for r in records
        if r["task"] == task and r["asked_videos"] is not None and _values(_last(r), score)
    ]  # fmt: skip
    if not asked:
        return []
    by_way = _grouped(asked, way_of)
    counts = sorted({record["videos"] for record in asked})
    lines = [f"| {task}, {score}, videos | " + " | ".join(map(str, counts)) + " |"]
    lines.append("|" + "---|" * (len(counts) + 1))
    for way, of_way in by_way.items():
        cells = [_cell([r for r in of_way if r["videos"] == count], score) for count in counts]
        lines.append(f"| {way.name(by_way)} | " + " | ".join(cells) + " |")
    return lines


def _write_plots(records: Sequence[Record], task: str, score: Score, name: Path) -> None:
    protocol = PROTOCOL + (MAP if score == "mAP" else "")
    of_task = [r for r in records if r["task"] == task and protocol in _last(r)]
    learnt = [r for r in of_task if r["asked_steps"]]
    whole = _grouped([r for r in learnt if r["asked_videos"] is None], way_of)
    asked = _grouped([r for r in learnt if r["asked_videos"] is not None], way_of)
    curves = [
        _line(
            way.name(whole), [(int(s), c[protocol]) for r in of_way for s, c in r["curve"].items()]
        )
        for way, of_way in whole.items()
        if any(len(r["curve"]) > 1 for r in of_way)
    ]
    sizes = [
        _line(way.name(asked), [(r["videos"], _last(r)[protocol]) for r in of_way])
        for way, of_way in asked.items()
    ]
    for lines, axis, logarithmic in ((curves, "steps", False), (sizes, "videos", True)):
        if lines:
            title = f"{task}: {score}, {PROTOCOL}"
            picture = plot(title, lines, axis=axis, logarithmic=logarithmic)
            name.with_name(f"{name.name}-{score.replace('@', '')}-{axis}.svg").write_text(picture)


def _line(name: str, points: Sequence[tuple[int, float]]) -> Line:
    """Return mean and standard deviation, in percent, at every place."""
    values: defaultdict[int, list[float]] = defaultdict(list)
    for x, y in points:
        values[x].append(100 * y)
    xs = sorted(values)
    return Line(
        name=name,
        x=xs,
        y=[mean(values[x]) for x in xs],
        spread=[stdev(values[x]) if len(values[x]) > 1 else 0.0 for x in xs],
    )


if __name__ == "__main__":
    main()
