"""Check the arguments that a recipe or a file gives to a part."""

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from types import NoneType
from typing import Any, get_args, get_type_hints

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from slic.errors import RecipeError
from slic.parsing import OutOfBoundsError, parse_yaml


def require(holds: bool, name: str, value: object, rule: str) -> None:
    """Raise a RecipeError unless a constructor argument follows its rule.

    Args:
        holds: Whether it does. Write ranges so that NaN does not hold, such as ``0 < x < inf``.
        name: Name of the argument.
        value: Value of the argument.
        rule: Ends the sentence "it must be ...".
    """
    if not holds:
        raise RecipeError(f"{name} is {value}, but it must be {rule}.")


def argument_names(part: Callable[..., Any], *, skip: Collection[str] = ()) -> list[str] | None:
    """Return the names of the arguments of a part; None if it takes any (``**arguments``)."""
    parameters = inspect.signature(part).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL and p.name not in skip]


def parse_arguments(
    part: Callable[..., Any], values: Mapping[str, Any], *, key: str, skip: Collection[str] = ()
) -> dict[str, Any]:
    """Return the arguments of a part in their declared types; absent ones get their default.

    Args:
        part: A class or a function with typed arguments.
        values: Arguments as a YAML or JSON file, or the command line, gives them.
        key: Name of the part in messages: ``"loss"`` gives ``loss.margin``.
        skip: Arguments that are not settings, because the caller fills them in.

    Raises:
        RecipeError: An argument is unknown or has another type, or the part declares an argument
            without type and default.
    """
    known = argument_names(part, skip=skip)
    for name in values:
        if known is not None and name not in known:
            raise unknown_key(f"{key}.{name}", [f"{key}.{other}" for other in known])
    refuse_nulls(part, values, key)
    _require_types(part, key, skip)
    if known == []:  # jsonargparse cannot parse a part without arguments
        return {}
    parser = ArgumentParser(exit_on_error=False)
    if isinstance(part, type):
        parser.add_class_arguments(part, key, skip=set(skip), instantiate=False)
    else:
        parser.add_function_arguments(part, key, skip=set(skip))
    try:
        for value in values.values():
            _refuse_unbounded(value)
        parsed = parser.parse_object({key: dict(values)})[key]
    except (ArgumentError, OutOfBoundsError, OverflowError) as error:
        raise RecipeError(f"a setting cannot be read: {one_line(error)}") from error
    return dict(parsed.as_dict() if isinstance(parsed, Namespace) else parsed)


def _refuse_unbounded(value: object) -> None:
    """Refuse a text that is YAML beyond a bound; jsonargparse reads texts as YAML.

    Raises:
        OutOfBoundsError: It is nested too deeply, or its aliases stand for too much.
    """
    if isinstance(value, str) and any(mark in value for mark in "[{&"):
        try:
            parse_yaml(value)
        except OutOfBoundsError:
            raise
        except ValueError:  # another text, such as a path
            return


def refuse_nulls(part: Callable[..., Any], values: Mapping[str, Any], key: str) -> None:
    """Raise a RecipeError if an argument is None whose type has no None; jsonargparse takes it."""
    nulls = [name for name, value in values.items() if value is None]
    constructor = part.__init__ if isinstance(part, type) else part  # type: ignore[misc]
    hints = get_type_hints(constructor) if nulls else {}
    for name in nulls:
        hint = hints.get(name, Any)
        if hint is not Any and NoneType not in get_args(hint):
            raise RecipeError(f"{key}.{name} is null, but it must have a value.")


def _require_types(part: Callable[..., Any], key: str, skip: Collection[str]) -> None:
    """Raise a RecipeError if an argument has neither a type nor a default to take it from."""
    for name, parameter in inspect.signature(part).parameters.items():
        named = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if (
            named
            and name not in skip
            and parameter.annotation is parameter.empty
            and parameter.default is parameter.empty
        ):
            raise RecipeError(
                f"{part.__module__}.{part.__qualname__} takes {name!r} without a type. Each "
                f"argument is a setting, here {key}.{name}: declare it, such as '{name}: float'."
            )


class UnknownSettingError(RecipeError):
    """A setting does not exist.

    Attributes:
        key: The setting, such as ``train.epoch``.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


def unknown_key(key: str, known: Collection[str], *, what: str = "setting") -> UnknownSettingError:
    """Return the error for a key that does not exist; it names the nearest known one."""
    by_last_word = {name.split(".")[-1]: name for name in known}
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5) or [
        by_last_word[word]
        for word in difflib.get_close_matches(key.split(".")[-1], by_last_word, n=1, cutoff=0.5)
    ]
    hint = f" The nearest known is {near[0]!r}." if near else f" Known: {', '.join(known)}."
    return UnknownSettingError(f"unknown {what} {key!r}.{hint}", key)


def one_line(error: Exception) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())
