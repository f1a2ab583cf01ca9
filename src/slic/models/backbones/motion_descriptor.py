"""Flow channels and motion descriptor of a clip, computed from optical flow without any weight.

The descriptor separates flow into half-wave rectified channels (Efros et al., ICCV 2003) and pools
them over a grid, as HOF and MBH do (Dalal et al., ECCV 2006; Wang and Schmid, ICCV 2013). It
describes a clip by the covariance of the pooled channels over time.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from slic.models.backbones.lucas_kanade import FrameBatch, clip_flow, smooth

MIN_MOTION_FRAMES: Final = 4
"""Frames that a clip needs. Four frames give two flow fields; the descriptor compares them."""
_HALF_SATURATION: Final = 0.5  # flow length, in grid pixels, drawn at half of the full strength
_CLIPS_PER_CHUNK: Final = 16  # fits into the caches of a CPU; chunks of 64 took 1.5 times as long
DESCRIPTOR_CELLS: Final = 4  # rows and columns of the grid of the descriptor
COURSES: Final = 4 * DESCRIPTOR_CELLS**2  # flow over time: four directions for each cell
_MAX_LAGS: Final = 3  # courses are compared at the same time, and one and two flow fields apart
_BOX_SIZE: Final = 32  # pixels that the moving box is resampled to
_BOX_SMOOTHING: Final = 1 / 43  # sigma of the Gaussian of the box search, as a share of the rows
_BOX_ITERATIONS: Final = 6
_MAX_FLOW: Final = 3.0  # grid pixels; longer vectors are estimation errors
_MIRRORED_DIRECTIONS: Final = [2, 1, 0, 3]  # right, down, left, up; a mirror swaps right and left
Courses = Float[Tensor, "b t2 c"]  # mean flow over time: in 4 directions, by 4x4 cells


class MotionFeatures(NamedTuple):
    """Motion of clips. Two frames give one flow field, so there are half as many fields as frames.

    Attributes:
        channels: Flow to the right, flow downwards and length of the flow, at the size of a frame.
        descriptor: The motion descriptor, see `motion_descriptor`.
    """

    channels: Float[Tensor, "b 3 t2 h w"]
    descriptor: Float[Tensor, "b d"]


class DescribedMotion(NamedTuple):
    """The motion descriptor of clips, and how much moves in them.

    Attributes:
        descriptor: The motion descriptor, see `motion_descriptor`.
        energy: Mean absolute covariance that each descriptor was scaled by, in squared pixels of
            the grid. It is below 1e-5 where only noise moves.
    """

    descriptor: Float[Tensor, "b d"]
    energy: Float[Tensor, " b"]


def motion_features(clips: Float[Tensor, "b 3 t h w"]) -> MotionFeatures:
    """Return the flow channels and the motion descriptor of clips.

    They are computed in float32, also under autocast, and without a gradient.

    Args:
        clips: Clips in [-1, 1] of at least ``MIN_MOTION_FRAMES`` frames.
    """
    with full_precision(clips.device.type), torch.no_grad():
        flows = [(clip_flow(chunk), chunk.shape[-2:]) for chunk in _chunks(clips)]
        channels = [flow_channels(u, v, size=size) for (u, v), size in flows]
        descriptors = [motion_descriptor(u, v) for (u, v), _ in flows]
        return MotionFeatures(torch.cat(channels), torch.cat(descriptors))


def motion_courses(clips: Float[Tensor, "b 3 t h w"]) -> Courses:
    """Return the motion of each cell and direction over time, from which descriptors are computed.

    They are computed in float32, also under autocast, and without a gradient.

    Args:
        clips: Clips in [-1, 1] of at least ``MIN_MOTION_FRAMES`` frames.
    """
    with full_precision(clips.device.type), torch.no_grad():
        return torch.cat([box_courses(*clip_flow(chunk)) for chunk in _chunks(clips)])


def describe_courses(courses: Courses) -> DescribedMotion:
    """Return the motion descriptor of clips, and how much moves in them.

    Args:
        courses: See `motion_courses`.
    """
    x = covariance_roots(courses)
    times_and_orders = 4 * courses.shape[1]  # summed over these, see covariance_roots
    return DescribedMotion(unit_power(x), energy=x.square().mean(dim=1) / times_and_orders)


def full_precision(device_type: str) -> AbstractContextManager[None]:
    """Return a context without autocast."""
    # autocast does not exist on "meta", where operations are counted
    autocasts = torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(
        device_type
    )
    return torch.autocast(device_type, enabled=False) if autocasts else nullcontext()


def _chunks(clips: Float[Tensor, "b 3 t h w"]) -> tuple[Tensor, ...]:
    """Split clips so that each part fits into the caches of a CPU.

    An exported program takes any number of clips, so the number of parts is unknown there.
    """
    chunked = clips.device.type == "cpu" and not torch.compiler.is_compiling()
    return torch.split(clips, _CLIPS_PER_CHUNK) if chunked else (clips,)


def flow_channels(
    u: FrameBatch, v: FrameBatch, *, size: Sequence[int]
) -> Float[Tensor, "b 3 t h2 w2"]:
    """Return flow to the right, flow downwards and its length as three channels.

    A length x, in grid pixels, becomes ``2 x / (0.5 + x)``. Slow limbs then stay visible beside
    fast motion and beside estimation errors.

    Args:
        u: Flow to the right, in grid pixels.
        v: Flow downwards, in grid pixels.
        size: Rows and columns of the result.
    """
    length = (u.square() + v.square()).sqrt_()
    strength = 2.0 / (_HALF_SATURATION + length)
    channels = torch.stack([u * strength, v * strength, length * strength], dim=-1)
    rows, columns = (  # nearest neighbour; channels stay last in memory, as in clips
        torch.arange(side, device=u.device) * small // side
        for side, small in zip(size, u.shape[-2:], strict=True)
    )
    return channels.index_select(2, rows).index_select(3, columns).permute(0, 4, 1, 2, 3)


def motion_descriptor(u: FrameBatch, v: FrameBatch) -> Float[Tensor, "b d"]:
    """Return which parts of the moving region move together, as one vector per clip.

    1. The region is the square of `moving_box`, divided into 4x4 cells.
    2. Motion to the right, down, left and up (half-wave channels) is averaged per cell. This gives
       64 courses over time.
    3. The covariances of all pairs of courses are taken at time lags 0, 1 and 2, summed over both
       orders of a pair and over the mirrored clip.
    4. Signed square roots reduce large values, and the vector is scaled to a mean square of 1.

    The descriptor does therefore not depend on the position and size of the moving region, on the
    direction it faces, on the strength of the motion, or on constant motion.

    Args:
        u: Flow to the right, in grid pixels.
        v: Flow downwards, in grid pixels.

    Returns:
        Vectors of `descriptor_size` numbers: 64 * 65 / 2 for each time lag.
    """
    return unit_power(covariance_roots(box_courses(u, v)))


def box_courses(u: FrameBatch, v: FrameBatch) -> Courses:
    """Return the motion of each cell of the moving box over time, in grid pixels."""
    u, v = u.clamp(-_MAX_FLOW, _MAX_FLOW), v.clamp(-_MAX_FLOW, _MAX_FLOW)
    return _courses(*_inside_box(u, v))


def covariance_roots(courses: Courses) -> Float[Tensor, "b d"]:
    """Return the motion descriptor before it is scaled: its length tells how much moves."""
    courses = courses - courses.mean(dim=1, keepdim=True)
    cells = torch.arange(COURSES, device=courses.device).view(
        -1, DESCRIPTOR_CELLS, DESCRIPTOR_CELLS
    )
    mirror_of = cells[_MIRRORED_DIRECTIONS].flip(-1).flatten()
    first, second = torch.triu_indices(COURSES, COURSES, device=courses.device)
    covariances = []
    for lag in range(_lag_count(courses.shape[1])):
        pairs = courses[:, : courses.shape[1] - lag].mT @ courses[:, lag:]
        pairs = pairs + pairs.mT
        covariances.append(pairs[:, first, second] + pairs[:, mirror_of[first], mirror_of[second]])
    x = torch.cat(covariances, dim=1)
    return x.sign() * x.abs().sqrt()


def unit_power(x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    """Scale vectors to a mean square of 1."""
    return x * x.square().mean(dim=1, keepdim=True).clamp(min=1e-12).rsqrt()


def _inside_box(
    u: FrameBatch, v: FrameBatch
) -> tuple[Float[Tensor, "b t h2 w2"], Float[Tensor, "b t h2 w2"]]:
    """Resample flow to the moving box; outside the frame there is no motion."""
    centre_x, centre_y, reach = moving_box(u, v)
    steps = (torch.arange(_BOX_SIZE, device=u.device) + 0.5) * (2 / _BOX_SIZE) - 1
    x = (centre_x[:, None] + reach[:, None] * steps)[:, None, :].expand(-1, _BOX_SIZE, -1)
    y = (centre_y[:, None] + reach[:, None] * steps)[:, :, None].expand(-1, -1, _BOX_SIZE)
    flow = torch.cat([u, v], dim=1)
    inside = grid_sample(flow, torch.stack([x, y], dim=-1), align_corners=False)
    u, v = inside.chunk(2, dim=1)
    return u, v


def _courses(u: FrameBatch, v: FrameBatch) -> Courses:
    """Return the mean half-wave flow of each cell over time: 4 directions times 16 cells."""
    directions = torch.stack([u.relu(), v.relu(), (-u).relu(), (-v).relu()], dim=2)  # b t 4 h w
    pooled = avg_pool2d(directions.flatten(1, 2), _BOX_SIZE // DESCRIPTOR_CELLS)
    return pooled.view(*directions.shape[:2], COURSES)


def moving_box(
    u: Float[Tensor, "b t h w"], v: Float[Tensor, "b t h w"]
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Return the square around the region that moves back and forth in each clip.

    Each place is weighted by the standard deviation of its flow over time, above 1.5 times the
    median of the frame. Things that cross the frame steadily therefore count little.

    Returns:
        Centre x, centre y and half the side of the square, in units of half the frame, with the
        origin in the middle of the frame. Half the side is twice the weighted standard deviation,
        limited to [0.35, 1].
    """
    h, w = u.shape[-2:]
    away_u, away_v = (x - x.mean(dim=1, keepdim=True) for x in (u, v))  # var() is slow here
    variance = (away_u.square() + away_v.square()).sum(dim=1) / (u.shape[1] - 1)
    amount = variance.clamp(max=4.0).sqrt()
    amount = smooth(amount, _BOX_SMOOTHING * h)
    median = amount.flatten(1).median(dim=1).values[:, None, None]
    amount = (amount - 1.5 * median).relu() + 1e-6
    rows = torch.linspace(-1, 1, h, device=u.device)[:, None]
    columns = torch.linspace(-1, 1, w, device=u.device)
    weight = amount
    for iteration in range(_BOX_ITERATIONS):
        share = weight / weight.sum(dim=(1, 2), keepdim=True)
        x, y = (share * columns).sum(dim=(1, 2)), (share * rows).sum(dim=(1, 2))
        away = (columns - x[:, None, None]).square() + (rows - y[:, None, None]).square()
        if iteration == _BOX_ITERATIONS - 1:
            break
        weight = amount * torch.exp(-away / (2 * 0.7**2))  # mean shift towards the main region
    spread = ((share * away).sum(dim=(1, 2)) / 2).sqrt()
    return x, y, (2 * spread).clamp(0.35, 1.0)


def descriptor_size(frames: int) -> int:
    """Return the length of the motion descriptor of a clip of ``frames`` frames."""
    return _lag_count(frames // 2) * COURSES * (COURSES + 1) // 2


def _lag_count(flow_fields: int) -> int:
    """Return the number of time lags that so few flow fields allow."""
    return min(_MAX_LAGS, flow_fields)
