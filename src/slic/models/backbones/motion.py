"""How a clip moves, computed from its pictures inside the network: Lucas-Kanade flow.

A 3D network with random weights that sees whole pictures takes thousands of steps to find that
motion can be seen at all, and its pooling forgets where (docs/experiments.md). The channels show
the motion from the first step on, the layout keeps which parts move together; both need no flow
file, no other input and no weight.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, pad

GRID: Final = 96
"""Rows that pictures are compared on: what is seen moves by up to about two of them a frame."""
FRAMES_FOR_MOTION: Final = 4
"""Pictures that a clip needs: two of motion, for its layout tells how motion changes."""
_BEFORE: Final = 0.65  # Gaussian that pictures are smoothed with, in pixels of the grid
_WINDOW: Final = 1.2  # Gaussian window that a place's motion is estimated in
_NOISE: Final = 1e-4  # squared gradient of roots in 0..1 below which there is nothing to see
_SOFT: Final = 0.5  # motion, in pixels of the grid, that is drawn at half of the greatest strength
_TURNS: Final = 3  # of the search for the camera's motion
_AT_ONCE: Final = 16  # clips that fit into a processor's caches: 64 took 1.5 times as long
_SPARSE: Final = 4  # every so many rows and columns have a say in it
CELLS: Final = 4  # rows and columns of the layout
_COURSES: Final = 4 * CELLS**2  # motion over time: four directions of each cell
_SPANS: Final = 3  # courses are compared at the same time, and up to two pictures of motion apart
_BOX: Final = 32  # pixels that a box is drawn with
_BOX_BLUR: Final = 1 / 43  # Gaussian that the search smooths with, in rows of the picture
_BOX_TURNS: Final = 6  # of the search for it
_LARGEST: Final = 3.0  # pixels of the grid; what is faster was not seen well
_MIRRORED: Final = [2, 1, 0, 3]  # right, down, left, up: a mirror swaps right and left

Picture = Float[Tensor, "b t h w"]


class Motion(NamedTuple):
    """What a network is told of the motion of its clips, from each picture to its successor.

    The pictures of a clip go in pairs, so there is one picture of motion for two of the clip.
    """

    channels: Float[Tensor, "b 3 t2 h w"]
    layout: Float[Tensor, "b d"]


def motion_of(clips: Float[Tensor, "b 3 t h w"]) -> Motion:
    """Return the motion of clips in -1..1; computed in float32, and without a gradient."""
    kind = clips.device.type
    coarse = torch.amp.is_autocast_available(kind)  # not on "meta", where operations are counted
    parts = torch.split(clips, _AT_ONCE) if kind == "cpu" else (clips,)
    with torch.autocast(kind, enabled=False) if coarse else nullcontext(), torch.no_grad():
        made = [_motion_of(part) for part in parts]
        return Motion(*(torch.cat(pieces) for pieces in zip(*made, strict=True)))


def _motion_of(clips: Float[Tensor, "b 3 t h w"]) -> Motion:
    u, v = clip_flow(clips)
    return Motion(_channels(u, v, clips.shape[-2:]), _layout(u, v))


def _channels(u: Picture, v: Picture, size: Sequence[int]) -> Float[Tensor, "b 3 t h2 w2"]:
    """Return motion to the right, motion down, and its length, for every place of a picture.

    A length x in pixels of the grid becomes ``2 x / (0.5 + x)``: slow limbs show, and a mistaken
    fast motion does not outshine them.
    """
    length = (u.square() + v.square()).sqrt_()
    strength = 2.0 / (_SOFT + length)
    drawn = torch.stack([u * strength, v * strength, length * strength], dim=-1)
    rows, columns = (  # the nearest; channels stay last in memory, as clips come
        torch.arange(side, device=u.device) * small // side
        for side, small in zip(size, u.shape[-2:], strict=True)
    )
    return drawn.index_select(2, rows).index_select(3, columns).permute(0, 4, 1, 2, 3)


def _layout(u: Picture, v: Picture) -> Float[Tensor, "b d"]:
    """Return which parts of what moves move together; the mean square of each description is 1.

    Of 4 x 4 cells of the box that moves (`moving_box`), the motion to the right, down, left and up
    are 64 courses over the clip; the numbers are their covariances, at the same time and 1 and 2
    pictures of motion apart (either course the first), of the clip and its mirror image together,
    under the square root with their sign, which tames the large ones. So neither the place and the
    size of what moves count, nor the side it faces, nor its strength, nor what moves evenly, nor
    (but for the ends of the clip) when a movement begins. d is 64 * 65 / 2 for each of the spans,
    which are up to 3.
    """
    u, v = u.clamp(-_LARGEST, _LARGEST), v.clamp(-_LARGEST, _LARGEST)
    across, down, reach = moving_box(u, v)
    steps = (torch.arange(_BOX, device=u.device) + 0.5) * (2 / _BOX) - 1
    x = (across[:, None] + reach[:, None] * steps)[:, None, :].expand(-1, _BOX, -1)
    y = (down[:, None] + reach[:, None] * steps)[:, :, None].expand(-1, -1, _BOX)
    seen = grid_sample(  # beyond the picture nothing moves
        torch.cat([u, v], dim=1), torch.stack([x, y], dim=-1), align_corners=False
    )
    u, v = seen.chunk(2, dim=1)
    ways = torch.stack([u.relu(), v.relu(), (-u).relu(), (-v).relu()], dim=2)  # b t 4 h w
    courses = avg_pool2d(ways.flatten(1, 2), _BOX // CELLS).view(*ways.shape[:2], _COURSES)
    courses = courses - courses.mean(dim=1, keepdim=True)
    places = torch.arange(_COURSES, device=u.device).view(-1, CELLS, CELLS)
    mirrored = places[_MIRRORED].flip(-1).flatten()  # the place of each course's mirror image
    first, second = torch.triu_indices(_COURSES, _COURSES, device=u.device)
    spans = []
    for span in range(_spans(courses.shape[1])):
        together = courses[:, : courses.shape[1] - span].mT @ courses[:, span:]
        together = together + together.mT
        spans.append(together[:, first, second] + together[:, mirrored[first], mirrored[second]])
    covariances = torch.cat(spans, dim=1)
    tamed = covariances.sign() * covariances.abs().sqrt()
    return tamed * tamed.square().mean(dim=1, keepdim=True).clamp(min=1e-12).rsqrt()


def moving_box(
    u: Float[Tensor, "b t h w"], v: Float[Tensor, "b t h w"]
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Return the square around what moves to and fro in each clip, as centre (x, y) and reach.

    They are in half sides of the picture, from its middle; the reach is .35 to 1. What counts is
    the deviation of a place's motion over the clip, above what is usual in the picture: a thing
    that crosses it evenly counts little. Twice the spread around the mean place is reached.
    """
    h, w = u.shape[-2:]
    away_u, away_v = (x - x.mean(dim=1, keepdim=True) for x in (u, v))  # var() is slow here
    swing = (away_u.square() + away_v.square()).sum(dim=1) / (u.shape[1] - 1)
    amount = swing.clamp(max=4.0).sqrt()
    amount = _smoothed(amount, _BOX_BLUR * h)
    usual = amount.flatten(1).median(dim=1).values[:, None, None]
    amount = (amount - 1.5 * usual).relu() + 1e-6
    rows = torch.linspace(-1, 1, h, device=u.device)[:, None]
    columns = torch.linspace(-1, 1, w, device=u.device)
    weight = amount
    for turn in range(_BOX_TURNS):
        share = weight / weight.sum(dim=(1, 2), keepdim=True)
        x, y = (share * columns).sum(dim=(1, 2)), (share * rows).sum(dim=(1, 2))
        away = (columns - x[:, None, None]).square() + (rows - y[:, None, None]).square()
        if turn == _BOX_TURNS - 1:
            break
        weight = amount * torch.exp(-away / (2 * 0.7**2))  # the rest of the picture counts less
    spread = ((share * away).sum(dim=(1, 2)) / 2).sqrt()
    return x, y, (2 * spread).clamp(0.35, 1.0)


def layout_size(frames: int) -> int:
    """Return how many numbers the layout of a clip of so many pictures has."""
    return _spans(frames // 2) * _COURSES * (_COURSES + 1) // 2


def _spans(pictures: int) -> int:
    """Return how many spans of time so many pictures of motion are compared over."""
    return min(_SPANS, pictures)


def clip_flow(
    clips: Float[Tensor, "b 3 t h w"],
) -> tuple[Float[Tensor, "b t2 h2 w2"], Float[Tensor, "b t2 h2 w2"]]:
    """Return the flow of clips in -1..1, relative to the camera, to the right and down.

    It is that from the first to the second picture, from the third to the fourth, and so on: 16
    successive pictures have 8. Lucas and Kanade (1981): the motion of a place is the least-squares
    solution, in a window around it, of the constraint that a thing keeps its brightness, of which
    the square root is taken: what moves in the dark counts too. Pictures of about ``GRID`` rows are
    compared, and their pixels are the unit of the flow, which is given for every second row and
    column.
    """
    grey = _small_grey(clips, max(1, round(clips.shape[-2] / GRID)))
    grey = _smoothed(grey, _BEFORE)
    first, second = grey[:, :-1:2], grey[:, 1::2]
    x, y = _gradients((first + second) / 2)
    change = _without_camera(x, y, second - first)
    xx, yy, xy, xt, yt = _smoothed(
        torch.stack([x * x, y * y, x * y, x * change, y * change]), _WINDOW, halved=True
    )
    xx, yy = xx + _NOISE, yy + _NOISE
    scale = (xx * yy - xy * xy).reciprocal_()
    return (xy * yt - yy * xt) * scale, (xy * xt - xx * yt) * scale


def _small_grey(clips: Float[Tensor, "b 3 t h w"], shrink: int) -> Float[Tensor, "b t h2 w2"]:
    """Return the roots of the grey pictures in 0..1, which are means over squares of pixels."""
    square = torch.full((shrink, shrink), 1 / (2 * shrink**2), device=clips.device)
    kernel = torch.stack([square * luma for luma in (0.299, 0.587, 0.114)])[None]
    pictures = clips.float().transpose(1, 2).flatten(0, 1)
    grey: Tensor = conv2d(pictures, kernel, stride=shrink)
    return (grey + 0.5).clamp_(min=0).sqrt_().view(len(clips), -1, *grey.shape[2:])


def _gradients(pictures: Picture) -> tuple[Picture, Picture]:
    """Return how brightness grows to the right and down, per pixel."""
    padded = pad(pictures, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return right, down


def _without_camera(x: Picture, y: Picture, change: Picture) -> Picture:
    """Return the change of brightness that the camera's motion does not explain.

    That motion is the affine one that explains the change of most places: least squares over some
    rows and columns, again with less weight for what it did not explain.
    """
    h, w = x.shape[-2:]
    rows = torch.linspace(-1, 1, h, device=x.device)[:, None].expand(h, w)
    columns = torch.linspace(-1, 1, w, device=x.device).expand(h, w)
    places = (torch.ones_like(rows), columns, rows)
    some = (..., *(slice(_SPARSE // 2, None, _SPARSE),) * 2)
    design = torch.stack([part[some] * place[some] for part in (x, y) for place in places], dim=2)
    design = design.flatten(3)  # b t 6 places
    seen = -change[some].flatten(2)[:, :, None]  # b t 1 places
    ridge = 1e-6 * design.shape[-1] * torch.eye(6, device=x.device)
    weighted = design
    for turn in range(_TURNS):
        # unlike solve(), it does not wait for a GPU to say whether there is a solution: there is
        motion = torch.linalg.solve_ex(weighted @ design.mT + ridge, weighted @ seen.mT).result
        if turn == _TURNS - 1:
            break
        wrong = (seen - motion.mT @ design).square_()
        usual = wrong.mean(dim=-1, keepdim=True) / 2 + 4e-6
        weighted = design * (usual / (usual + wrong)).square_()
    u, v = motion[..., None].unflatten(2, (2, 3)).unbind(2)  # b t 3 1 1
    for part, way in ((x, u), (y, v)):
        for k, place in enumerate(places):
            change = change + part * place * way[:, :, k]
    return change


def _smoothed(
    pictures: Float[Tensor, "*b h w"], sigma: float, *, halved: bool = False
) -> Float[Tensor, "*b h2 w2"]:
    """Return pictures after a Gaussian; what is beyond an edge is like the edge.

    ``halved`` takes the means over squares of 2 x 2 pixels as well, without an odd last one.
    """
    h, w = pictures.shape[-2:]
    across, down = (_gaussian(side, sigma, pictures.device) for side in (w, h))
    if halved:
        across, down = ((m[:-1:2] + m[1::2]) / 2 for m in (across, down))
    return down @ (pictures @ across.T)


def _gaussian(side: int, sigma: float, device: torch.device) -> Float[Tensor, "{side} {side}"]:
    """Return the matrix that smooths a row of pixels."""
    reach = max(1, round(2.5 * sigma))
    offset = torch.arange(-reach, reach + 1, device=device)
    weight = torch.exp(-offset.square() / (2 * sigma**2))
    place = torch.arange(side, device=device)[:, None]
    source = (place + offset).clamp(0, side - 1)
    matrix = torch.zeros(side, side, device=device)
    return matrix.scatter_add_(1, source, (weight / weight.sum()).expand(side, -1))
