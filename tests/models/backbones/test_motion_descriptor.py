"""The motion that an encoder sees: against plain numpy, and on things whose motion is known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor
from torch.nn.functional import cosine_similarity

from slic.models.backbones import motion_descriptor as module
from slic.models.backbones.lucas_kanade import clip_flow
from slic.models.backbones.motion_descriptor import (
    box_courses,
    covariance_roots,
    describe_courses,
    descriptor_size,
    motion_courses,
    motion_descriptor,
    motion_features,
    moving_box,
)

FRAMES = 4
MovingPatch = Callable[..., Tensor]


def motion_channels(clips: Tensor) -> Tensor:
    return motion_features(clips).channels


def test_a_mirror_turns_the_motion_round(moving_patch: MovingPatch) -> None:
    clip = moving_patch((0.6, 0.3))
    right, down, length = motion_channels(clip)[0]
    mirrored = motion_channels(clip.flip(-1))[0].flip(-1)
    for flipped, whole in zip(mirrored, (-right, down, length), strict=True):
        assert (flipped - whole).abs().mean().item() < 0.03  # the camera's places differ


def test_a_length_is_drawn_as_it_says(moving_patch: MovingPatch) -> None:
    clip = moving_patch((0.6, 0.3))
    u, v = (flow.repeat_interleave(2, 2).repeat_interleave(2, 3) for flow in clip_flow(clip))
    drawn = motion_channels(clip)
    length = torch.hypot(u, v)
    torch.testing.assert_close(drawn[:, 2], 2 * length / (0.5 + length))
    torch.testing.assert_close(drawn[:, 0] * length, u * drawn[:, 2])
    torch.testing.assert_close(drawn[:, 1] * length, v * drawn[:, 2])


def test_a_picture_that_stands_does_not_move(moving_patch: MovingPatch) -> None:
    clip = moving_patch((0.6, 0.3))
    still = clip[:, :, :1].expand(-1, -1, FRAMES, -1, -1)
    assert not motion_channels(still).any()
    assert not motion_channels(torch.zeros(1, 3, 2, 33, 47)).any()  # no division by 0


def test_large_clips_are_seen_at_the_same_scale_and_any_shape_comes_back(
    moving_patch: MovingPatch,
) -> None:
    framed = torch.nn.functional.pad(moving_patch((0.6, 0.3))[0], (16,) * 4, mode="replicate")
    large = torch.nn.functional.interpolate(framed, scale_factor=2, mode="nearest")[None]
    clip = framed[None]
    torch.testing.assert_close(
        motion_channels(large)[..., ::2, ::2], motion_channels(clip), atol=1e-4, rtol=1e-3
    )
    assert motion_channels(torch.rand(2, 3, 2, 70, 95)).shape == (2, 3, 1, 70, 95)


def test_many_clips_are_seen_as_each_alone() -> None:
    # one draw for all runs: the root in the descriptor magnifies rounding errors beside zero
    generator = torch.Generator().manual_seed(0)
    clips = torch.rand(module._CLIPS_PER_CHUNK + 3, 3, 4, 16, 16, generator=generator)
    together, alone = motion_features(clips), [motion_features(clip[None]) for clip in clips]
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(whole, torch.cat(parts), atol=1e-3, rtol=1e-3)


def test_the_energy_is_what_the_descriptor_was_scaled_by(moving_patch: MovingPatch) -> None:
    clip = moving_patch((0.6, 0.3))
    still = clip[:, :, :1].expand(-1, -1, FRAMES, -1, -1)
    descriptor, energy = describe_courses(motion_courses(torch.cat([clip, still])))
    roots = covariance_roots(box_courses(*clip_flow(clip)))
    torch.testing.assert_close(descriptor[:1], motion_features(clip).descriptor)
    torch.testing.assert_close(descriptor[:1] * (8 * energy[0]).sqrt(), roots)  # 2 fields, 4 orders
    assert energy[1].item() == 0.0


def test_autocast_does_not_make_it_coarse(moving_patch: MovingPatch) -> None:
    clip = moving_patch((0.6, 0.3))
    with torch.autocast("cpu", torch.bfloat16):
        coarse = motion_channels(clip.bfloat16().float())
        fine = motion_channels(clip)
    assert fine.dtype == torch.float32
    assert torch.equal(fine, motion_channels(clip))
    assert not torch.equal(fine, coarse)


def a_thing_that_swings(
    *, at: tuple[float, float], size: float, way: tuple[float, float], start: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the flow (1, 8, 32, 32) of a disc at (x, y) in half sides, swinging once a clip."""
    places = torch.linspace(-1, 1, 32)
    inside = ((places[None] - at[0]) ** 2 + (places[:, None] - at[1]) ** 2 < size**2).float()
    swing = torch.sin(2 * torch.pi * (torch.arange(8) / 8 + start))[:, None, None]
    return (way[0] * swing * inside)[None], (way[1] * swing * inside)[None]


@pytest.mark.parametrize("at", [(0.0, 0.0), (0.4, -0.3), (-0.5, 0.2)])
@pytest.mark.parametrize("size", [0.2, 0.35])
def test_the_box_is_about_what_swings(at: tuple[float, float], size: float) -> None:
    x, y, reach = moving_box(*a_thing_that_swings(at=at, size=size, way=(1.0, 0.0)))
    assert x.item() == pytest.approx(at[0], abs=0.08)
    assert y.item() == pytest.approx(at[1], abs=0.08)
    assert 0.8 * size < reach.item() < 2.5 * size


def test_what_crosses_the_picture_evenly_does_not_draw_the_box() -> None:
    u, v = a_thing_that_swings(at=(0.4, 0.4), size=0.25, way=(0.0, 1.0))
    u[..., :6, :] = 1.5  # a band that goes to the right all the time
    x, y, _ = moving_box(u, v)
    assert x.item() == pytest.approx(0.4, abs=0.08)
    assert y.item() == pytest.approx(0.4, abs=0.08)


def test_the_descriptor_does_not_depend_on_place_side_start_and_strength() -> None:
    base = a_thing_that_swings(at=(0.0, 0.0), size=0.3, way=(1.0, 0.6))
    descriptor = motion_descriptor(*base)
    assert descriptor.shape == (1, descriptor_size(16))
    alike = [
        a_thing_that_swings(at=(0.35, -0.2), size=0.3, way=(1.0, 0.6)),
        a_thing_that_swings(at=(0.0, 0.0), size=0.3, way=(0.5, 0.3)),
        (-base[0].flip(-1), base[1].flip(-1)),
    ]
    others = [
        a_thing_that_swings(at=(0.0, 0.0), size=0.3, way=(0.0, 1.0)),
        a_thing_that_swings(at=(0.0, 0.0), size=0.3, way=(0.2, 1.0)),
    ]
    later = [a_thing_that_swings(at=(0.0, 0.0), size=0.3, way=(1.0, 0.6), start=0.5)]
    near, nearly, far = (
        [float(cosine_similarity(descriptor, motion_descriptor(*flow))) for flow in flows]
        for flows in (alike, later, others)
    )
    assert min(near) > 0.97
    assert min(nearly) > 0.93  # at the ends of the clip it is another part of the swing
    assert max(far) < 0.75


def test_the_descriptor_is_that_of_plain_numpy() -> None:
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(1, 8, 32, 32, generator=generator) for _ in range(2))
    x, y, reach = (float(n) for n in moving_box(u, v))
    flow = torch.cat([u, v]).clamp(-3, 3).double().numpy()  # 2 t h w
    slow = np.zeros((8, 4, 4, 4))  # frame, direction, row, column
    for i in range(32):
        for j in range(32):
            at = [
                ((place + reach * ((k + 0.5) / 16 - 1)) + 1) * 16 - 0.5
                for place, k in ((y, i), (x, j))
            ]
            for t in range(8):
                right, down = (
                    map_coordinates(np.pad(f[t], 1), np.array(at)[:, None] + 1, order=1)[0]
                    for f in flow
                )
                ways = np.maximum([right, down, -right, -down], 0)
                slow[t, :, i // 8, j // 8] += ways / 64
    numbers: list[float] = []
    for span in (0, 1, 2):
        for a in range(64):
            for b in range(a, 64):
                number = 0.0
                for cells in (slow, slow[:, [2, 1, 0, 3]][..., ::-1]):
                    one, other = (cells.reshape(8, 64)[:, k] for k in (a, b))
                    one, other = one - one.mean(), other - other.mean()
                    for t in range(8 - span):
                        number += one[t] * other[t + span] + other[t] * one[t + span]
                numbers.append(float(np.sign(number) * np.sqrt(np.abs(number))))
    wanted = np.array(numbers) / np.sqrt(np.mean(np.square(numbers)))
    np.testing.assert_allclose(motion_descriptor(u, v)[0].numpy(), wanted, atol=5e-3)


def test_a_clip_without_motion_has_an_empty_descriptor() -> None:
    assert not motion_features(torch.zeros(2, 3, 5, 40, 40)).descriptor.any()
    assert motion_features(torch.rand(2, 3, 5, 40, 40)).descriptor.shape == (2, descriptor_size(5))
