"""The parser of the command, and arguments that several verbs share."""

from argparse import Action, ArgumentError, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from slic.cli.examples import EXAMPLES
from slic.cli.output import STDOUT
from slic.datasets import DATASETS, sources_of
from slic.storage import location

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from _typeshed import SupportsWrite

MAX_COUNT = 2**31 - 1  # largest number that an argument accepts
Verbs: TypeAlias = "_SubParsersAction[CommandParser]"


class CommandParser(ArgumentParser):
    """A parser with a method for each kind of argument that several verbs have.

    An option must be written out, and be given once unless it collects values.

    Attributes:
        more_help: Gives text that follows the help, such as a table whose import takes long.
        given: The options of the words that were parsed last.
    """

    more_help: Callable[[], str] | None = None

    def __init__(self, *names: Any, **settings: Any) -> None:
        super().__init__(*names, **settings | {"allow_abbrev": False})
        self.given: set[str] = set()
        self._needs: list[tuple[str, tuple[str, ...]]] = []

    def only_with(self, option: str, *others: str) -> None:
        """Refuse an option unless one of some others is given; without them it does nothing.

        Args:
            option: The option.
            others: Other options, or metavars of arguments.
        """
        self._needs.append((option, others))

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """Parse words as `ArgumentParser` does, and check what belongs together."""
        self.given = set()
        parsed, rest = super().parse_known_args(args, namespace)
        for option, others in self._needs:
            if option in self.given and not self.given & {*others}:
                self.error(f"{option} is for {' or '.join(others)}, which is not given.")
        return parsed, rest

    def _get_values(self, action: Action, arg_strings: list[str]) -> Any:
        """Note what is given; `ArgumentParser` calls this for each option and argument."""
        if action.option_strings:
            collects = type(action).__name__ in ("_AppendAction", "_ExtendAction", "_CountAction")
            if action.option_strings[0] in self.given and not collects:
                raise ArgumentError(action, "given more than once.")
            self.given.add(action.option_strings[0])
        elif arg_strings:
            self.given.add(str(action.metavar or action.dest))
        return super()._get_values(action, arg_strings)

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        """Print the help, examples, and the text of ``more_help``."""
        super().print_help(file)
        if examples := EXAMPLES.get(self.prog):
            print("\nexamples:", *examples, sep="\n  ", file=file)
        if self.more_help:
            print(f"\n{self.more_help()}", file=file)

    def add_switch(self, flag: str, meaning: str) -> None:
        """Add an option without a value."""
        self.add_argument(flag, action="store_true", help=meaning)

    def add_json(self) -> None:
        """Add ``--json``; `slic.cli.output.print_result` prints what it asks for."""
        self.add_switch("--json", "print one JSON document to stdout, in place of text")

    def add_json_file(self) -> None:
        """Add ``--json`` with an optional file; see `slic.cli.output.json_writer`."""
        text = (
            "write the scores to this file too; without a file, print them as JSON, and only them"
        )
        self.add_argument("--json", type=Path, nargs="?", const=STDOUT, metavar="FILE", help=text)

    def add_path(self, flag: str, meaning: str, *, metavar: str = "FILE") -> None:
        """Add an option for a path, which is None by default."""
        self.add_argument(flag, type=Path, metavar=metavar, help=meaning)

    def add_count(
        self, flag: str, meaning: str, *, minimum: int = 1, default: int | None = None
    ) -> None:
        """Add an option for a whole number.

        Args:
            flag: The option.
            meaning: Its help, without the default.
            minimum: Smallest number that is accepted; the largest is ``MAX_COUNT``.
            default: The number if the option is not given.
        """
        text = meaning if default is None else f"{meaning} (default: {default})"
        self.add_argument(flag, type=at_least(minimum), default=default, metavar="N", help=text)

    def add_videos(self) -> None:
        """Add the argument ``videos``: a folder or a list."""
        text = "folder or address of videos, or a CSV or Parquet list of them"
        self.add_argument("videos", type=location, help=text)

    def add_index(self) -> None:
        """Add the argument ``index``."""
        text = "folder that `slic index` wrote"
        self.add_argument("index", type=Path, metavar="INDEX", help=text)

    def add_encoder(self) -> None:
        """Add ``--encoder`` and ``--workers``."""
        text = (
            "folder of an encoder or a run, or the name of a published encoder, such as "
            "torchvision/r3d_18 (see `slic backbones`)"
        )
        self.add_argument("--encoder", required=True, help=text)
        self.add_workers()

    def add_workers(self) -> None:
        """Add ``--workers``, the number of processes that decode clips for an encoder."""
        self.add_count("--workers", "processes that decode", minimum=0, default=2)

    def add_labels(self, *, required: bool, use: str = "") -> None:
        """Add ``--labels`` and ``--annotations``.

        Args:
            required: Whether the verb needs labels.
            use: Text to append to the help: what the labels are for.
        """
        text = (
            "CSV file with the columns path,label[,split], or one of "
            f"{', '.join(map(_short_source, DATASETS))}, or my_module.MySet[:ARGUMENT]{use}"
        )
        self.add_argument("--labels", required=required, metavar="SOURCE", help=text)
        self.add_annotations()

    def add_annotations(self) -> None:
        """Add ``--annotations``, the folder of a data set's official lists."""
        text = "folder of the official lists (default: search in and beside the folder of videos)"
        self.add_path("--annotations", text, metavar="DIR")

    def add_cache(self) -> None:
        """Add ``--cache``, the folder of features; see `slic.cli.common.feature_cache`."""
        text = (
            "keep features here for later commands (default: keep them beside the output until "
            "it is written, so that an interrupted command can continue)"
        )
        self.add_path("--cache", text, metavar="DIR")


def add_verb(
    verbs: Verbs, name: str, function: Callable[[Namespace], None], summary: str, **settings: Any
) -> CommandParser:
    """Add a verb.

    Args:
        verbs: The verbs of the command, or of a verb that has verbs itself.
        name: Name of the verb.
        function: What the verb calls with its arguments.
        summary: The line of the verb in the help of ``verbs``.
        **settings: Other arguments of its `ArgumentParser`.
    """
    verb = verbs.add_parser(name, help=summary, **settings)
    verb.set_defaults(verb=function)
    return verb


def at_least(minimum: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers.

    Args:
        minimum: Smallest number that is accepted; the largest is ``MAX_COUNT``.

    Example:
        >>> parser.add_argument("--workers", type=at_least(1))
    """

    def number(word: str) -> int:
        if not word.isdecimal() or not minimum <= int(word) <= MAX_COUNT:
            raise ArgumentTypeError(f"{word!r} is not a whole number from {minimum} to {MAX_COUNT}")
        return int(word)

    return number


def _short_source(name: str) -> str:
    """Return the sources of a data set as one word, such as ``ucf101:1|2|3``."""
    first, *others = sources_of(name)
    return "|".join([first, *(source.removeprefix(f"{name}:") for source in others)])
