"""Recipe: every setting of a pretraining run."""

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal

from slic.clips.augmentation import Augmentation
from slic.clips.flow import FlowOptions
from slic.errors import RecipeError
from slic.losses import TemporalLoss
from slic.models.adaptation import AdaptationOptions, InitOptions
from slic.models.backbones import ClipSpec
from slic.models.backbones.motion_descriptor import MIN_MOTION_FRAMES
from slic.models.encoder import HeadSpec
from slic.recipe.options import RoundOptions, SamplingOptions, SegmentOptions, TrainOptions
from slic.recipe.parts import PARTS, Part, checked_part, find_part

CompatName = Literal["none", "official"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a pretraining run.

    Attributes:
        clip: The clips that the encoder takes.
        flow: How optical flow is estimated and drawn.
        augmentation: How the views of a clip differ.
        segments: Whether and how recordings are cut into segments.
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
        compat: ``"official"`` restores oddities of the authors' code
            (docs/explanation/official-code.md).

    Raises:
        RecipeError: Two sections contradict each other.
    """

    clip: ClipSpec = field(default_factory=ClipSpec)
    flow: FlowOptions = field(default_factory=FlowOptions)
    augmentation: Augmentation = field(default_factory=Augmentation)
    segments: SegmentOptions = field(default_factory=SegmentOptions)
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
            object.__setattr__(self, section, checked_part(section, getattr(self, section)))
        callbacks = tuple(checked_part("callbacks", part) for part in self.callbacks)
        object.__setattr__(self, "callbacks", callbacks)
        _check_modalities(self)
        _check_stored_views(self)

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


def _check_stored_views(recipe: Recipe) -> None:
    """See that views can be computed before the first step, where a recipe asks for it."""
    if not recipe.sampling.stored_views:
        return
    backbone = find_part("backbone", recipe.backbone.name)[0]
    reasons = {
        f"backbone {recipe.backbone.name!r} has no fixed part": not hasattr(
            backbone, "fixed_features"
        ),
        "temporal.weight is above 0": recipe.temporal.weight > 0,
        "flow clips are used": recipe.uses_flow,
        "the motion descriptor is clustered": "motion" in recipe.clustered_inputs,
    }
    if found := [reason for reason, holds in reasons.items() if holds]:
        raise RecipeError(
            f"sampling.stored_views is {recipe.sampling.stored_views}, but {' and '.join(found)}. "
            "Set it to 0."
        )


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
