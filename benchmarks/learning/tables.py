"""Tables and plots from the results of the learning bench.

    python benchmarks/learning/tables.py results/results.jsonl [MORE ...] --out results

prints Markdown tables of R@1 and mAP in percent: mean and standard deviation over seeds, and the
number of seeds in brackets. docs/results.md has the same numbers. Random weights have one row per
network. ``OUT`` gets plots of each against steps
(``test-TASK-mAP-steps.svg``) and against the number of videos (``test-TASK-mAP-videos.svg``).
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal, NamedTuple, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the package `learning` is

from learning.plots import Line, line_of, plot
from learning.scoring import MAP
from slic.errors import SlicError

Record = Mapping[str, Any]
Score = Literal["R@1", "mAP"]
SCORES: tuple[Score, ...] = get_args(Score)
PROTOCOL = "backbone"  # shown in the plots


class TableRow(NamedTuple):
    """A row of a table: what was run, with how many steps."""

    run: str
    steps: int  # asked for; 0 without learning
    recipe: str  # a digest, because a recipe may change under its name

    def name(self, among: Collection["TableRow"]) -> str:
        """Return the row's name, with the recipe digest if another row has the same name."""
        short = f"{self.run}, {self.steps} steps" if self.steps else self.run
        same = [row for row in among if row[:2] == self[:2]]
        return f"{short} [{self.recipe}]" if len(same) > 1 else short


def row_of(record: Record) -> TableRow:
    """Return the row of a record. Seeds, tasks and numbers of videos share one row."""
    if "any" in _last(record):  # needs neither clips nor a network
        return TableRow(record["run"], 0, "")
    recipe = json.loads(json.dumps(record["recipe"]))
    for key in ("seed", "epochs", "steps", "snapshot_every_epochs", "workers", "precision"):
        recipe["train"].pop(key, None)  # `precision: auto` depends on the machine
    for section in ("rounds", "clustering"):  # the second in records before recipes named parts
        recipe.get(section, {}).pop("every_epochs", None)
    digest = sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:4]
    return TableRow(record["run"], record["asked_steps"], digest)


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
    """Return the records of JSON-lines files without duplicates. A missing file has none.

    Raises:
        SlicError: Two records of one row differ, as when the code has changed in between.
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
    """Yield the lines of a table with one row per method and one column per task."""
    shown = [
        r for r in records
        if r["draw"] == draw and r["asked_videos"] is None and _values(_last(r), score)
    ]  # fmt: skip
    by_row = _starts(shown) | _grouped(shown, row_of)
    yield " | ".join([f"| {score}", *tasks, "clips", "GFLOP", "CPU-min |"])
    yield "|" + "---|" * (len(tasks) + 4)
    for row, of_row in by_row.items():
        cells = [_cell([r for r in of_row if r["task"] == task], score) for task in tasks]
        cost = [_mean_of(of_row, key) for key in ("clips_trained", "gflop")]
        minutes = mean(record.get("cpu_seconds", 0) for record in of_row) / 60
        cost.append(f"{minutes:.1f}" if row.steps else "")
        yield " | ".join([f"| {row.name(by_row)}", *cells, *cost]) + " |"


def _starts(records: Iterable[Record]) -> dict[TableRow, list[Record]]:
    """Return the scores of random weights, once per network, named after its first row."""
    begun = [r for r in records if r["asked_steps"] and "0" in r["curve"]]
    starts: dict[TableRow, list[Record]] = {}
    for same in _grouped(begun, network_of).values():
        first = row_of(same[0])
        once = {
            (r["task"], r["seed"]): {
                "task": r["task"], "seed": r["seed"], "curve": {"0": r["curve"]["0"]}
            }
            for r in same
        }  # fmt: skip
        starts[TableRow(f"random weights of {first.run}", 0, first.recipe)] = list(once.values())
    return starts


def network_of(record: Record) -> str:
    """Return the clips and the network of a record, for comparison."""
    parts = ("clip", "backbone", "head", "encoder")
    return json.dumps([record["recipe"].get(part) for part in parts], sort_keys=True)


def spread(values: Sequence[float]) -> str:
    """Format the mean and standard deviation of fractions in percent."""
    percent = [100 * value for value in values]
    return f"{mean(percent):.1f}" + (f" ± {stdev(percent):.1f}" if len(percent) > 1 else "")


def _cell(records: Sequence[Record], score: Score = "R@1") -> str:
    """Format the scores on one task by protocol, with the number of seeds."""
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
    """Return a table by the number of training videos, or no lines without such runs."""
    asked = [
        r for r in records
        if r["task"] == task and r["asked_videos"] is not None and _values(_last(r), score)
    ]  # fmt: skip
    if not asked:
        return []
    by_row = _grouped(asked, row_of)
    counts = sorted({record["videos"] for record in asked})
    lines = [f"| {task}, {score}, videos | " + " | ".join(map(str, counts)) + " |"]
    lines.append("|" + "---|" * (len(counts) + 1))
    for row, of_row in by_row.items():
        cells = [_cell([r for r in of_row if r["videos"] == count], score) for count in counts]
        lines.append(f"| {row.name(by_row)} | " + " | ".join(cells) + " |")
    return lines


def _write_plots(records: Sequence[Record], task: str, score: Score, name: Path) -> None:
    protocol = PROTOCOL + (MAP if score == "mAP" else "")
    of_task = [r for r in records if r["task"] == task and protocol in _last(r)]
    learnt = [r for r in of_task if r["asked_steps"]]
    whole = _grouped([r for r in learnt if r["asked_videos"] is None], row_of)
    asked = _grouped([r for r in learnt if r["asked_videos"] is not None], row_of)
    curves = [
        _line(
            row.name(whole), [(int(s), c[protocol]) for r in of_row for s, c in r["curve"].items()]
        )
        for row, of_row in whole.items()
        if any(len(r["curve"]) > 1 for r in of_row)
    ]
    sizes = [
        _line(row.name(asked), [(r["videos"], _last(r)[protocol]) for r in of_row])
        for row, of_row in asked.items()
    ]
    for lines, axis, logarithmic in ((curves, "steps", False), (sizes, "videos", True)):
        if lines:
            title = f"{task}: {score}, {PROTOCOL}"
            picture = plot(title, lines, axis=axis, logarithmic=logarithmic)
            name.with_name(f"{name.name}-{score.replace('@', '')}-{axis}.svg").write_text(picture)


def _line(name: str, points: Sequence[tuple[int, float]]) -> Line:
    """Return mean and standard deviation in percent at every x."""
    values: defaultdict[int, list[float]] = defaultdict(list)
    for x, y in points:
        values[x].append(100 * y)
    return line_of(name, values)


if __name__ == "__main__":
    main()
