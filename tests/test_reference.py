"""The written reference of commands and settings is current, and its examples are understood."""

import importlib.util
import pkgutil
import re
import shlex
from argparse import _SubParsersAction
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import slic
import slic.errors
from slic.cli import build_parser
from slic.cli.evaluation import build_clusters_parser
from slic.cli.examples import EXAMPLES
from slic.cli.parser import CommandParser
from slic.cli.protocols import build_protocol_parser
from slic.cli.retrieval import build_retrieval_parser
from slic.evaluation import PROTOCOLS
from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS
from slic.recipe import PARTS, Recipe, default_recipe, load_recipe, settings_of

SCRIPT = Path(__file__).parents[1] / "docs" / "make_reference.py"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_what_the_script_writes(reference: ModuleType) -> None:
    for name, text in reference.pages().items():
        assert (reference.FOLDER / name).read_text("utf-8") == text, f"{name}: run {SCRIPT}"


def test_the_api_page_has_every_public_name(reference: ModuleType) -> None:
    names = re.findall(
        r"^::: (\S+)", (reference.FOLDER / "api.md").read_text("utf-8"), re.MULTILINE
    )
    documented = [pkgutil.resolve_name(name) for name in names]
    missing = [name for name in slic.__all__ if getattr(slic, name) not in documented]
    assert missing == ["SlicError"]  # in `slic.errors`, which is documented whole
    assert slic.errors in documented


def evaluation_parser(name: str) -> CommandParser:
    if name == "clusters":
        return build_clusters_parser()
    if name == "retrieval":
        return build_retrieval_parser(name)
    return build_protocol_parser(name, PROTOCOLS[name])


def verbs(parser: CommandParser) -> Iterator[CommandParser]:
    """Yield every parser that does something."""
    groups = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    if parser.get_default("verb"):
        yield parser
    for verb in (verb for group in groups for verb in group.choices.values()):
        yield from verbs(verb)


def test_every_verb_has_an_example_and_every_option_a_meaning() -> None:
    protocols = [name for name in PROTOCOLS if name not in RETRIEVAL_PROTOCOLS]
    names = ["clusters", "retrieval", *protocols]
    parsers = [*verbs(build_parser()), *map(evaluation_parser, names)]
    wanted = {parser.prog for parser in parsers}
    assert (wanted - EXAMPLES.keys(), EXAMPLES.keys() - wanted) == (set(), set()), "examples.py"
    missing = [
        f"{parser.prog} {action.dest}"
        for parser in parsers
        for action in parser._actions
        if not action.help and not isinstance(action, _SubParsersAction)
    ]
    assert missing == []


@pytest.mark.parametrize("example", [one for examples in EXAMPLES.values() for one in examples])
def test_an_example_is_understood(example: str) -> None:
    words = shlex.split(example)[1:]
    arguments, settings = build_parser().parse_known_args(words)
    if words[0] == "evaluate":
        _, settings = evaluation_parser(arguments.name).parse_known_args(arguments.words)
    if words[0] in ("pretrain", "prepare") or settings:
        load_recipe(getattr(arguments, "recipe", None) or default_recipe(settings), settings)


def test_every_setting_has_a_row_with_both_recipes(reference: ModuleType) -> None:
    lines = [line for line in reference.recipe_page().splitlines() if line.startswith("| `")]
    cells = [[cell.strip(" *`") for cell in line.strip("| ").split(" | ")] for line in lines]
    rows = {key: values for key, *values in cells}
    for section in Recipe().to_dict():
        for name in PARTS.get(section, ()):
            assert {f"{section}.{key}" for key in settings_of(section, name) or ()} <= rows.keys()
    for name, column in (("two-stream", 2), ("paper-ucf101", 3)):
        recipe = load_recipe(name)
        assert rows["train.epochs"][column] == {"two-stream": "null", "paper-ucf101": "600"}[name]
        assert rows["loss.name"][column] == recipe.loss.name
        assert rows["clip.size"][column] == str(recipe.clip.size)
    assert rows["train.batch_size"][0] == "whole number; at least 2"
    assert rows["loss.margin"][2] == reference.MISSING
