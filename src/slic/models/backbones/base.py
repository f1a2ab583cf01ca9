"""What a backbone is, and which clips it takes."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from slic.arguments import require

MIN_CLIP_SIZE = 16
"""Pixels. Smaller clips vanish in the strides of every 3D network."""

MAX_CLIP_PIXELS = 1 << 28
"""Pixels of all frames of a clip: 3 GiB as float32."""

MAX_FRAME_SIDE = 1 << 14
MAX_STRIDE = 1 << 20

Rgb = tuple[float, float, float]
Resize = int | tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """The clips that a backbone takes; the defaults are the paper's.

    Attributes:
        frames: Number of frames of a clip, at least 2.
        stride: Distance between two frames of a clip, in video frames.
        fps: Frames per second of a clip, by presentation time, so that clips of all videos last
            equally long. None takes frames of the video, ``stride`` apart. A rate needs stride 1.
        size: Height and width of a clip, in pixels.
        resize: What frames are resized to before a square of ``size`` is cropped, in pixels. One
            number is the length of the shorter side; the aspect ratio is kept. Two are width and
            height. None resizes to 4:3, ``size`` pixels high, as the paper does.
        mean: Per-channel RGB mean used for normalisation, in [0, 1].
        std: Per-channel RGB standard deviation used for normalisation, above 0.

    Raises:
        RecipeError: A value is out of its range.
    """

    frames: int = 16
    stride: int = 1
    fps: float | None = None
    size: int = 128
    resize: Resize = None
    mean: Rgb = (0.5, 0.5, 0.5)
    std: Rgb = (0.5, 0.5, 0.5)

    @property
    def spacing(self) -> str:
        """How far apart frames are, in words."""
        return f"stride {self.stride}" if self.fps is None else f"{self.fps:g} frames per second"

    def scaled_resize(self, size: int) -> Resize:
        """Return ``resize`` for clips of another size that show the same share of a frame."""
        if self.resize is None:
            return None
        if isinstance(self.resize, int):
            return round(self.resize * size / self.size)
        width, height = self.resize
        return round(width * size / self.size), round(height * size / self.size)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, without ``fps`` and ``resize`` where they are None.

        Settings from before there were these fields then stay as they are.
        """
        optional = {"fps", "resize"}
        return {k: v for k, v in asdict(self).items() if k not in optional or v is not None}

    def __post_init__(self) -> None:
        require(self.frames >= 2, "frames", self.frames, "at least 2")
        require(
            1 <= self.stride <= MAX_STRIDE,
            "stride",
            self.stride,
            f"a number from 1 to {MAX_STRIDE}",
        )
        if self.fps is not None:
            require(0 < self.fps < math.inf, "fps", self.fps, "a finite number above 0, or null")
            require(self.stride == 1, "stride", self.stride, "1 where fps sets the rate of a clip")
        require(self.size >= MIN_CLIP_SIZE, "size", self.size, f"at least {MIN_CLIP_SIZE} pixels")
        pixels = self.frames * self.size**2
        require(
            pixels <= MAX_CLIP_PIXELS, "frames x size x size", pixels, f"at most {MAX_CLIP_PIXELS}"
        )
        if self.resize is not None:
            sides = (self.resize,) if isinstance(self.resize, int) else self.resize
            allowed = range(self.size, MAX_FRAME_SIDE + 1)
            rule = f"{self.size} to {MAX_FRAME_SIDE}"
            require(all(side in allowed for side in sides), "resize", self.resize, rule)
        require(
            all(abs(x) <= 1e3 for x in self.mean), "mean", self.mean, "three numbers up to 1000"
        )
        in_range = all(1e-6 <= x <= 1e6 for x in self.std)
        require(in_range, "std", self.std, "three numbers from 0.000001 to 1000000")


@runtime_checkable
class Backbone(Protocol):
    """A `torch.nn.Module` that turns clips into feature vectors.

    The constructor takes the keyword argument ``clip`` (a `ClipSpec`) and keyword arguments of its
    own, which are the keys of the section ``backbone`` of a recipe.

    A backbone may also have the following, each of which a caller looks for:

    * ``native_clip(**fixed)``, static: the `ClipSpec` of its published weights.
    * ``load_pretrained(weights)``: load published weights by name; ``"pretrained"`` is the default.
    * ``load_weights(state, source=path)``: load a state dict of the library that it comes from.
    * ``arguments``: keyword arguments that rebuild it without a download.
    * ``save_files(folder)`` and ``load_files(folder)``: files beside the weights.
    * ``vectors``: names and lengths of the parts of a feature vector; see `vectors_of`.
    * ``blocks``: its modules from input to output, for freezing and layer-wise learning rates.
    * ``gradient_checkpointing(enabled)``: compute activations again in the backward pass.
    * ``fixed_features(clips)``, ``from_fixed(features)`` and ``fixed_size``: what comes before the
      first trained layer, the rest, and the length between; training can then keep the former
      (``sampling.stored_views``).
    * ``encode_text(texts)``: vectors in the space of the part ``"text"``.
    * ``licence`` of the weights, and ``extra``, the optional dependency that it needs.

    Attributes:
        version: Raise it when a change of the code computes other features from the same weights.
            It is part of the encoder's fingerprint, and encoders of other versions are refused.
        feature_size: Length of a feature vector.
        clip: The clips that it takes.
        modalities: What the clips may show: ``"rgb"``, ``"flow"`` or both.
    """

    version: int
    feature_size: int
    clip: ClipSpec
    modalities: tuple[str, ...]

    def __call__(self, clips: Float[Tensor, "b 3 t h w"], /) -> Float[Tensor, "b f"]:
        """Return one feature vector per clip.

        Args:
            clips: Pixels, normalised with the mean and standard deviation of ``clip``.
        """
        ...


@runtime_checkable
class HidesMeanFrame(Protocol):
    """A backbone that can subtract a share of the mean frame from its clips.

    Attributes:
        mean_frame_weight: Share of the mean frame that stays in the clips, in [0, 1]. It is saved
            with the encoder as a constructor argument.
    """

    mean_frame_weight: float


def subtract_mean_frame(
    clips: Float[Tensor, "b c t h w"], *, weight: float
) -> Float[Tensor, "b c t h w"]:
    """Subtract the share ``1 - weight`` of each clip's mean over time.

    With weight 0, everything that does not move becomes grey.
    """
    if weight >= 1.0:
        return clips
    return clips - (1.0 - weight) * clips.mean(dim=2, keepdim=True)


def unit_range(clips: Float[Tensor, "b 3 t h w"], clip: ClipSpec) -> Float[Tensor, "b 3 t h w"]:
    """Undo the normalisation of clips: return them in [-1, 1]."""
    if clip.mean == clip.std == (0.5, 0.5, 0.5):
        return clips
    mean, std = (clips.new_tensor(x).view(3, 1, 1, 1) for x in (clip.mean, clip.std))
    return 2.0 * (clips * std + mean) - 1.0


def current_arguments(backbone: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the constructor arguments that rebuild a backbone as it is now."""
    if isinstance(backbone, HidesMeanFrame):
        return arguments | {"mean_frame_weight": backbone.mean_frame_weight}
    return arguments | getattr(backbone, "arguments", {})


def vectors_of(backbone: Any) -> dict[str, int]:
    """Return the names and lengths of the parts of a feature vector, in their order.

    Each part is compared on its own, and a search weights them. Most backbones have one part,
    ``"embedding"``.
    """
    default = {"embedding": backbone.feature_size}
    return dict(getattr(backbone, "vectors", default))
