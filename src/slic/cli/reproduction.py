"""The verb that says how to get the paper's numbers, and sets ours beside them."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import Verbs, at_least

if TYPE_CHECKING:
    from slic.evaluation.reproduction import Table

TABLES = ("retrieval", "classification")
RECIPE = "paper-ucf101"


def add_verbs(verbs: Verbs) -> None:
    """Add ``reproduce``."""
    verb = verbs.add_parser(
        "reproduce",
        help="the paper's numbers: commands, cost, and ours beside them",
        description="Prints the commands that lead to a table of the paper, what they cost on this "
        "machine (a few training steps are timed), and the numbers of the runs that are there.",
    )
    verb.set_defaults(verb=reproduce)
    verb.add_argument("table", choices=TABLES)
    verb.add_argument("--ucf101", default="UCF101", help="its folder (default UCF101)")
    verb.add_argument("--hmdb51", default="HMDB51", help="its folder (default HMDB51)")
    verb.add_argument("--runs", type=Path, default=Path("runs"), help="of ours (default runs)")
    verb.add_argument("--seeds", type=at_least(1), default=3, help="how many (default 3)")


def reproduce(arguments: Namespace) -> None:
    """Print commands, cost and comparison of one table."""
    from slic.evaluation.reproduction import as_table, commands, outcomes

    table: Table = arguments.table
    found = outcomes(table, arguments.runs)
    print("## Commands\n\n```")
    roots = {"ucf101": arguments.ucf101, "hmdb51": arguments.hmdb51}
    for line in commands(
        table, roots=roots, runs=str(arguments.runs), seeds=range(arguments.seeds)
    ):
        print(line)
    print("```\n\n## Cost\n")
    _print_cost(table, seeds=arguments.seeds)
    print("\n## Published and ours, percent\n")
    header = ("", "published", "ours", "seeds", "protocol")
    print(as_table([outcome.cells() for outcome in found], header))


def _print_cost(table: "Table", *, seeds: int) -> None:
    """Print clips, operations and hours of every stage, and the disk."""
    from slic.evaluation.cost import SETS, estimate, flow_note, stages
    from slic.evaluation.reproduction import as_table
    from slic.pretraining.parts import new_encoder
    from slic.recipe import load_recipe

    recipe = load_recipe(RECIPE)
    costs = estimate(new_encoder(recipe), bf16=recipe.train.precision == "bf16")
    print(costs.about(recipe), end="\n\n")
    header = ("stage", "clips trained", "clips embedded", "10^15 operations", "hours", "all seeds")
    there = SETS["ucf101"]
    print(flow_note(recipe, there.train + there.test, there.frames), end="\n\n")
    print(as_table([costs.cells(s, seeds=seeds) for s in stages(table, recipe)], header))
