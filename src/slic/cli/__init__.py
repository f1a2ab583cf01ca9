"""The ``slic`` command: one function per verb, wiring only; the verbs lie here by room.

The rooms are imported inside the verbs, so that ``slic --help`` does not wait for torch.
"""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from io import TextIOWrapper

from slic.cli import (
    data,
    evaluation,
    labels,
    learning,
    prepare,
    reproduction,
    search,
    studio,
    videos,
)
from slic.cli.common import UsageError, said
from slic.errors import SlicError

DESCRIPTION = """Learn from unlabelled videos of human action, then search and compare them.

  slic sample videos                        make a sample data set
  slic pretrain videos/train --out run      learn an encoder without labels
  slic evaluate retrieval videos --labels videos/labels.csv --encoder run/encoder
  slic index videos --encoder run/encoder --out index     then: slic studio index
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; an error of the user's is one line and exit code 1, wrong usage 2."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.verb not in (learning.pretrain, prepare.prepare):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.settings = rest
    if isinstance(sys.stdout, TextIOWrapper):  # names of files need not be Unicode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments.verb(arguments)
    except UsageError as error:
        parser.error(str(error))
    except SlicError as error:
        sys.exit(said(str(error), 1))
    except KeyboardInterrupt:
        sys.exit(said("stopped.", 130))
    except BrokenPipeError:  # the reader of our output, such as `head`, went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except RuntimeError as error:  # torch says so wherever we are when a loading process dies
        if not str(error).startswith("DataLoader worker"):
            raise
        sys.exit(
            said(
                "a loading process died, most likely for want of memory. Use fewer "
                "(--workers, in `slic pretrain` --train.workers), then go on by the same command, "
                "with --resume where the verb has it.",
                1,
            )
        )
    except OSError as error:  # a path that cannot be used, such as one in a folder that is closed
        if error.filename is None:
            raise
        sys.exit(said(f"{os.fsdecode(error.filename)}: {error.strerror}.", 1))


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "slic", description=DESCRIPTION, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for room in (
        videos,
        data,
        prepare,
        learning,
        evaluation,
        reproduction,
        search,
        labels,
        studio,
    ):
        room.add_verbs(verbs)
    return parser


def _version() -> str:
    from slic import __version__

    return f"slic {__version__}"
