"""The ``slic`` command: one function for each verb, which only wires the parts of the library.

Verbs import the library when they run, so that ``slic --help`` does not wait for torch.
"""

import os
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from io import TextIOWrapper

from slic import __version__
from slic.cli import (
    backbones,
    clusters,
    completion,
    data,
    doctor,
    encoders,
    evaluation,
    export,
    indexing,
    labels,
    prepare,
    pretraining,
    reproduction,
    search,
    share,
    studio,
    videos,
)
from slic.cli.common import UsageError
from slic.cli.output import exit_with_error, harmless_output
from slic.cli.parser import CommandParser
from slic.errors import SlicError
from slic.machine import limit_threads
from slic.signals import STOPPED, exit_code, interrupt_at_signals

DESCRIPTION = """Learn from unlabelled videos of human actions, then search, group and label them.

  slic sample videos                          write a sample data set
  slic pretrain videos/train --out run        train an encoder without labels
  slic evaluate retrieval videos --labels videos/labels.csv --encoder run/encoder
  slic index videos --encoder run/encoder --out index
  slic studio index                           search and browse on a web page
"""

_VERB_MODULES = (
    videos, data, prepare, backbones, pretraining, encoders, evaluation, reproduction, indexing,
    search, clusters, labels, export, share, studio, doctor, completion,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    It exits with 1 after an error that the user can fix, which is printed as one line, with 2 after
    wrong arguments, and after Ctrl-C, SIGTERM or SIGHUP with 130, 143 or 129.

    Args:
        argv: Words after ``slic``; those of the process by default.

    Example:
        >>> main(["sample", "videos", "--train", "40"])
    """
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # processes import nothing from where they start
    os.environ.setdefault("JOBLIB_MULTIPROCESSING", "0")  # not used; without /dev/shm it warns
    limit_threads(os.environ)
    parser = build_parser()
    if isinstance(sys.stdout, TextIOWrapper):  # file names need not be Unicode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with interrupt_at_signals():
            arguments = _parse(parser, argv)
            with harmless_output():
                arguments.verb(arguments)
    except UsageError as error:
        parser.error(str(error))
    except SlicError as error:
        exit_with_error(str(error), 1)
    except KeyboardInterrupt as stop:
        exit_with_error(STOPPED, exit_code(stop))
    except BrokenPipeError:  # the reader of our output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a path that cannot be used, such as one in a closed folder
        if error.filename is None:
            raise
        exit_with_error(f"{os.fsdecode(error.filename)}: {error.strerror}.", 1)


def _parse(parser: CommandParser, argv: Sequence[str] | None) -> Namespace:
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.verb not in (pretraining.pretrain, prepare.prepare):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.settings, arguments.parser = rest, parser
    return arguments


def build_parser() -> CommandParser:
    """Return the parser of all verbs; it sets ``verb`` to the function to call."""
    formatter = RawDescriptionHelpFormatter
    parser = CommandParser("slic", description=DESCRIPTION, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"slic {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for module in _VERB_MODULES:
        module.add_verbs(verbs)
    return parser
