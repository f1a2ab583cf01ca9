"""Every setting of a pretraining run, as frozen dataclasses; a YAML file or a name loads one."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from slic.errors import RecipeError

View = Literal["rgb", "flow", "both", "motion", "motion+flow", "motion+both"]
Look = Literal["rgb", "flow", "motion"]
LOOKS: dict[View, tuple[Look, ...]] = {
    # motion: its layout, which needs no learning
    "rgb": ("rgb",),
    "flow": ("flow",),
    "both": ("rgb", "flow"),
    "motion": ("motion",),
    "motion+flow": ("motion", "flow"),
    "motion+both": ("motion", "rgb", "flow"),
}
SMALLEST = 16  # pixels of a clip's square
FRAMES_FOR_MOTION = 4  # as in slic.models.backbones.motion, which waits for torch


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """What one clip is. Frames are first resized to (4/3 size) x size, as the paper does."""

    frames: int = 16
    stride: int = 1  # every stride-th frame of the video
    size: int = 128  # pixels, of the square that the encoder sees
    remove_camera: bool = False  # take the median vector off every flow frame


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """How the motion of a clip is estimated and drawn."""

    method: Literal["dis", "tv-l1"] = "dis"
    components: Literal["all", "horizontal"] = "all"  # (u, v, length), or u three times
    bound: float = 0.08  # motion a frame step that is drawn at full strength, in picture heights
    folder: str | None = None  # prepared or extracted flow; None: in the videos' folder, if any


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """How the looks at a clip differ; equal for all frames of a clip."""

    area: tuple[float, float] = (0.25, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.5, 0.5, 0.5, 0.5)
    jitter_probability: float = 0.8
    grey: float = 0.2
    blur: float = 0.2


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How a positive is drawn."""

    same_video_probability: float = 0.2
    flow_probability: float = 0.25
    mutual: bool = False  # two videos of a batch are each other's positive, decoded once for both


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """The 3D ResNet and its projection head."""

    depth: Literal[10, 18, 34, 50] = 18
    width: float = 1.0
    stem_stride: tuple[int, int, int] = (1, 2, 2)
    max_pool: bool = False
    shortcut: Literal["A", "B"] = "B"
    hidden: int = 2048
    embedding: int = 128
    subtract_mean_frame: bool = False  # what stands still in a clip is not seen
    motion: bool = False  # beside the pictures, see how they move: computed inside the network


@dataclass(frozen=True, kw_only=True)
class ClusteringSettings:
    """How a round turns embeddings into pseudo-labels."""

    every_epochs: int = 5
    method: Literal["finch", "kmeans", "none"] = "finch"  # none: every video is its own cluster
    partition: int = 0  # of FINCH, 0 is the finest
    clusters: int = 100  # of k-means
    view: View = "rgb"
    first_view: View | None = None  # of the first round; None: as the others
    clips: int = 1  # a video's embedding is the mean over so many clips
    layer: Literal["head", "backbone"] = "head"
    centre: bool = False  # take the mean embedding off before clustering


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The instance term and the temporal term."""

    kind: Literal["triplet", "info_nce"] = "triplet"
    margin: float = 0.2
    negatives: Literal["violating", "semi-hard"] = "violating"
    average_over: Literal["pairs", "active"] = "active"
    temperature: float = 0.1  # of InfoNCE
    temporal_weight: float = 1.0
    temporal_margin: float = 0.04


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Optimizer, length and numerics of the run."""

    epochs: int = 600
    batch_size: int = 32  # videos per step, over all processes together
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.5  # of SGD
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    mean_frame: tuple[float, float] | None = None  # shares of the run: seen from here, whole there
    precision: Literal["fp32", "bf16", "auto"] = "fp32"  # auto: the quicker one of the device
    seed: int = 0
    workers: int = 2  # processes that decode
    snapshot_every_epochs: int = 0  # keep the encoder in snapshots/step-000120; 0: only the last


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole pretraining run; ``paper-ucf101.yaml`` has the paper's values."""

    clip: ClipSettings = field(default_factory=ClipSettings)
    flow: FlowSettings = field(default_factory=FlowSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    clustering: ClusteringSettings = field(default_factory=ClusteringSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    compat: Literal["none", "official"] = "none"  # official: the oddities of the authors' code


_ABOVE_ZERO = (
    "clip.frames",
    "clip.stride",
    "clip.size",
    "flow.bound",
    "encoder.width",
    "encoder.hidden",
    "encoder.embedding",
    "clustering.every_epochs",
    "clustering.clusters",
    "clustering.clips",
    "loss.temperature",
    "train.epochs",
    "train.learning_rate",
)
_NOT_BELOW_ZERO = (
    "clustering.partition",
    "loss.margin",
    "loss.temporal_margin",
    "loss.temporal_weight",
    "train.momentum",
    "train.weight_decay",
    "train.warmup_steps",
    "train.seed",
    "train.workers",
    "train.snapshot_every_epochs",
)
_PROBABILITIES = (
    "augmentation.flip",
    "augmentation.jitter_probability",
    "augmentation.grey",
    "augmentation.blur",
    "sampling.same_video_probability",
    "sampling.flow_probability",
)


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(f.name.removesuffix(".yaml") for f in _shipped() if f.name.endswith(".yaml"))


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Load a shipped recipe by name or a YAML file, then apply ``--section.key=value`` words.

    Raises:
        RecipeError: If there is no such recipe, or a key or value is not one; names the nearest.
    """
    source = _source(str(name_or_path))
    try:
        values = yaml.safe_load(source.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{name_or_path}: cannot be read as a recipe ({reason}).") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{name_or_path}: a recipe is a YAML mapping of sections.")
    _refuse_unknown(values, where=str(name_or_path))
    _refuse_unknown_words(overrides)
    return checked(_parse(values, overrides))


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write every value of a recipe as YAML; `load_recipe` reads it back."""
    path.write_text(yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False), encoding="utf-8")


def checked(recipe: Recipe) -> Recipe:
    """Return the recipe, or raise a RecipeError that names an impossible value."""
    for name in _ABOVE_ZERO:
        if not 0 < (value := attrgetter(name)(recipe)) < math.inf:  # also refuses nan
            raise RecipeError(f"{name} is {value}, but it must be above 0.")
    for name in _NOT_BELOW_ZERO:
        if not 0 <= (value := attrgetter(name)(recipe)) < math.inf:
            raise RecipeError(f"{name} is {value}, but it must not be below 0.")
    for name in _PROBABILITIES:
        if not 0 <= (value := attrgetter(name)(recipe)) <= 1:
            raise RecipeError(f"{name} is {value}, but a probability lies between 0 and 1.")
    if recipe.clip.frames < 2:
        raise RecipeError(f"clip.frames is {recipe.clip.frames}; motion needs at least 2 frames.")
    if recipe.clip.size < SMALLEST:
        raise RecipeError(f"clip.size is {recipe.clip.size}, but it is at least {SMALLEST} pixels.")
    if recipe.train.batch_size < 2:
        raise RecipeError(
            f"train.batch_size is {recipe.train.batch_size}; a positive pair and its negatives "
            "need at least 2 videos."
        )
    if recipe.train.seed >= 2**63:
        raise RecipeError(f"train.seed is {recipe.train.seed}, but it must be below 2^63.")
    start, end = recipe.train.mean_frame or (0.0, 1.0)
    if not (0 <= start <= end <= 1 and start < 1):
        raise RecipeError(
            f"train.mean_frame is {recipe.train.mean_frame}, but it is two shares of the run, "
            "0 <= start <= end <= 1, and starts before its end."
        )
    if recipe.train.mean_frame and recipe.encoder.subtract_mean_frame:
        raise RecipeError(
            "train.mean_frame fades in what encoder.subtract_mean_frame takes off for good; "
            "choose one of the two."
        )
    looks = looks_of_rounds(recipe)
    if recipe.clip.frames < FRAMES_FOR_MOTION and (recipe.encoder.motion or "motion" in looks):
        raise RecipeError(
            f"clip.frames is {recipe.clip.frames}; encoder.motion and clustering by motion need at "
            f"least {FRAMES_FOR_MOTION}."
        )
    if recipe.encoder.motion and (recipe.sampling.flow_probability or "flow" in looks):
        raise RecipeError(
            "encoder.motion sees how pictures move, and a flow look is none: leave flow looks out "
            "(sampling.flow_probability 0, clustering.view rgb) or encoder.motion."
        )
    if recipe.flow.folder and not (recipe.sampling.flow_probability or "flow" in looks):
        raise RecipeError(
            f"flow.folder is {recipe.flow.folder}, but nothing of this recipe looks at flow; leave "
            "the folder out, or take a recipe that does, such as paper-ucf101."
        )
    if min(recipe.encoder.stem_stride) < 1:
        raise RecipeError(
            f"encoder.stem_stride is {recipe.encoder.stem_stride}, but every step is at least 1."
        )
    return recipe


def looks_of_rounds(recipe: Recipe) -> set[Look]:
    """Return what the rounds of clustering look at, the first one's looks among them."""
    if recipe.clustering.method == "none":
        return set()
    first, later = recipe.clustering.first_view, recipe.clustering.view
    return {*LOOKS[later], *LOOKS[first or later]}


def _shipped() -> list[Any]:
    return list(files("slic").joinpath("recipes").iterdir())


def _source(name: str) -> Any:
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


def _known_keys() -> dict[str, Any]:
    """Map every lawful key, dotted where it lies in a section, to its default value."""
    known: dict[str, Any] = {}
    for name, value in vars(Recipe()).items():
        known |= (
            {f"{name}.{key}": inner for key, inner in vars(value).items()}
            if is_dataclass(value)
            else {name: value}
        )
    return known


def _refuse_unknown(values: dict[str, Any], *, where: str) -> None:
    known = _known_keys()
    sections = {key.split(".")[0] for key in known}
    for section, inner in values.items():
        if section in known:  # a setting outside the sections
            continue
        if section not in sections:
            names = [*sorted(sections), *known]  # somebody may have left the section out
            raise _unknown(str(section), names, where=where, what="section")
        if not isinstance(inner, dict):
            raise RecipeError(f"{where}: section {section!r} is {inner!r}, not keys with values.")
        for key in inner:
            if f"{section}.{key}" not in known:
                raise _unknown(f"{section}.{key}", list(known), where=where, what="key")


def _refuse_unknown_words(words: Sequence[str]) -> None:
    known = _known_keys()
    for word in words:
        if word.startswith("--") and (key := word[2:].split("=")[0]) not in known:
            raise _unknown(key, list(known), where="command line", what="setting")


def _unknown(key: str, known: list[str], *, where: str, what: str) -> RecipeError:
    by_tail = {name.split(".")[-1]: name for name in known}
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5) or [
        by_tail[tail]
        for tail in difflib.get_close_matches(key.split(".")[-1], by_tail, n=1, cutoff=0.5)
    ]
    hint = f" The nearest known is {near[0]!r}." if near else f" Known: {', '.join(known)}."
    return RecipeError(f"{where}: unknown {what} {key!r}.{hint}")


def _parse(values: dict[str, Any], overrides: Sequence[str]) -> Recipe:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Recipe, "recipe")
    words = [f"--recipe.{w[2:]}" if w.startswith("--") else w for w in overrides]
    try:
        start = parser.parse_object({"recipe": values})
        parsed = parser.parse_args(words, namespace=start)
        recipe = parser.instantiate(parsed).recipe
    except ArgumentError as error:
        reason = " ".join(str(error).split()).replace("recipe.", "")
        raise RecipeError(f"a setting cannot be read: {reason}") from error
    assert isinstance(recipe, Recipe)
    return recipe


def _plain(value: Any) -> Any:
    """Turn tuples into lists, which YAML can say without a tag."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value
