"""Recipes: every setting of a pretraining run.

A recipe is a YAML mapping of sections. The keys of a section are the constructor arguments of one
part of the run. The sections in `PARTS` also have a key ``name``, which chooses the part from a
table or by its import path. A key that is absent has the default of that constructor, not the value
of the recipe ``best``.
"""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import yaml
from torch import nn

from slic.arguments import argument_names, one_line, parse_arguments, require, unknown_key
from slic.callbacks import CALLBACKS
from slic.clips.augmentation import Augmentation
from slic.clips.flow import FlowOptions
from slic.clustering import CLUSTERERS
from slic.errors import RecipeError
from slic.files import atomic_path
from slic.lookup import look_up
from slic.losses import LOSSES, TemporalLoss
from slic.models.adaptation import AdaptationOptions, InitOptions
from slic.models.backbones import BACKBONES, ClipSpec, find_backbone
from slic.models.backbones.motion_descriptor import MIN_MOTION_FRAMES
from slic.models.encoder import HeadSpec, read_encoder_config
from slic.optimizers import OPTIMIZERS
from slic.schedules import SCHEDULES

RoundInput = Literal["rgb", "flow", "motion"]
CompatName = Literal["none", "official"]
Table = Mapping[str, Any]

PARTS: dict[str, Table] = {
    "backbone": BACKBONES,
    "clustering": CLUSTERERS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
"""Sections with a key ``name``, and the parts that come with the package."""

_SHORTHANDS = {"init": "init.weights"}  # a word --init is short for this setting


@dataclass(frozen=True)
class Part:
    """A part of a run: its name, and its constructor arguments.

    Attributes:
        name: A key of the table of the section, or an import path.
        arguments: Keyword arguments; those that are absent have their default.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How positives are drawn.

    Attributes:
        same_video_probability: Probability that the positive is another clip of the same video.
            The paper uses 0.2 on UCF101 and 0.5 on Kinetics-400.
        flow_probability: Probability that the positive, and independently the second view, is
            replaced by its optical flow. The paper uses 0.25.
        reciprocal_positives: Whether two videos of a batch are each other's positive, so that each
            is decoded once for both.
    """

    same_video_probability: float = 0.2
    flow_probability: float = 0.25
    reciprocal_positives: bool = False

    def __post_init__(self) -> None:
        for name in ("same_video_probability", "flow_probability"):
            value = getattr(self, name)
            require(0 <= value <= 1, name, value, "a probability in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class RoundOptions:
    """When videos are clustered, and from which embeddings.

    Attributes:
        every_epochs: Epochs between two rounds of clustering; the paper uses 5.
        inputs: What is clustered: embeddings of ``"rgb"`` or ``"flow"`` clips, or the ``"motion"``
            descriptor, which needs no learning. Several are concatenated.
        first_inputs: What is clustered in the first round. None means ``inputs``.
        clips: Number of clips of a video whose embeddings are averaged; the paper uses 1.
        layer: ``"head"`` (the paper) or ``"backbone"``: which output is clustered.
        centre: Whether the mean embedding is subtracted first.
    """

    every_epochs: int = 5
    inputs: tuple[RoundInput, ...] = ("rgb",)
    first_inputs: tuple[RoundInput, ...] | None = None
    clips: int = 1
    layer: Literal["head", "backbone"] = "head"
    centre: bool = False

    def __post_init__(self) -> None:
        require(self.every_epochs >= 1, "every_epochs", self.every_epochs, "at least 1")
        require(self.clips >= 1, "clips", self.clips, "at least 1")
        for name in ("inputs", "first_inputs"):
            value = getattr(self, name)
            distinct = value is None or 0 < len(value) == len(set(value))
            require(distinct, name, value, "one or more different inputs")

    @property
    def all_inputs(self) -> set[str]:
        """What any round clusters."""
        return {*self.inputs, *(self.first_inputs or ())}


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Length and numerics of a run.

    Attributes:
        epochs: Number of passes over the videos.
        batch_size: Videos per step, over all processes together.
        accumulate: Parts in which each batch is embedded, to save memory. Each video still sees the
            negatives of the whole batch. Embedding takes twice as long for 2 or more.
        precision: ``"fp32"``, ``"bf16"``, or ``"auto"``: the faster one on the device.
        seed: Seed of the weights and of every draw.
        workers: Number of processes that decode videos; 0 decodes in the main process.
        snapshot_every_epochs: Keep the encoder every so many epochs; 0 keeps only the last.
    """

    epochs: int = 600
    batch_size: int = 32
    accumulate: int = 1
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    seed: int = 0
    workers: int = 2
    snapshot_every_epochs: int = 0

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        rule = "at least 2: a positive pair and its negatives need two videos"
        require(self.batch_size >= 2, "batch_size", self.batch_size, rule)
        require(self.accumulate >= 1, "accumulate", self.accumulate, "at least 1")
        require(0 <= self.seed < 2**63, "seed", self.seed, "at least 0 and below 2^63")
        for name in ("workers", "snapshot_every_epochs"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a pretraining run.

    Attributes:
        clip: The clips that the encoder takes.
        flow: How optical flow is estimated and drawn.
        augmentation: How the views of a clip differ.
        sampling: How positives are drawn.
        backbone: The backbone, see `slic.models.backbones.find_backbone`.
        init: The weights to start from.
        adaptation: Which part of given weights is trained, and how fast.
        head: The projection head.
        clustering: The clustering, from `slic.clustering.CLUSTERERS`.
        rounds: When videos are clustered, and from which embeddings.
        loss: The instance loss, from `slic.losses.LOSSES`.
        temporal: The temporal loss and its weight.
        optimizer: The optimizer, from `slic.optimizers.OPTIMIZERS`.
        schedule: The learning-rate schedule, from `slic.schedules.SCHEDULES`.
        train: Length and numerics of the run.
        callbacks: Callbacks, from `slic.callbacks.CALLBACKS`.
        compat: ``"official"`` restores oddities of the authors' code (docs/method.md).

    Raises:
        RecipeError: Two sections contradict each other.
    """

    clip: ClipSpec = field(default_factory=ClipSpec)
    flow: FlowOptions = field(default_factory=FlowOptions)
    augmentation: Augmentation = field(default_factory=Augmentation)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    backbone: Part = field(default_factory=lambda: Part("slic/r3d18"))
    init: InitOptions = field(default_factory=InitOptions)
    adaptation: AdaptationOptions = field(default_factory=AdaptationOptions)
    head: HeadSpec = field(default_factory=HeadSpec)
    clustering: Part = field(default_factory=lambda: Part("finch"))
    rounds: RoundOptions = field(default_factory=RoundOptions)
    loss: Part = field(default_factory=lambda: Part("triplet"))
    temporal: TemporalLoss = field(default_factory=TemporalLoss)
    optimizer: Part = field(default_factory=lambda: Part("sgd"))
    schedule: Part = field(default_factory=lambda: Part("constant"))
    train: TrainOptions = field(default_factory=TrainOptions)
    callbacks: tuple[Part, ...] = ()
    compat: CompatName = "none"

    def __post_init__(self) -> None:
        for section in PARTS:
            object.__setattr__(self, section, _checked_part(section, getattr(self, section)))
        callbacks = tuple(_checked_part("callbacks", part) for part in self.callbacks)
        object.__setattr__(self, "callbacks", callbacks)
        _check_modalities(self)

    def build(self, section: str, **context: Any) -> Any:
        """Return the part of a section.

        Args:
            section: A key of `PARTS`.
            context: Arguments that are not settings, such as the parameters of an optimizer.
        """
        part = getattr(self, section)
        return find_part(section, part.name)[0](**context, **part.arguments)

    def build_callbacks(self) -> list[Any]:
        """Return the callbacks of the recipe."""
        return [find_part("callbacks", part.name)[0](**part.arguments) for part in self.callbacks]

    @property
    def uses_flow(self) -> bool:
        """Whether training or a round of clustering needs optical flow."""
        return self.sampling.flow_probability > 0 or "flow" in self.clustered_inputs

    @property
    def clustered_inputs(self) -> set[str]:
        """What any round clusters; nothing if the clustering needs no embeddings."""
        return self.rounds.all_inputs if self.clusters_embeddings else set()

    @property
    def clusters_embeddings(self) -> bool:
        """Whether the clustering looks at embeddings at all."""
        return getattr(find_part("clustering", self.clustering.name)[0], "needs_embeddings", True)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, in the form of a YAML file."""
        sections = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: _plain_section(value) for name, value in sections.items()}


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
        >>> load_recipe("best", ["--train.epochs=100"]).train.epochs
        100
    """
    source = _find(str(name_or_path))
    try:
        values = yaml.safe_load(source.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = one_line(error)
        raise RecipeError(f"{name_or_path}: cannot be read as a recipe ({reason}).") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{name_or_path}: a recipe is a YAML mapping of sections.")
    try:
        sections = {str(name): _section_values(str(name), value) for name, value in values.items()}
        for name, value in sections.items():
            _build_section(name, value)  # a mistake in the file names the file
    except RecipeError as error:
        raise RecipeError(f"{name_or_path}: {error}") from error
    words = _split_words(overrides)
    for key, value in sorted(words, key=lambda word: not _names_part(word[0])):
        _override(sections, key, value)  # names first: a new name drops the former arguments
    _follow_init(sections)
    _complete_clip(sections)
    built = {name: _build_section(name, value) for name, value in sections.items()}
    return Recipe(**built)


def default_recipe(overrides: Sequence[str] = ()) -> str:
    """Return the recipe for a run that names none: ``adapt`` where it starts from given weights.

    Args:
        overrides: Settings of the run, as for `load_recipe`.
    """
    values = {
        _SHORTHANDS.get(key, key).removesuffix(".name"): v for key, v in _split_words(overrides)
    }
    elsewhere = not values.get("backbone", "slic/").startswith("slic/")
    return "adapt" if elsewhere or "init.weights" in values else "best"


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
    nearest = difflib.get_close_matches(name, recipe_names(), n=1)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    known = ", ".join(recipe_names())
    raise RecipeError(f"{name}: no such recipe file or name.{hint} Known names: {known}.")


def find_part(section: str, name: str) -> tuple[Callable[..., Any], Collection[str]]:
    """Return the class or function of a part, and its arguments that are not settings.

    Raises:
        RecipeError: There is no such part.
    """
    if section == "backbone":
        entry = find_backbone(name)
        return entry.build, entry.not_settings
    table: Table = CALLBACKS if section == "callbacks" else PARTS[section]
    part: Callable[..., Any] = look_up(name, table, kind=section, error=RecipeError)
    return part, {"parameters", "params"} if section == "optimizer" else ()


def _checked_part(section: str, part: Part) -> Part:
    """Return a part with all its arguments, once it could be built with them."""
    build, skip = find_part(section, part.name)
    arguments = parse_arguments(build, part.arguments, key=section, skip=skip)
    with _named(section):
        if section == "optimizer":
            build([nn.Parameter(torch.zeros(1))], **arguments)
        elif section != "backbone":  # it is large; building it checks its arguments
            build(**arguments)
    return Part(part.name, arguments)


def _check_modalities(recipe: Recipe) -> None:
    """See that the clips of a recipe are what its backbone and its clustering can use."""
    if "motion" in recipe.clustered_inputs and recipe.clip.frames < MIN_MOTION_FRAMES:
        raise RecipeError(
            f"clip.frames is {recipe.clip.frames}, but clustering by motion needs at least "
            f"{MIN_MOTION_FRAMES}."
        )
    backbone = find_part("backbone", recipe.backbone.name)[0]
    seen = getattr(backbone, "modalities", ("rgb", "flow"))
    if recipe.uses_flow and "flow" not in seen:
        raise RecipeError(
            f"backbone {recipe.backbone.name!r} takes RGB clips only: set "
            "sampling.flow_probability to 0 and leave 'flow' out of rounds.inputs, or choose "
            "another backbone."
        )
    if recipe.flow.folder and recipe.clip.fps is not None:
        raise RecipeError(
            f"flow.folder is {recipe.flow.folder}, but clip.fps is {recipe.clip.fps:g}: stored "
            "flow is that from frame to frame of a video. Leave the folder or the rate out."
        )
    if recipe.flow.folder and not recipe.uses_flow:
        raise RecipeError(
            f"flow.folder is {recipe.flow.folder}, but this recipe does not use optical flow. "
            "Leave the folder out, or take a recipe that does, such as paper-ucf101."
        )


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
        sections[section] = yaml.safe_load(value) if section == "callbacks" else value
    elif section in PARTS and name in ("", "name"):
        if sections.get(section, {}).get("name") != value:
            sections[section] = {"name": value}
            if section == "backbone":  # the clips, too, are those of the new backbone
                sections.pop("clip", None)
    elif name and section in {f.name for f in fields(Recipe)} - {"compat", "callbacks"}:
        sections.setdefault(section, {})[name] = value
    else:
        raise unknown_key(key, _all_keys())


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
    with _named(section):
        return options(**arguments)


def _part_of(section: str, values: Mapping[str, Any]) -> Part:
    default = None if section == "callbacks" else getattr(_default_recipe(), section).name
    name = values.get("name", default)
    if not isinstance(name, str):
        raise RecipeError(f"{section}.name is {name!r}, but it must be the name of a part.")
    arguments = {key: value for key, value in values.items() if key != "name"}
    known = settings_of(section, name)
    own = [f"{section}.{key}" for key in ("name", *(known or ()))]
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
    weights = sections.get("init", {}).get("weights", "")
    config = read_encoder_config(weights)
    if config is None:
        return
    given = sections.get("backbone", {})
    if given.get("name", config.backbone) == config.backbone:
        sections["backbone"] = {"name": config.backbone} | config.arguments | given
    sections["clip"] = config.clip.to_dict() | sections.get("clip", {})
    if sections["init"].get("head") == "kept":
        sections["head"] = asdict(config.head)


def _complete_clip(sections: dict[str, Any]) -> None:
    """Take the clips that the backbone's published weights take, where nothing else is said."""
    name = sections.get("backbone", {}).get("name")
    entry = find_backbone(name) if name else None
    if entry is None or not entry.has_native_clip:
        return
    given, native = sections.get("clip", {}), entry.native_clip()
    values = native.to_dict()
    if "fps" in given:
        values["stride"] = 1
    if "stride" in given:
        values.pop("fps", None)
    if native.resize and "size" in given:  # the same share of the frame
        values["resize"] = native.scaled_resize(int(given["size"]))
    sections["clip"] = values | given


def _plain_section(value: Any) -> Any:
    """Turn parts, dataclasses and tuples into what YAML can say without a tag."""
    if isinstance(value, Part):
        return {"name": value.name} | _plain_section(value.arguments)
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_section(asdict(value))
    if isinstance(value, dict):
        return {key: _plain_section(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain_section(inner) for inner in value]
    return value


@contextmanager
def _named(section: str) -> Iterator[None]:
    """Put the name of the section before the message of an error."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError(f"{section}.{error}") from error
