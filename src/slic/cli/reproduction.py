"""``slic reproduce``: commands and cost of the paper's numbers, and ours beside them."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

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
        description="Print the commands for a table of the paper, their cost on this machine (a "
        "few training steps are timed), and the numbers of the finished runs.",
    )
    verb.add_argument("table", choices=TABLE_NAMES)
    for name in ("UCF101", "HMDB51", "Kinetics400"):
        text = f"folder of {name} (default: {name})"
        verb.add_argument(f"--{name.lower()}", default=name, metavar="DIR", help=text)
    text = "folder of the runs (default: runs)"
    verb.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help=text)
    verb.add_count("--seeds", "number of seeds", default=3)


def reproduce(arguments: Namespace) -> None:
    """Print commands, cost and results of one table."""
    from slic.evaluation import reproduction

    table, runs, seeds = arguments.table, arguments.runs, range(arguments.seeds)
    rows = reproduction.reproduced_rows(table, runs)
    names = ("ucf101", "hmdb51", "kinetics400")
    roots = {name: getattr(arguments, name) for name in names}
    commands = reproduction.reproduction_commands(table, roots=roots, runs=str(runs), seeds=seeds)
    print("## Commands\n\n```", *commands, "```\n\n## Cost\n", sep="\n")
    _print_cost(table, seeds=arguments.seeds)
    print("\n## Published and ours, percent\n")
    header = ("", "published", "ours", "seeds", "protocol")
    print(reproduction.markdown_table(rows, header))


def _print_cost(table: "PaperTable", *, seeds: int) -> None:
    """Print clips, operations and hours of every stage, and the cost of stored flow."""
    from slic.evaluation import cost
    from slic.evaluation.reproduction import PRETRAINING_SETS, markdown_table
    from slic.pretraining.build import build_encoder
    from slic.recipe import load_recipe

    on = PRETRAINING_SETS[table]
    recipe, size = load_recipe(on.recipe), cost.BENCHMARK_SIZES[on.dataset]
    pass_cost = cost.measure_pass_cost(build_encoder(recipe), bf16=recipe.train.precision == "bf16")
    print(pass_cost.describe(recipe), end="\n\n")
    videos = size.train + size.test
    print(cost.describe_flow_cost(recipe, videos=videos, frames=size.frames), end="\n\n")
    header = ("stage", "clips trained", "clips embedded", "10^15 operations", "hours", "all seeds")
    stages = cost.experiment_stages(table, recipe)
    print(markdown_table([pass_cost.table_row(stage, seeds=seeds) for stage in stages], header))
