"""Arguments for the weights of the parts of a vector: given, from likes, or from labels."""

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slic.cli.common import UsageError
from slic.cli.parser import CommandParser
from slic.errors import SearchError

if TYPE_CHECKING:
    from slic.search import Index, Query

_RULES = ("auto", "labels")


def add_weights(verb: CommandParser, use: str = "") -> None:
    """Add ``--weights``, the weights of the parts of a vector.

    Args:
        verb: The verb.
        use: Text to append to the help.
    """
    text = f"weights of the parts, such as motion=0.7,appearance=0.3 (default: equal){use}"
    verb.add_argument("--weights", type=parse_weights, metavar="PART=WEIGHT,...", help=text)


def add_search_weights(verb: CommandParser) -> None:
    """Add ``--weights`` with the rules ``auto`` and ``labels``, and ``--motion-weight``."""
    text = (
        "weights of the parts, such as motion=0.7,appearance=0.3, or `auto`: from the likes, or "
        "`labels`: from the labels in the index (default: auto for three likes or more, else equal)"
    )
    verb.add_argument("--weights", type=parse_rule, metavar="PART=WEIGHT,...", help=text)
    text = "a number W from 0 to 1, short for --weights motion=W,appearance=1-W"
    verb.add_argument("--motion-weight", type=parse_share, metavar="W", help=text)


def parse_weights(word: str) -> dict[str, float]:
    """Return the weights of a word such as ``motion=0.7,appearance=0.3``."""
    weights = {}
    for item in word.split(","):
        name, equals, number = item.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise ArgumentTypeError(f"{word!r} is not like motion=0.7,appearance=0.3")
    return weights


def parse_rule(word: str) -> dict[str, float] | str:
    """Return ``auto`` or ``labels`` as it is, and other words as `parse_weights` does."""
    return word if word in _RULES else parse_weights(word)


def parse_share(word: str) -> float:
    """Return the number of a word such as ``0.7``, from 0 to 1."""
    try:
        share = float(word)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"{word!r} is not a number from 0 to 1")
    return share


def check_search_weights(arguments: Namespace) -> None:
    """Raise a UsageError if arguments of `add_search_weights` exclude each other."""
    if arguments.weights is not None and arguments.motion_weight is not None:
        raise UsageError("give --weights or --motion-weight, not both.")
    if arguments.weights == "auto" and len(arguments.like) < 2:
        raise UsageError("--weights auto follows from likes; give at least two --like.")


def search_weights(
    index: "Index",
    arguments: Namespace,
    like: "Sequence[Query]" = (),
    unlike: "Sequence[Query]" = (),
) -> dict[str, float] | None:
    """Return the weights of a search; if they were not given, also print them to stderr.

    Args:
        index: The index.
        arguments: Those of `add_search_weights`, and ``text``.
        like: The queries of liked clips and moments.
        unlike: The queries of unliked ones.

    Returns:
        The weights; None for equal ones.

    Raises:
        SearchError: ``--motion-weight`` is given and the index has other parts.
        LabelError: The labels do not suffice.
    """
    from slic.search.weighting import AUTOMATIC_LIKES, choose_weights, choose_weights_by_labels

    if arguments.motion_weight is not None:
        return _motion_weights(index, arguments.motion_weight)
    rule: dict[str, float] | str | None = arguments.weights
    if rule is None and len(index.parts) > 1 and not arguments.text:
        rule = "auto" if len(like) >= AUTOMATIC_LIKES else None
    if rule is None or isinstance(rule, dict):
        return rule
    if rule == "labels":
        weights, source = choose_weights_by_labels(index), "the labels"
    else:
        weights, source = choose_weights(index, like, unlike), f"{len(like)} likes"
    shares = sorted(weights.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} {share:.2f}" for name, share in shares)
    print(f"weights: {listed}, from {source}; set them with --weights", file=sys.stderr)
    return weights


def _motion_weights(index: "Index", share: float) -> dict[str, float]:
    if missing := [name for name in ("motion", "appearance") if name not in index.parts]:
        raise SearchError(
            f"--motion-weight {share:g}: {index.path} has no part {missing[0]}; "
            f"its parts are {', '.join(index.parts)}. Use --weights."
        )
    return {"motion": share, "appearance": 1.0 - share}
