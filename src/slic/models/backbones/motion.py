"""MotionR3D: an R3D that also sees optical flow, beside a projected motion descriptor."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slic.arguments import require
from slic.models.backbones.base import ClipSpec, subtract_mean_frame, unit_range
from slic.models.backbones.motion_descriptor import (
    MIN_MOTION_FRAMES,
    descriptor_size,
    motion_features,
)
from slic.models.backbones.r3d import R3D, Depth, Shortcut


class MotionR3D(nn.Module):
    """R3D on RGB and flow channels, concatenated with a linear map of the motion descriptor.

    Optical flow is computed from the clip inside the network (`lucas_kanade`). An R3D with random
    weights needs thousands of steps to find motion, and its pooling loses where things move. The
    flow channels show motion from the first step on, and the descriptor keeps its arrangement.

    Args:
        clip: The clips that it takes, of at least ``MIN_MOTION_FRAMES`` frames.
        depth: See `R3D`, as for the arguments below.
        width: Factor on the channels.
        stem_stride: Stride of the stem.
        max_pool: Whether a max-pool follows the stem.
        shortcut: Shortcut of blocks that change the shape.
        mean_frame_weight: Share of each clip's mean frame that the network sees, in [0, 1]. Motion
            does not depend on it.

    Raises:
        RecipeError: An argument is out of its range.
    """

    version: int = 1
    modalities: tuple[str, ...] = ("rgb",)

    def __init__(
        self,
        clip: ClipSpec,
        *,
        depth: Depth = 18,
        width: float = 1.0,
        stem_stride: tuple[int, int, int] = (1, 2, 2),
        max_pool: bool = False,
        shortcut: Shortcut = "B",
        mean_frame_weight: float = 1.0,
    ) -> None:
        super().__init__()
        least = f"at least {MIN_MOTION_FRAMES} for the backbone 'motion'"
        require(clip.frames >= MIN_MOTION_FRAMES, "clip.frames", clip.frames, least)
        require(0 <= mean_frame_weight <= 1, "mean_frame_weight", mean_frame_weight, "in [0, 1]")
        self.clip = clip
        self.mean_frame_weight = mean_frame_weight
        self.r3d = R3D(
            clip,
            depth=depth,
            width=width,
            stem_stride=stem_stride,
            max_pool=max_pool,
            shortcut=shortcut,
            input_channels=6,
        )
        # twice the features of the R3D: half as many cost 4 points of R@1
        projected = 2 * self.r3d.feature_size
        self.motion_projection = nn.Linear(descriptor_size(clip.frames), projected, bias=False)
        self.feature_size = self.r3d.feature_size + projected

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of the R3D, and the projection of the descriptor."""
        return [*self.r3d.blocks, self.motion_projection]

    def gradient_checkpointing(self, enabled: bool) -> None:
        """Compute the activations of each block again in the backward pass, or keep them."""
        self.r3d.gradient_checkpointing(enabled)

    def forward(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b f"]:
        """Return one feature vector per clip: R3D features, then the projected descriptor."""
        motion = motion_features(unit_range(clips, self.clip))
        rgb = subtract_mean_frame(clips[:, :, :-1:2], weight=self.mean_frame_weight)
        features = self.r3d(_stack_channels(rgb, motion.channels))
        return torch.cat([features, self.motion_projection(motion.descriptor)], dim=1)


def _stack_channels(
    rgb: Float[Tensor, "b 3 t h w"], flow: Float[Tensor, "b 3 t h w"]
) -> Float[Tensor, "b 6 t h w"]:
    """Concatenate channels, channels last in memory and in the dtype that autocast would choose."""
    b, _, t, h, w = rgb.shape
    kind, dtype = rgb.device.type, rgb.dtype
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
    both = rgb.new_empty(b, t, h, w, 6, dtype=dtype).permute(0, 4, 1, 2, 3)
    both[:, :3], both[:, 3:] = rgb, flow
    return both
