"""Load a recipe from YAML, change single settings of it, and write it."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import yaml

from slic.arguments import argument_names, one_line, parse_arguments, require, unknown_key
from slic.errors import RecipeError
from slic.files import atomic_path, read_yaml_mapping
from slic.lookup import require_trust
from slic.models.backbones import ClipSpec, find_backbone
from slic.models.config import CONFIG_FILE, read_encoder_config
from slic.parsing import parse_yaml
from slic.recipe.parts import PARTS, Part, find_part, section_named
from slic.recipe.recipe import CompatName, Recipe

_SHORTHANDS = {"init": "init.weights"}  # a word --init is short for this setting
_FORMER_NAMES = {"best": "motion"}  # of recipes


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(f.name.removesuffix(".yaml") for f in _shipped() if f.name.endswith(".yaml"))


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe and change single settings of it.

    Args:
        name_or_path: A name of `recipe_names`, or a YAML file. Absent settings have the default of
            their part.
        overrides: Words such as ``--train.epochs=100`` or ``--loss.name=info_nce``. A part that is
            given another name starts from its own defaults.

    Raises:
        RecipeError: The recipe does not exist, or a key or value is wrong; the message names the
            nearest known key.

    Example:
        >>> load_recipe("motion", ["--train.epochs=100"]).train.epochs
        100
    """
    source = _find(str(name_or_path))
    try:
        values = read_yaml_mapping(source)
    except (OSError, ValueError) as error:
        reason = one_line(error)
        raise RecipeError(
            f"{name_or_path}: cannot be read as a recipe, a YAML mapping of sections ({reason})."
        ) from error
    try:
        sections = {str(name): _section_values(str(name), value) for name, value in values.items()}
        for name, value in sections.items():
            _build_section(name, value)  # a mistake in the file names the file
    except RecipeError as error:
        raise RecipeError(f"{name_or_path}: {error}") from error
    words = _split_words(overrides)
    for key, value in sorted(words, key=lambda word: not _names_part(word[0])):
        _override(sections, key, value)  # names first: a new name drops the former arguments
    _use_one_length(sections, {key for key, _ in words})
    _follow_init(sections)
    _complete_clip(sections)
    built = {name: _build_section(name, value) for name, value in sections.items()}
    try:
        return Recipe(**built)
    except RecipeError as error:
        if words:
            raise
        raise RecipeError(f"{name_or_path}: {error}") from error


def default_recipe(overrides: Sequence[str] = ()) -> str:
    """Return the recipe for a run that names none.

    It is ``two-stream``; ``adapt`` where the run starts from given weights, or has a backbone of
    another source; ``motion`` where it has another backbone of this package.

    Args:
        overrides: Settings of the run, as for `load_recipe`.
    """
    values = {
        _SHORTHANDS.get(key, key).removesuffix(".name"): v for key, v in _split_words(overrides)
    }
    backbone = values.get("backbone", "slic/two-stream")
    if not backbone.startswith("slic/") or "init.weights" in values:
        return "adapt"
    return "two-stream" if backbone == "slic/two-stream" else "motion"


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write every setting of a recipe as YAML, which `load_recipe` reads back.

    Raises:
        WriteError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(recipe.to_dict(), sort_keys=False), encoding="utf-8")


def settings_of(section: str, name: str | None = None) -> list[str] | None:
    """Return the keys of a section, without ``name``; None if the part takes any.

    Args:
        section: A section of a recipe.
        name: The part, for the sections of `PARTS`; None means the default one.
    """
    if name or section in PARTS:
        part, skip = find_part(section, name or getattr(_default_recipe(), section).name)
        return argument_names(part, skip=skip)
    return argument_names(type(getattr(_default_recipe(), section)))


@cache
def _default_recipe() -> Recipe:
    """Return the recipe of defaults, which is built once because that checks every part."""
    return Recipe()


def _shipped() -> list[Any]:
    return list(files("slic").joinpath("recipes").iterdir())


def _find(name: str) -> Any:
    for shipped in _shipped():
        if shipped.name == f"{name}.yaml":
            return shipped
    path = Path(name)
    if path.is_file():
        return path
    nearest = difflib.get_close_matches(_FORMER_NAMES.get(name, name), recipe_names(), n=1)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    known = ", ".join(recipe_names())
    raise RecipeError(f"{name}: no such recipe file or name.{hint} Known names: {known}.")


def _section_values(section: str, value: Any) -> Any:
    """Check the form of a section of a file: known, and a mapping."""
    if section == "compat":
        return value
    if section not in (names := [f.name for f in fields(Recipe)]):
        raise unknown_key(section, [*names, *_all_keys()], what="section")
    if section == "callbacks":
        return value
    if section in PARTS and isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise RecipeError(f"section {section!r} is {value!r}, not keys with values.")
    return dict(value)


def _split_words(words: Sequence[str]) -> list[tuple[str, str]]:
    """Split ``--key=value`` and ``--key value`` into keys and values."""
    pairs, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise RecipeError(f"{word!r} is not a setting; settings are --section.key=value.")
        key, equals, value = word[2:].partition("=")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise RecipeError(f"setting {word!r} has no value; write {word}=value.")
            value = rest.pop(0)
        pairs.append((key, value))
    return pairs


def _names_part(key: str) -> bool:
    """Return whether a setting chooses a part, as ``loss.name`` or ``loss``, or its weights."""
    return key.removesuffix(".name") in PARTS or key.partition(".")[0] == "init"


def _override(sections: dict[str, Any], key: str, value: str) -> None:
    """Change one setting; another name of a part drops the arguments of the former part."""
    section, _, name = _SHORTHANDS.get(key, key).partition(".")
    if section in ("compat", "callbacks") and not name:
        sections[section] = _parse_callbacks(value) if section == "callbacks" else value
    elif section in PARTS and name in ("", "name"):
        if sections.get(section, {}).get("name") != value:
            sections[section] = {"name": value}
            if section == "backbone":  # the clips, too, are those of the new backbone
                sections.pop("clip", None)
    elif name and section in {f.name for f in fields(Recipe)} - {"compat", "callbacks"}:
        sections.setdefault(section, {})[name] = value
    else:
        raise unknown_key(key, _all_keys())


def _parse_callbacks(text: str) -> Any:
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise RecipeError(f"callbacks cannot be read ({one_line(error)}).") from error


def _use_one_length(sections: dict[str, Any], words: Collection[str]) -> None:
    """Let the length that is given beside a recipe replace the recipe's."""
    for length, other in (("steps", "epochs"), ("epochs", "steps")):
        if f"train.{length}" in words and f"train.{other}" not in words:
            sections["train"].pop(other, None)


def _build_section(section: str, values: Any) -> Any:
    """Return the value of a field of `Recipe` from plain values."""
    if section == "compat":
        names = get_args(CompatName)
        require(values in names, "compat", values, f"one of {', '.join(names)}")
        return values
    if section == "callbacks":
        if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
            raise RecipeError(f"callbacks is {values!r}, not a list of mappings with a name.")
        return tuple(_part_of("callbacks", entry) for entry in values)
    if section in PARTS:
        return _part_of(section, values)
    options = type(getattr(_default_recipe(), section))
    _require_known(section, values, settings_of(section), others=_all_keys())
    arguments = parse_arguments(options, values, key=section)
    with section_named(section):
        return options(**arguments)


def _part_of(section: str, values: Mapping[str, Any]) -> Part:
    default = None if section == "callbacks" else getattr(_default_recipe(), section).name
    name = values.get("name", default)
    if not isinstance(name, str):
        raise RecipeError(f"{section}.name is {name!r}, but it must be the name of a part.")
    arguments = {key: value for key, value in values.items() if key != "name"}
    known = settings_of(section, name)
    own = [f"{section}.{key}" for key in ("name", *(known or ()))]
    for key in arguments:
        if known is not None and key not in known and f"{section}.{key}" in _all_keys():
            raise RecipeError(
                f"{section}.{key}: the {section} {name!r} has no such setting; it has "
                f"{', '.join(known) or 'none'}. Name another {section} with --{section}=NAME, or "
                "another recipe."
            )
    _require_known(section, arguments, known, others=[*own, *_all_keys()])
    return Part(name, arguments)


def _require_known(
    section: str, keys: Iterable[str], known: list[str] | None, *, others: list[str]
) -> None:
    """Refuse a key that a section does not have; the nearest one may be in another section."""
    for key in keys:
        if known is not None and key not in known:
            raise unknown_key(f"{section}.{key}", others)


def _all_keys() -> list[str]:
    """Return every key of the default recipe, with its section."""
    keys = ["compat", "callbacks"]
    for section, values in _default_recipe().to_dict().items():
        if isinstance(values, dict):
            keys += [f"{section}.{key}" for key in values]
    return keys


def _follow_init(sections: dict[str, Any]) -> None:
    """Take backbone and clips of the encoder to start from, where nothing else is said."""
    init = sections.get("init", {})
    weights = init.get("weights", "random")
    config = read_encoder_config(weights) if weights != "random" else None
    if config is None:
        return
    given = sections.get("backbone", {})
    if "name" not in given:
        path = Path(weights) / CONFIG_FILE
        require_trust(config.backbone, kind="backbone", source=path, error=RecipeError)
    if given.get("name", config.backbone) == config.backbone:
        sections["backbone"] = {"name": config.backbone} | config.arguments | given
    sections["clip"] = _clip_like(config.clip, sections.get("clip", {}))
    if init.get("head") == "kept":
        sections["head"] = asdict(config.head)


def _complete_clip(sections: dict[str, Any]) -> None:
    """Take the clips that the backbone's published weights take, where nothing else is said."""
    name, given = sections.get("backbone", {}).get("name"), sections.get("clip", {})
    if not name or {field.name for field in fields(ClipSpec)} <= given.keys():
        return  # a saved recipe says all, and the folder of a model may be gone
    entry = find_backbone(name)
    if entry.has_native_clip:
        sections["clip"] = _clip_like(entry.native_clip(), given)


def _clip_like(clip: ClipSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a clip, changed by those that are given."""
    values = asdict(clip)
    if "fps" in given:
        values["stride"] = 1
    if "stride" in given:
        values["fps"] = None
    if "size" in given:  # the same share of the frame
        values["resize"] = clip.scaled_resize(int(given["size"]))
    return values | dict(given)
