"""Settings of a run that are not those of a part: sampling, rounds, length and numerics."""

import math
from dataclasses import dataclass
from typing import Literal

from slic.arguments import require
from slic.videos.segments import MIN_SECONDS

RoundInput = Literal["rgb", "flow", "motion"]


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
        stored_views: Number of augmented views of each video that are computed once, up to the
            first trained layer, and used in every epoch. 0 draws new views for every sample. It
            needs a backbone that begins with a fixed function, such as slic/two-stream.
    """

    same_video_probability: float = 0.2
    flow_probability: float = 0.25
    reciprocal_positives: bool = False
    stored_views: int = 0

    def __post_init__(self) -> None:
        for name in ("same_video_probability", "flow_probability"):
            value = getattr(self, name)
            require(0 <= value <= 1, name, value, "a probability in [0, 1]")
        allowed = self.stored_views == 0 or self.stored_views >= 2
        require(allowed, "stored_views", self.stored_views, "0, or at least 2")


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """How long recordings are cut into segments, each of which is trained on as a video.

    Attributes:
        seconds: Length of a segment, at least 0.1. None trains on whole videos.
        stride: Seconds between the starts of two segments; None is ``seconds``. Smaller ones
            overlap.
        skip_still: Whether segments in which nothing moves are left out.
    """

    seconds: float | None = None
    stride: float | None = None
    skip_still: bool = False

    def __post_init__(self) -> None:
        for name in ("seconds", "stride"):
            value = getattr(self, name)
            fits = value is None or MIN_SECONDS <= value < math.inf
            require(fits, name, value, f"at least {MIN_SECONDS:g} seconds")
        cut = self.seconds is not None or (self.stride is None and not self.skip_still)
        require(cut, "seconds", self.seconds, "given where stride or skip_still is")


@dataclass(frozen=True, kw_only=True)
class RoundOptions:
    """When videos are clustered, and from which embeddings.

    Attributes:
        every_epochs: Epochs between two rounds of clustering; the paper uses 5.
        first_epoch: Epoch before which the first clustering comes. Until then every video is its
            own cluster; 0 (the paper) clusters from the start.
        inputs: What is clustered: embeddings of ``"rgb"`` or ``"flow"`` clips, or the ``"motion"``
            descriptor, which needs no learning. Several are concatenated.
        first_inputs: What is clustered in the first round. None means ``inputs``.
        clips: Number of clips of a video whose embeddings are averaged; the paper uses 1.
        layer: ``"head"`` (the paper) or ``"backbone"``: which output is clustered.
        centre: Whether the mean embedding is subtracted first.
    """

    every_epochs: int = 5
    first_epoch: int = 0
    inputs: tuple[RoundInput, ...] = ("rgb",)
    first_inputs: tuple[RoundInput, ...] | None = None
    clips: int = 1
    layer: Literal["head", "backbone"] = "head"
    centre: bool = False

    def __post_init__(self) -> None:
        require(self.every_epochs >= 1, "every_epochs", self.every_epochs, "at least 1")
        require(self.first_epoch >= 0, "first_epoch", self.first_epoch, "at least 0")
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
        epochs: Number of passes over the videos. None where ``steps`` says the length.
        steps: Number of steps, if ``epochs`` is not given. ``"auto"`` follows from the number of
            videos or segments: 240 up to 400, more with its square root, at least 4 epochs.
        batch_size: Videos per step, over all processes together.
        accumulate: Parts in which each batch is embedded, to save memory. Each video still sees the
            negatives of the whole batch. Embedding takes twice as long for 2 or more.
        groups: Groups of a batch. Losses and batch norm are those of each group alone, and the
            losses are averaged. The authors' code has one group per GPU: 2 on UCF101, 8 on
            Kinetics-400. With several processes, 1 or a multiple of their number.
        precision: ``"fp32"``, ``"bf16"``, or ``"auto"``: the faster one on the device.
        seed: Seed of the weights and of every draw.
        workers: Number of processes that decode videos; 0 decodes in the main process.
        snapshot_every_epochs: Keep the encoder every so many epochs; 0 keeps only the last.
    """

    epochs: int | None = None
    steps: int | Literal["auto"] | None = "auto"
    batch_size: int = 32
    accumulate: int = 1
    groups: int = 1
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    seed: int = 0
    workers: int = 2
    snapshot_every_epochs: int = 0

    def __post_init__(self) -> None:
        self._require_one_length()
        rule = "at least 2: a positive pair and its negatives need two videos"
        require(self.batch_size >= 2, "batch_size", self.batch_size, rule)
        require(self.accumulate >= 1, "accumulate", self.accumulate, "at least 1")
        rule = f"1 to {self.batch_size // 2}: a group of the batch needs two videos"
        require(1 <= self.groups <= self.batch_size // 2, "groups", self.groups, rule)
        require(0 <= self.seed < 2**63, "seed", self.seed, "at least 0 and below 2^63")
        for name in ("workers", "snapshot_every_epochs"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")

    def _require_one_length(self) -> None:
        """See that either ``epochs`` or ``steps`` says the length; epochs replace ``"auto"``."""
        if self.epochs is None and self.steps is None:
            object.__setattr__(self, "steps", "auto")
        elif self.epochs is not None and self.steps == "auto":
            object.__setattr__(self, "steps", None)
        for name in ("epochs", "steps"):
            value = getattr(self, name)
            require(value in (None, "auto") or value >= 1, name, value, "at least 1")
        rule = f"left out or null where epochs are given ({self.epochs})"
        require(self.epochs is None or self.steps is None, "steps", self.steps, rule)
