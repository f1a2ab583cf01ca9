"""TwoStreams: appearance and motion of a clip as two vectors, without training."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import ClassVar, Final

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from slic.arguments import require
from slic.errors import CheckpointError
from slic.models.backbones.appearance_descriptor import APPEARANCE_SIZE, appearance_descriptor
from slic.models.backbones.base import ClipSpec, unit_range
from slic.models.backbones.motion_descriptor import (
    COURSES,
    MIN_MOTION_FRAMES,
    describe_courses,
    descriptor_size,
    full_precision,
    motion_courses,
)
from slic.models.weights import load_exactly

MOTION_SIZE: Final = 384
"""Length of the motion vector: principal components, and one number for stillness."""
_STILL: Final = 0.0026**2  # energy that counts as half moving, in squared grid pixels
WEIGHTS_FILE: Final = "two_stream.safetensors"


class TwoStreams(nn.Module):
    """Appearance of the mean frame, and motion from optical flow, as two vectors.

    Appearance is `appearance_descriptor`, motion is `motion_descriptor`; both are fixed functions
    of the clip. A linear layer follows each, and each vector has unit length. The published layers
    are not learnt from labels: they subtract the mean descriptor of drawn videos, and keep the
    principal components of motion.

    The last number of the motion vector tells how still the clip is. Where nothing moves it is 1
    and the others are 0, so that two still clips are alike in motion, and noise is not compared.

    Args:
        clip: The clips that it takes, of at least ``MIN_MOTION_FRAMES`` frames.
        hidden: Width of a residual block on the motion vector, to be trained: linear, ReLU, linear.
            It begins as the identity; what it learns changes the length of the vector. 0 for none.

    Raises:
        RecipeError: The clips have too few frames, or ``hidden`` is negative.

    Example:
        >>> backbone = TwoStreams(TwoStreams.native_clip())
        >>> backbone.load_pretrained("pretrained")
    """

    version: int = 1
    modalities: tuple[str, ...] = ("rgb",)
    licence: ClassVar[str] = "Apache-2.0"

    def __init__(self, clip: ClipSpec, *, hidden: int = 0) -> None:
        super().__init__()
        require(hidden >= 0, "hidden", hidden, "at least 0")
        least = f"at least {MIN_MOTION_FRAMES} for the backbone 'slic/two-stream'"
        require(clip.frames >= MIN_MOTION_FRAMES, "clip.frames", clip.frames, least)
        self.clip = clip
        self.appearance = nn.Linear(APPEARANCE_SIZE, APPEARANCE_SIZE)
        self.motion = nn.Linear(descriptor_size(clip.frames), MOTION_SIZE - 1)
        self.residual = _identity_block(hidden) if hidden else None
        self.feature_size = APPEARANCE_SIZE + MOTION_SIZE
        self.fixed_size = APPEARANCE_SIZE + clip.frames // 2 * COURSES

    @staticmethod
    def native_clip() -> ClipSpec:
        """Return the clips that the published layers were computed from."""
        return ClipSpec(frames=16, size=96)

    @property
    def vectors(self) -> dict[str, int]:
        """Names and lengths of the two vectors."""
        return {"appearance": APPEARANCE_SIZE, "motion": MOTION_SIZE}

    @property
    def blocks(self) -> list[nn.Module]:
        """The layers of both vectors."""
        layers = [self.appearance, self.motion, self.residual]
        return [nn.ModuleList(layer for layer in layers if layer is not None)]

    def forward(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b f"]:
        """Return the appearance vector and the motion vector of each clip, each of unit length."""
        return self.from_fixed(self.fixed_features(clips))

    @torch.no_grad()
    def fixed_features(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b s"]:
        """Return what the trained layers are applied to: it does not depend on any weight."""
        with full_precision(clips.device.type):
            clips = unit_range(clips.float(), self.clip)
            return torch.cat([appearance_descriptor(clips), motion_courses(clips).flatten(1)], 1)

    def from_fixed(self, fixed: Float[Tensor, "b s"]) -> Float[Tensor, "b f"]:
        """Return the vectors of clips whose `fixed_features` are known."""
        with full_precision(fixed.device.type):
            courses = fixed[:, APPEARANCE_SIZE:].reshape(-1, self.clip.frames // 2, COURSES)
            descriptor, energy = describe_courses(courses)
            appearance = self.appearance(fixed[:, :APPEARANCE_SIZE])
            moving = normalize(torch.stack([energy, torch.full_like(energy, _STILL)], 1), dim=1)
            motion = normalize(self.motion(descriptor), dim=1)
            motion = torch.cat([moving[:, :1] * motion, moving[:, 1:]], dim=1)
            if self.residual is not None:
                motion = motion + self.residual(motion)  # at unit length it learnt less
            return torch.cat([normalize(appearance, dim=1), motion], dim=1)

    def load_pretrained(self, weights: str) -> None:
        """Load the layers that are part of the package.

        Args:
            weights: ``"pretrained"``; there are no others.

        Raises:
            CheckpointError: There are no such weights, or the clips are too short for them.
        """
        if weights != "pretrained":
            raise CheckpointError(
                f"slic/two-stream has no weights {weights!r}; it has 'pretrained'."
            )
        untrained = {k: v for k, v in self.state_dict().items() if k.startswith("residual.")}
        with as_file(files(__package__) / WEIGHTS_FILE) as path:
            load_exactly(self, _read(path) | untrained, source=path)


def _identity_block(hidden: int) -> nn.Sequential:
    """Return the layers of a residual block that adds nothing at first."""
    last = nn.Linear(hidden, MOTION_SIZE)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(MOTION_SIZE, hidden), nn.ReLU(), last)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: weights cannot be read ({error}).") from error
