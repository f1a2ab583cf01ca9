"""The settings of a recipe as help text, made from the constructors of the parts."""

import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from slic.callbacks import CALLBACKS
from slic.recipe import PARTS, Recipe, find_part, recipe_names, settings_of

_ENTRY = re.compile(
    r"^    (?:    )?(\w+): (.+?)(?=^    (?:    )?\w+: |\Z)", re.MULTILINE | re.DOTALL
)


def settings_help() -> str:
    """Return every section of a recipe, its keys with their defaults, and what they mean."""
    default = Recipe()
    lines = [
        f"recipes: {', '.join(recipe_names())}",
        "",
        "Settings and their values where a recipe says nothing, as --section.key=value. Without "
        "--recipe, the recipe is two-stream, or adapt with --init or a published backbone. "
        "--print_config shows all settings of a recipe.",
    ]
    for section in (field.name for field in fields(Recipe)):
        if section == "compat":
            lines += ["", "compat = none", "  official restores oddities of the authors' code"]
        elif section == "callbacks":
            lines += ["", "callbacks = []", "  a list of mappings with a name and arguments"]
            lines += _part_lines("callbacks", CALLBACKS)
        elif section in PARTS:
            lines += ["", f"{section}.name = {getattr(default, section).name}"]
            lines += _part_lines(section, PARTS[section])
        else:
            options, keys = type(getattr(default, section)), settings_of(section) or []
            lines += ["", f"{section}:", *_key_lines(section, options, keys)]
    return "\n".join(lines)


def _part_lines(section: str, table: Any) -> list[str]:
    """Return the parts of a table, each with its arguments."""
    lines, described = list[str](), set[object]()
    for name in table:
        part, _ = find_part(section, name)
        lines.append(f"  {name}: {docstring_summary(part)}")
        if part in described:  # another size of the same backbone
            continue
        described.add(part)
        known = settings_of(section, name) or []
        lines += [f"  {line}" for line in _key_lines(section, part, known)]
    return [*lines, "  or the import path of another, such as my_module.MyClass"]


def _key_lines(section: str, part: Callable[..., Any], keys: list[str]) -> list[str]:
    """Return the keys of a part with default and meaning."""
    meanings = argument_meanings(part)
    parameters = inspect.signature(part).parameters
    lines = []
    for key in keys:
        default = parameters[key].default
        shown = "" if default is inspect.Parameter.empty else f" = {as_yaml(default)}"
        lines.append(f"  {section}.{key}{shown}")
        meaning = re.sub(r"\bNone\b", "null", meanings.get(key, ""))  # as a recipe writes it
        wrapped = textwrap.wrap(meaning, 82)
        lines += [f"      {line}" for line in wrapped]
    return lines


def docstring_summary(part: object) -> str:
    """Return the first line of a docstring without its markup."""
    return _plain_text((inspect.getdoc(part) or "").split("\n")[0])


def argument_meanings(part: Callable[..., Any], *, markdown: bool = False) -> dict[str, str]:
    """Return what the docstring of a part, and of the classes below it, says of each argument.

    Args:
        part: A class or function with a docstring in Google style.
        markdown: Keep code as code; without it, markup is removed.
    """
    clean = _markdown if markdown else _plain_text
    meanings: dict[str, str] = {}
    for source in [*reversed(getattr(part, "__mro__", [])), part]:
        doc = inspect.cleandoc(source.__doc__ or "")
        for title in ("Args:", "Attributes:"):
            _, found, block = doc.partition(f"\n{title}\n")
            block = re.split(r"\n(?=\S)", block)[0] if found else ""
            meanings |= {name: clean(text) for name, text in _ENTRY.findall(block)}
    return meanings


def _plain_text(text: str) -> str:
    """Return a text of a docstring on one line, without markup."""
    return " ".join(re.sub(r":\w+:(?=`)|`", "", text).split())


def _markdown(text: str) -> str:
    """Return a text of a docstring on one line, with code in single backticks."""
    return " ".join(re.sub(r":\w+:(?=`)", "", text).replace("``", "`").split())


def as_yaml(value: Any) -> str:
    """Return a value as YAML writes it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_yaml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
