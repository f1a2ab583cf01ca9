"""``slic reproduce``: commands and cost of the paper's numbers, and ours beside them."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.output import print_result
from slic.cli.parser import Verbs, add_verb

if TYPE_CHECKING:
    from slic.evaluation.reproduction import PaperTable

TABLE_NAMES = ("retrieval", "classification", "kinetics")


def add_verbs(verbs: Verbs) -> None:
    """Add ``reproduce``."""
    verb = add_verb(
        verbs,
        "reproduce",
        reproduce,
        "commands, cost and results for the numbers of the paper",
        description="Print the commands for a table of the paper, their cost on this machine, and "
        "the numbers of the finished runs. The cost follows from a few timed training steps.",
    )
    verb.add_argument("table", choices=TABLE_NAMES, help="table of the paper")
    for name in ("UCF101", "HMDB51", "Kinetics400"):
        text = f"folder of {name} (default: {name})"
        verb.add_argument(f"--{name.lower()}", default=name, metavar="DIR", help=text)
    text = "folder of the runs (default: runs)"
    verb.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help=text)
    verb.add_count("--seeds", "number of seeds", default=3)
    verb.add_json()


def reproduce(arguments: Namespace) -> None:
    """Print commands, cost and results of one table."""
    from slic.evaluation import reproduction
    from slic.evaluation.deviations import deviations

    table, runs, seeds = arguments.table, arguments.runs, range(arguments.seeds)
    rows = reproduction.reproduced_rows(table, runs)
    otherwise = deviations(table, runs)
    marked = [_with_mark(row) if row[0] in otherwise else row for row in rows]
    notes = list(dict.fromkeys(line for lines in otherwise.values() for line in lines))
    names = ("ucf101", "hmdb51", "kinetics400")
    roots = {name: getattr(arguments, name) for name in names}
    commands = reproduction.reproduction_commands(table, roots=roots, runs=str(runs), seeds=seeds)
    about, header, stages = _cost(table, seeds=arguments.seeds)
    titles = ("number", "published", "ours", "seeds", "protocol")
    document = {
        "commands": commands,
        "about_the_cost": about,
        "cost": [dict(zip(header, stage, strict=True)) for stage in stages],
        "numbers": [dict(zip(titles, row, strict=True)) for row in rows],
        "not_as_in_the_paper": notes,
    }
    print_result(
        arguments,
        document,
        "## Commands\n\n```", *commands, "```\n\n## Cost\n",
        *(f"{paragraph}\n" for paragraph in about),
        reproduction.markdown_table(stages, header),
        "\n## Published and ours, percent\n",
        reproduction.markdown_table(marked, ("", *titles[1:])),
        *(["\n(*) Not comparable with the published number:", *notes] if notes else []),
    )  # fmt: skip


def _with_mark(row: tuple[str, ...]) -> tuple[str, ...]:
    """Mark our number of a row that a note below the table explains."""
    name, published, ours, *rest = row
    return (name, published, f"{ours} (*)", *rest)


def _cost(
    table: "PaperTable", *, seeds: int
) -> tuple[list[str], tuple[str, ...], list[tuple[str, ...]]]:
    """Return how cost was measured, and the table of the stages: its header and its rows."""
    from slic.evaluation import cost
    from slic.evaluation.reproduction import PRETRAINING_SETS
    from slic.pretraining.build import build_encoder
    from slic.recipe import load_recipe

    on = PRETRAINING_SETS[table]
    print("slic: timing the network of the paper on this machine", file=sys.stderr)
    load = cost.describe_load()
    recipe, size = load_recipe(on.recipe), cost.BENCHMARK_SIZES[on.dataset]
    pass_cost = cost.measure_pass_cost(build_encoder(recipe), bf16=recipe.train.precision == "bf16")
    videos = size.train + size.test
    flow = cost.describe_flow_cost(recipe, videos=videos, frames=size.frames)
    header = ("stage", "clips trained", "clips embedded", "10^15 operations", "hours", "all seeds")
    stages = cost.experiment_stages(table, recipe)
    rows = [pass_cost.table_row(stage, seeds=seeds) for stage in stages]
    return [pass_cost.describe(recipe), flow, *load], header, rows
