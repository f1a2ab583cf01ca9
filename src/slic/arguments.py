"""Check the arguments that a recipe or a file gives to a part."""

from collections.abc import Callable, Mapping
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from slic.errors import RecipeError


def require(holds: bool, name: str, value: object, rule: str) -> None:
    """Raise a RecipeError unless a constructor argument follows its rule.

    Args:
        holds: Whether it does. Write ranges so that NaN does not hold, such as ``0 < x < inf``.
        name: Of the argument.
        value: Of the argument.
        rule: Ends the sentence "it must be ...".
    """
    if not holds:
        raise RecipeError(f"{name} is {value}, but it must be {rule}.")


def add_part_arguments(
    parser: ArgumentParser, part: Callable[..., Any], key: str, *, skip: set[str]
) -> None:
    """Add the arguments of a part, a class or a function, to a parser under ``key``.

    Args:
        parser: The parser.
        part: A class or a function with typed keyword arguments.
        key: Prefix of the arguments, such as ``"loss"`` for ``loss.margin``.
        skip: Arguments that the caller fills in.
    """
    if isinstance(part, type):
        known = parser.add_class_arguments(part, key, skip=set(skip), instantiate=False)
    else:
        known = parser.add_function_arguments(part, key, skip=set(skip))
    if not known:  # jsonargparse forgets a group without arguments
        parser.add_argument(f"--{key}", type=dict, default={}, help="takes no arguments")


def parse_arguments(
    part: Callable[..., Any], values: Mapping[str, Any], *, skip: set[str]
) -> dict[str, Any]:
    """Return the arguments of a part with their declared types; absent ones get their default.

    Args:
        part: A class or a function with typed keyword arguments.
        values: Arguments as a JSON or YAML file gives them.
        skip: Arguments that the caller fills in.

    Raises:
        RecipeError: An argument is unknown or has another type.
    """
    parser = ArgumentParser(exit_on_error=False)
    add_part_arguments(parser, part, "part", skip=skip)
    try:
        parsed = parser.parse_object({"part": dict(values)})
    except ArgumentError as error:
        raise RecipeError(one_line(error).replace("part.", "")) from error
    return plain(parsed["part"])


def plain(values: Namespace | Mapping[str, Any]) -> dict[str, Any]:
    """Return parsed arguments as a dictionary."""
    return dict(values.as_dict() if isinstance(values, Namespace) else values)


def one_line(error: Exception) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())
