"""Backgrounds, painted once for each video and larger than the frame, so that a camera can move."""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

CANVAS_WIDTH, CANVAS_HEIGHT = 448, 336  # frames are 320 x 240 from the middle
FLOOR_ROW = 205  # first row of the floor
Canvas = UInt8[np.ndarray, "h w 3"]
Painting = Float32[np.ndarray, "h w 3"]
Tint = Float32[np.ndarray, "3"]


def paint_background(number: int, *, textured: bool, scene_class: int | None = None) -> Canvas:
    """Paint a background.

    Args:
        number: Seed of everything that is drawn at random.
        textured: Add strong patterns.
        scene_class: 0 to 9: one of five kinds of scene in one of two palettes. None draws a kind
            and keeps its colours.

    Returns:
        RGB image of ``CANVAS_WIDTH`` x ``CANVAS_HEIGHT`` pixels.
    """
    rng = np.random.default_rng([7, number])
    drawn = int(rng.integers(len(_PAINTERS)))  # always, so that later draws stay the same
    image = _PAINTERS[drawn if scene_class is None else scene_class % len(_PAINTERS)](rng)
    if scene_class is not None:
        image = image * _PALETTE_GAINS[scene_class // len(_PAINTERS)]
    grain = _smooth_noise(rng, cell=3) + _smooth_noise(rng, cell=40)
    image += grain[..., None] * rng.uniform(1, 4)
    if textured:
        image = _add_pattern(image, rng)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def _draw_colour(rng: np.random.Generator, low: int, high: int, *, dull: float = 0.6) -> Tint:
    """Draw a colour between two brightnesses; with ``dull`` 1 it is grey."""
    grey = rng.uniform(low, high)
    tint = grey * dull + (1 - dull) * rng.uniform(low, high, size=3)
    return tint.astype(np.float32)


def _smooth_noise(rng: np.random.Generator, *, cell: int) -> Float32[np.ndarray, "h w"]:
    """Return smooth noise of about unit variance with spots of ``cell`` pixels."""
    spots = (CANVAS_HEIGHT // cell + 2, CANVAS_WIDTH // cell + 2)
    small = rng.standard_normal(spots).astype(np.float32)
    return cv2.resize(small, (CANVAS_WIDTH, CANVAS_HEIGHT), interpolation=cv2.INTER_CUBIC)


def _vertical_gradient(top: Tint, bottom: Tint, rows: int) -> Float32[np.ndarray, "r w 3"]:
    """Return a vertical gradient over the whole width."""
    way = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    return np.repeat(top + way * (bottom - top), CANVAS_WIDTH, axis=1)


def _paint_floor(rng: np.random.Generator, image: Painting) -> None:
    """Paint a floor, often with boards that run to a vanishing point."""
    near, far = _draw_colour(rng, 70, 190), _draw_colour(rng, 60, 170)
    image[FLOOR_ROW:] = _vertical_gradient(far, near, CANVAS_HEIGHT - FLOOR_ROW)
    if rng.random() < 0.7:
        line = tuple((0.85 * far).tolist())
        vanish = (int(rng.uniform(0.3, 0.7) * CANVAS_WIDTH), -90)  # from the first row of the floor
        for x in range(-CANVAS_WIDTH, 2 * CANVAS_WIDTH, int(rng.integers(45, 110))):
            cv2.line(image[FLOOR_ROW:], (x, CANVAS_HEIGHT - FLOOR_ROW), vanish, line, 1)


def _paint_room(rng: np.random.Generator) -> Painting:
    """Paint a wall with pictures, windows and furniture."""
    wall = _draw_colour(rng, 90, 225)
    image = np.empty((CANVAS_HEIGHT, CANVAS_WIDTH, 3), np.float32)
    shade = np.float32(rng.uniform(0.75, 1.0))
    image[:FLOOR_ROW] = _vertical_gradient(wall, wall * shade, FLOOR_ROW)
    _paint_floor(rng, image)
    skirting = tuple(_draw_colour(rng, 60, 230).tolist())
    cv2.rectangle(image, (0, FLOOR_ROW - 7), (CANVAS_WIDTH, FLOOR_ROW), skirting, -1)
    for _ in range(rng.integers(1, 5)):
        x, y = int(rng.integers(0, CANVAS_WIDTH)), int(rng.integers(10, 110))
        w, h = int(rng.integers(30, 110)), int(rng.integers(30, 80))
        _paint_frame(rng, image, x=x, y=y, w=w, h=h)
    if rng.random() < 0.6:
        x, h = int(rng.integers(0, CANVAS_WIDTH)), int(rng.integers(30, 110))
        w = int(rng.integers(40, 120))
        _paint_frame(rng, image, x=x, y=FLOOR_ROW + 6 - h, w=w, h=h)
    return image


def _paint_frame(
    rng: np.random.Generator, image: Painting, *, x: int, y: int, w: int, h: int
) -> None:
    """Paint a picture, window or cupboard."""
    border, inside = _draw_colour(rng, 40, 220), _draw_colour(rng, 60, 230, dull=0.3)
    cv2.rectangle(image, (x, y), (x + w, y + h), tuple(border.tolist()), -1)
    cv2.rectangle(image, (x + 4, y + 4), (x + w - 4, y + h - 4), tuple(inside.tolist()), -1)


def _paint_park(rng: np.random.Generator) -> Painting:
    """Paint sky, hills, trees and grass."""
    sky = np.array([rng.uniform(120, 190), rng.uniform(160, 210), 235], np.float32)
    image = _vertical_gradient(sky, sky * 0.4 + 140, CANVAS_HEIGHT)
    image += np.maximum(0, _smooth_noise(rng, cell=60))[..., None] * 22
    for depth in (0.6, 1.0):
        ridge = FLOOR_ROW - 25 / depth - 18 * depth * _smooth_noise(rng, cell=90)[0]
        green = _draw_colour(rng, 60, 120) * np.array([0.8, 1.1, 0.7], np.float32)
        image[np.arange(CANVAS_HEIGHT)[:, None] > ridge] = green + 60 * (1 - depth)
    grass = _draw_colour(rng, 80, 140) * np.array([0.85, 1.15, 0.6], np.float32)
    image[FLOOR_ROW:] = _vertical_gradient(grass * 0.85, grass * 1.1, CANVAS_HEIGHT - FLOOR_ROW)
    for _ in range(rng.integers(0, 6)):
        x, height = int(rng.integers(0, CANVAS_WIDTH)), int(rng.integers(60, 130))
        trunk, crown = (92.0, 72.0, 54.0), tuple((0.75 * grass).tolist())
        cv2.rectangle(image, (x - 4, FLOOR_ROW - height), (x + 4, FLOOR_ROW + 3), trunk, -1)
        cv2.ellipse(image, (x, FLOOR_ROW - height), (28, 36), 0, 0, 360, crown, -1, cv2.LINE_AA)
    return image


def _paint_street(rng: np.random.Generator) -> Painting:
    """Paint house fronts with windows above a pavement."""
    top, bottom = _draw_colour(rng, 150, 235), _draw_colour(rng, 170, 235)
    image = _vertical_gradient(top, bottom, CANVAS_HEIGHT)
    x = -20
    while x < CANVAS_WIDTH:
        w, h = int(rng.integers(60, 130)), int(rng.integers(110, 205))
        front = _draw_colour(rng, 70, 200)
        image[FLOOR_ROW - h : FLOOR_ROW, max(0, x) : x + w] = front
        pane = tuple((front * rng.uniform(0.55, 0.8)).tolist())
        for row in range(FLOOR_ROW - h + 12, FLOOR_ROW - 40, 34):
            for column in range(x + 10, x + w - 14, 26):
                cv2.rectangle(image, (column, row), (column + 12, row + 18), pane, -1)
        x += w
    _paint_floor(rng, image)
    return image


def _paint_hall(rng: np.random.Generator) -> Painting:
    """Paint a tiled or panelled wall above a floor."""
    top, bottom = _draw_colour(rng, 100, 220), _draw_colour(rng, 90, 200)
    image = _vertical_gradient(top, bottom, CANVAS_HEIGHT)
    joint = tuple((image[0, 0] * np.float32(rng.uniform(0.8, 0.93))).tolist())
    w, h = int(rng.integers(24, 90)), int(rng.integers(18, 90))
    for x in range(int(rng.integers(0, w)), CANVAS_WIDTH, w):
        cv2.line(image, (x, 0), (x, FLOOR_ROW), joint, 1)
    for y in range(int(rng.integers(0, h)), FLOOR_ROW, h):
        cv2.line(image, (0, y), (CANVAS_WIDTH, y), joint, 1)
    _paint_floor(rng, image)
    return image


def _paint_studio(rng: np.random.Generator) -> Painting:
    """Paint a paper backdrop, brighter in the middle."""
    tint = _draw_colour(rng, 80, 215, dull=0.4)
    x, y = np.meshgrid(np.linspace(-1, 1, CANVAS_WIDTH), np.linspace(-1, 1, CANVAS_HEIGHT))
    glow = (1.1 - 0.35 * (x - rng.uniform(-0.5, 0.5)) ** 2 - 0.3 * y**2)[..., None]
    return (tint * glow).astype(np.float32)


def _add_pattern(image: Painting, rng: np.random.Generator) -> Painting:
    """Add coarse and fine patterns: foliage, stripes or checks."""
    y, x = np.indices((CANVAS_HEIGHT, CANVAS_WIDTH), dtype=np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(10, 40)
    along = np.cos(angle) * x + np.sin(angle) * y
    across = -np.sin(angle) * x + np.cos(angle) * y
    patterns = {
        "foliage": sum(_smooth_noise(rng, cell=cell) for cell in (24, 12, 6)) / 1.7,
        "stripes": np.sign(np.sin(2 * np.pi * along / period)),
        "checks": np.sign(np.sin(2 * np.pi * along / period) * np.sin(2 * np.pi * across / period)),
    }
    pattern = np.asarray(list(patterns.values())[rng.integers(len(patterns))], np.float32)
    tint = rng.uniform(0.4, 1.0, size=3).astype(np.float32)
    return np.asarray(image + pattern[..., None] * tint * rng.uniform(15, 45), np.float32)


_PAINTERS: tuple[Callable[[np.random.Generator], Painting], ...] = (
    _paint_room,
    _paint_park,
    _paint_street,
    _paint_hall,
    _paint_studio,
)
_PALETTE_GAINS = (  # evening sun; neon at night
    np.array([1.1, 0.88, 0.62], np.float32),
    np.array([0.5, 0.68, 0.92], np.float32),
)
