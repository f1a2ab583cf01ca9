"""Write docs/reference/command.md and recipe.md from the parsers and constructors of the package.

Run it after a verb, an option, a setting or a default has changed; a test says when.
"""

import inspect
import itertools
import re
from argparse import SUPPRESS, Action, _HelpAction, _SubParsersAction, _VersionAction
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch

from slic.callbacks import CALLBACKS
from slic.cli import build_parser
from slic.cli.evaluation import build_clusters_parser
from slic.cli.examples import EXAMPLES
from slic.cli.parser import CommandParser
from slic.cli.protocols import build_protocol_parser
from slic.cli.retrieval import build_retrieval_parser
from slic.cli.settings_help import argument_meanings, as_yaml, docstring_summary
from slic.errors import RecipeError
from slic.evaluation import PROTOCOLS
from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS
from slic.models.backbones import find_backbone
from slic.recipe import PARTS, Recipe, find_part, load_recipe, settings_of

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/make_reference.py. Do not edit this page. -->"
MISSING = "\N{EN DASH}"
"""Stands where a value does not exist."""

COMMAND_START = """# The command

`slic VERB --help` prints the same. Words in capitals are yours.

| exit code | meaning |
|---|---|
| 0 | The verb has done its work. |
| 1 | An error that you can fix: one line on stderr names the file, the value and the way out. |
| 2 | Wrong usage: an unknown option, or options that exclude each other. |
| 130 | Ctrl-C. What was done so far is kept where the verb can continue. |

Results go to stdout. Progress, warnings and errors go to stderr.
[Errors and what to do](errors.md) explains them.
"""

RECIPE_START = """# The settings of a recipe

A recipe says everything about a pretraining run. `slic pretrain --recipe` takes a name or a file,
and options change single settings: `--train.epochs=100`. `--print_config` prints the result.

- *Default* is the value where a recipe says nothing. It is not the value of `two-stream`.
- `two-stream` is the recipe of a run that names none.
- `paper-ucf101` has the settings of the paper for UCF101.
- Values of the two are **bold** where they differ.
- An en dash means that the recipe has another part, which lacks this setting.

`adapt`, `motion`, `paper-small`, `paper-ucf101-rgb` and `paper-kinetics400` are the other recipes.
"""


def main() -> None:
    """Write both pages."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {"command.md": command_page(), "recipe.md": recipe_page()}


def command_page() -> str:
    """Return the page of all verbs."""
    sections = (line for parser in walk(build_parser()) for line in verb_section(parser))
    return "\n".join([COMMAND_START, NOTE, *sections, ""])


def walk(parser: CommandParser) -> Iterator[CommandParser]:
    """Yield the parsers of all verbs below a parser, in the order of its help."""
    for group in parser._actions:
        if isinstance(group, _SubParsersAction):
            summaries = {choice.dest: choice.help for choice in group._choices_actions}
            for name, verb in group.choices.items():
                verb.description = verb.description or sentence(summaries[name])
                yield verb
                yield from evaluation_parsers() if name == "evaluate" else walk(verb)


def evaluation_parsers() -> Iterator[CommandParser]:
    """Yield the parsers of ``slic evaluate NAME``."""
    yield build_clusters_parser()
    yield build_retrieval_parser("retrieval")
    for name, part in PROTOCOLS.items():
        if name not in RETRIEVAL_PROTOCOLS:
            yield build_protocol_parser(name, part)


def verb_section(parser: CommandParser) -> Iterator[str]:
    """Yield the lines of one verb."""
    if parser.get_default("verb") is None and not parser.prog.startswith("slic evaluate"):
        return  # a group of verbs, each of which has a section
    actions = [a for a in parser._actions if not isinstance(a, _HelpAction | _VersionAction)]
    actions = [a for a in actions if not isinstance(a, _SubParsersAction)]
    summary = (parser.description or "").split("\n\n")[0]
    usage = " ".join([parser.prog, *usage_words(parser, actions)])
    yield from ("", f"## {parser.prog}", "", sentence(" ".join(summary.split())), "")
    yield from ("```text", usage, "```")
    if actions:
        yield from ("", "| argument | meaning | default |", "|---|---|---|")
        yield from (argument_row(action) for action in actions)
    if found := EXAMPLES.get(parser.prog):
        yield from ("", "Examples:", "", "```text", *found, "```")
    if parser.prog == "slic evaluate":
        names = ", ".join(f"`{name}`" for name in RETRIEVAL_PROTOCOLS)
        yield from ("", f"The protocols {names} take the options of `slic evaluate retrieval`.")


def sentence(text: str | None) -> str:
    """Return a text with a capital letter and a full stop."""
    text = (text or "").strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", ":")) else ".")


def usage_words(parser: CommandParser, actions: list[Action]) -> Iterator[str]:
    """Yield the arguments of a usage line; of those that exclude each other, one is needed."""
    groups = [group._group_actions for group in parser._mutually_exclusive_groups]
    for action in actions:
        group = next((group for group in groups if action in group), [action])
        if action is group[0]:
            words = " | ".join(word_of(one) for one in group)
            yield words if len(group) == 1 else f"({words.replace('[', '').replace(']', '')})"


def word_of(action: Action) -> str:
    """Return an argument as the usage line shows it."""
    if not action.option_strings:
        name = value_of(action)
        form = {"?": "[{}]", "*": "[{} ...]", "+": "{} [{} ...]"}.get(str(action.nargs), "{}")
        return form.format(name, name)
    value = "" if action.nargs == 0 else f" {value_of(action)}"
    value += " ..." if action.nargs == "+" else ""
    word = f"{action.option_strings[0]}{value}"
    return word if action.required else f"[{word}]"


def value_of(action: Action) -> str:
    """Return what stands for the value of an argument."""
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def argument_row(action: Action) -> str:
    """Return an argument as a row of a table."""
    names = ", ".join(action.option_strings) or value_of(action)
    value = f" {value_of(action)}" if action.option_strings and action.nargs != 0 else ""
    text = " ".join((action.help or "").replace("%%", "%").split())
    found = re.search(r" \(default:? (.+?)\)", text)
    default = found[1] if found else shown_default(action)
    text = text.replace(found[0], "") if found else text
    return f"| `{names}{value}` | {cell(sentence(text) if text else '')} | {cell(default)} |"


def shown_default(action: Action) -> str:
    """Return the default of an argument whose help does not say it."""
    if action.required and action.option_strings:
        return "required"
    none = action.default in (None, SUPPRESS, [], False)
    return MISSING if none else str(action.default)


def cell(text: str) -> str:
    """Return a text that cannot end a cell of a table."""
    return text.replace("|", "\\|")


@dataclass
class Row:
    """A setting: its key, type with range, default, the part that has it, and its meaning."""

    key: str
    type: str
    default: str
    part: str | None
    meaning: str


def recipe_page() -> str:
    """Return the page of all settings."""
    sections = (line for field in fields(Recipe) for line in recipe_section(field.name))
    return "\n".join([RECIPE_START, NOTE, *sections, ""])


def recipe_section(section: str) -> Iterator[str]:
    """Yield the lines of a section of a recipe."""
    meaning = argument_meanings(Recipe, markdown=True)[section]
    yield from ("", f"## {section}", "", meaning)
    default = getattr(Recipe(), section)
    if section == "compat":
        row = Row("compat", "`none` or `official`", "none", None, "See above.")
        yield from table([row])
    elif section == "callbacks":
        yield from (
            "",
            "A list of mappings, each with a `name` and arguments: no setting of its own.",
        )
        yield from part_tables(section, CALLBACKS)
    elif section in PARTS:
        row = Row(
            f"{section}.name", "a name below, or an import path", default.name, None, "Which part."
        )
        yield from table([row])
        yield from part_tables(section, PARTS[section])
    else:
        options = type(default)
        yield from table([*rows(section, options, options, settings_of(section) or [])])


def part_tables(section: str, names: Any) -> Iterator[str]:
    """Yield what each part of a section is, and its settings."""
    groups: dict[Any, list[str]] = {}
    for name in names:
        groups.setdefault(find_part(section, name)[0], []).append(name)
    for part, same in groups.items():
        listed = ", ".join(f"`{name}`" for name in same)
        yield from ("", f"### {listed}", "", docstring_summary(part))
        keys = settings_of(section, same[0]) or []
        if keys:
            yield from table([*rows(section, part, builder(section, same[0]), keys, same[0])])


def builder(section: str, name: str) -> Callable[..., Any]:
    """Return a function that builds a part from its settings, to learn which it refuses."""
    part = find_part(section, name)[0]
    if section == "optimizer":
        return lambda **settings: part([torch.nn.Parameter(torch.zeros(1))], **settings)
    if section != "backbone":
        return part
    entry = find_backbone(name)

    def build(**settings: Any) -> Any:
        with torch.device("meta"):  # without memory for the weights
            return entry.build(clip=entry.native_clip(), **{**entry.fixed, **settings})

    return build


def rows(
    section: str,
    part: Callable[..., Any],
    build: Callable[..., Any],
    keys: list[str],
    name: str | None = None,
) -> Iterator[Row]:
    """Yield the settings of a part."""
    meanings, parameters = (
        argument_meanings(part, markdown=True),
        inspect.signature(part).parameters,
    )
    hints = get_type_hints(part.__init__ if isinstance(part, type) else part)
    for key in keys:
        default = parameters[key].default
        limits = "; ".join(refusals(build, key, hints[key]))
        kind = type_words(hints[key]) + (f"; {limits}" if limits else "")
        meaning = re.sub(r"\bNone\b", "`null`", meanings.get(key, ""))
        yield Row(f"{section}.{key}", kind, as_yaml(default), name, meaning)


def refusals(build: Callable[..., Any], key: str, hint: Any) -> list[str]:
    """Return the rules that a number breaks when it is far too small or too large."""
    found = list[str]()
    numbers = {int, float} & {hint, *get_args(hint)}
    for value, kind in itertools.product((-(10**6), 10**6), numbers):
        try:
            build(**{key: kind(value)})
        except RecipeError as error:
            rule = re.search(rf"^{key} is .*must be ([^:]*?)(?:, or null|: .*)?\.$", str(error))
            if rule and rule[1] not in found:
                found.append(rule[1])
        except (TypeError, ValueError, RuntimeError):  # it needs other arguments as well
            continue
    return found


def type_words(hint: Any) -> str:
    """Return a type in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        words = [type_words(kind) for kind in inner if kind is not NoneType]
        return " or ".join([*words, "null"] if NoneType in inner else words)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in inner)
    if origin is tuple:
        kind = type_words(inner[0])
        return f"list of {kind}" if Ellipsis in inner else f"{len(inner)} {kind}s"
    return {int: "whole number", float: "number", bool: "true or false", str: "text"}.get(
        hint, "path"
    )


def table(found: list[Row]) -> Iterator[str]:
    """Yield settings as a table with the values of two recipes."""
    yield from (
        "",
        "| setting | type and range | default | `two-stream` | `paper-ucf101` | meaning |",
    )
    yield "|---|---|---|---|---|---|"
    for row in found:
        own, paper = (value_in(_recipe(name), row) for name in ("two-stream", "paper-ucf101"))
        if own != paper:
            own, paper = f"**{own}**", f"**{paper}**"
        cells = (f"`{row.key}`", row.type, row.default, own, paper, row.meaning)
        yield f"| {' | '.join(map(cell, cells))} |"


@cache
def _recipe(name: str) -> Recipe:
    return load_recipe(name)


def value_in(recipe: Recipe, row: Row) -> str:
    """Return the value of a setting in a recipe; a dash if the recipe has another part."""
    section, _, key = row.key.partition(".")
    found = getattr(recipe, section)
    if section == "callbacks":
        return MISSING
    if section in PARTS and key != "name":
        same = find_part(section, found.name)[0] is find_part(section, row.part or "")[0]
        return as_yaml(found.arguments[key]) if same and key in found.arguments else MISSING
    return as_yaml(getattr(found, key) if key else found)


if __name__ == "__main__":
    main()
