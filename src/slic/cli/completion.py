"""``slic completion``: a script by which a shell completes the words of the command.

The script is static. A shell that has read it does not start Python to complete a word, so the
script can list what takes seconds to find: the protocols and the settings of a recipe.
"""

from argparse import Action, ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from slic.cli.evaluation import build_clusters_parser
from slic.cli.parser import CommandParser, Verbs, add_verb
from slic.cli.protocols import build_protocol_parser
from slic.cli.retrieval import build_retrieval_parser
from slic.lookup import require_extra
from slic.storage import location

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELLS = ("bash", "zsh", "fish")


def add_verbs(verbs: Verbs) -> None:
    """Add ``completion``."""
    text = (
        "Print a script by which a shell completes verbs, options and settings. Its place is "
        "~/.local/share/bash-completion/completions/slic for bash, "
        "~/.config/fish/completions/slic.fish for fish, and for zsh the file _slic in a folder of "
        "$fpath."
    )
    summary = "print a script that completes the command in a shell"
    verb = add_verb(verbs, "completion", print_script, summary, description=text)
    verb.add_argument("shell", choices=SHELLS, help="shell that reads the script")


def print_script(arguments: Namespace) -> None:
    """Print the script of a shell; ``arguments.parser`` is the parser of the command."""
    shtab = require_extra("shtab", "completion", purpose="slic completion")
    parser = arguments.parser
    verbs = _subparsers(parser)
    verbs.choices["evaluate"] = build_evaluation_parser()
    add_settings(verbs.choices["pretrain"])
    add_settings(verbs.choices["prepare"])
    for action in _all_actions(parser):
        if action.type in (Path, location) and not action.choices:
            kind = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
            action.complete = kind  # type: ignore[attr-defined]
    print(shtab.complete(parser, arguments.shell), end="")


def build_evaluation_parser() -> CommandParser:
    """Return a parser of ``slic evaluate`` with a verb for each protocol."""
    from slic.evaluation import PROTOCOLS
    from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS

    built = {"clusters": build_clusters_parser(), "retrieval": build_retrieval_parser("retrieval")}
    for name, part in PROTOCOLS.items():
        kind = build_retrieval_parser(name) if name in RETRIEVAL_PROTOCOLS else None
        built[name] = kind or build_protocol_parser(name, part)
    parser = CommandParser("slic evaluate")
    names = parser.add_subparsers()
    for name, protocol in built.items():
        names.add_parser(name, help=protocol.description, parents=[protocol], add_help=False)
    return parser


def add_settings(parser: ArgumentParser) -> None:
    """Add the settings of all parts of a recipe, such as ``--train.epochs``."""
    from slic.recipe import PARTS, CompatName, Recipe, settings_of

    parser.add_argument("--compat", choices=get_args(CompatName))
    for section in (field.name for field in fields(Recipe)):
        if section in ("compat", "callbacks"):  # a word, and a list
            continue
        table: Any = PARTS.get(section, {})
        if table:
            parser.add_argument(f"--{section}.name", choices=tuple(table))
        named = [settings_of(section, name) for name in table] or [settings_of(section)]
        for key in dict.fromkeys(key for keys in named for key in keys or ()):
            parser.add_argument(f"--{section}.{key}")


def _subparsers(parser: ArgumentParser) -> Verbs:
    """Return the verbs of a parser; argparse has no public way to them."""
    found: Verbs = parser._subparsers._group_actions[0]  # type: ignore[union-attr, assignment]
    return found


def _all_actions(parser: ArgumentParser) -> "Iterator[Action]":
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for inner in action.choices.values():
                yield from _all_actions(inner)
