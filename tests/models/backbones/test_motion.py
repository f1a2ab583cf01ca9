"""The backbone sees RGB, optical flow and the motion descriptor, whatever it sees of the mean."""

import pytest
import torch

from slic.errors import RecipeError
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.motion import MotionR3D
from slic.models.backbones.motion_descriptor import MIN_MOTION_FRAMES, motion_features

RGB_MEAN, RGB_STD = (0.1, 0.2, 0.3), (0.2, 0.2, 0.2)


def make(clip: ClipSpec, mean_frame_weight: float = 1.0) -> MotionR3D:
    torch.manual_seed(0)
    return MotionR3D(clip, depth=10, width=0.0625, mean_frame_weight=mean_frame_weight).eval()


def test_features_are_those_of_its_parts() -> None:
    backbone = make(ClipSpec(frames=4, size=16), mean_frame_weight=0.25)
    clips = torch.rand(2, 3, 4, 16, 16) * 2 - 1
    rgb = clips[:, :, [0, 2]]  # the first frame of each pair
    rgb = rgb - 0.75 * rgb.mean(2, keepdim=True)
    motion = motion_features(clips)
    expected = torch.cat(
        [
            backbone.r3d(torch.cat([rgb, motion.channels], dim=1)),
            backbone.motion_projection(motion.descriptor),
        ],
        dim=1,
    )
    torch.testing.assert_close(backbone(clips), expected)
    assert expected.shape[1] == backbone.feature_size


def test_motion_does_not_depend_on_the_normalisation() -> None:
    plain = make(ClipSpec(frames=4, size=16))
    other = make(ClipSpec(frames=4, size=16, mean=RGB_MEAN, std=RGB_STD))
    clips = torch.rand(2, 3, 4, 16, 16)
    m, s = (torch.tensor(x).view(3, 1, 1, 1) for x in (RGB_MEAN, RGB_STD))
    projected = plain.motion_projection.out_features
    ours, theirs = plain(2 * clips - 1), other((clips - m) / s)
    torch.testing.assert_close(ours[:, -projected:], theirs[:, -projected:], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(ours[:, :-projected], theirs[:, :-projected])


def test_it_needs_four_frames() -> None:
    with pytest.raises(RecipeError, match=r"clip\.frames is 3, but it must be at least 4"):
        MotionR3D(ClipSpec(frames=3))
    descriptor = motion_features(torch.rand(2, 3, MIN_MOTION_FRAMES, 32, 32)).descriptor
    assert descriptor.isfinite().all()
    assert descriptor.square().mean(dim=1).tolist() == pytest.approx([1, 1], rel=1e-4)
