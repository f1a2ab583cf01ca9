"""The places: painted once a video, larger than the frame so that a camera can move over them."""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

WIDTH, HEIGHT = 448, 336  # canvas; frames are 320 x 240 from its middle
FLOOR = 205  # row of the canvas where the floor begins
Canvas = UInt8[np.ndarray, "h w 3"]
Tint = Float32[np.ndarray, "3"]


def paint_place(number: int, *, textured: bool, kind: int | None = None) -> Canvas:
    """Paint a place.

    Args:
        number: Decides everything that is drawn at random.
        textured: Add strong patterns.
        kind: One of ten kinds of scene (five sorts of place in two palettes); None: any sort.
    """
    rng = np.random.default_rng([7, number])
    drawn = int(rng.integers(len(_PLACES)))
    image = _PLACES[drawn if kind is None else kind % len(_PLACES)](rng)
    if kind is not None:
        image = image * _PALETTES[kind // len(_PLACES)]
    grain = _clouds(rng, cell=3) + _clouds(rng, cell=40)
    image += grain[..., None] * rng.uniform(1, 4)
    if textured:
        image = _overlay(image, rng)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def _colour(rng: np.random.Generator, low: int, high: int, *, dull: float = 0.6) -> Tint:
    """Draw a colour between two brightnesses; ``dull`` 1 is grey."""
    grey = rng.uniform(low, high)
    tint = grey * dull + (1 - dull) * rng.uniform(low, high, size=3)
    return tint.astype(np.float32)


def _clouds(rng: np.random.Generator, *, cell: int) -> Float32[np.ndarray, "h w"]:
    """Return smooth noise of about unit size with spots of ``cell`` pixels."""
    small = rng.standard_normal((HEIGHT // cell + 2, WIDTH // cell + 2)).astype(np.float32)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def _ramp(top: Tint, bottom: Tint, rows: int) -> Float32[np.ndarray, "r w 3"]:
    """Return a vertical gradient over the whole width."""
    way = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    return np.repeat(top + way * (bottom - top), WIDTH, axis=1)


def _floor(rng: np.random.Generator, image: Float32[np.ndarray, "h w 3"]) -> None:
    """Lay a floor with boards that run to a vanishing point."""
    near, far = _colour(rng, 70, 190), _colour(rng, 60, 170)
    image[FLOOR:] = _ramp(far, near, HEIGHT - FLOOR)
    if rng.random() < 0.7:
        line = tuple(float(c) for c in 0.85 * far)
        vanish = (int(rng.uniform(0.3, 0.7) * WIDTH), FLOOR - 90)
        for x in range(-WIDTH, 2 * WIDTH, int(rng.integers(45, 110))):
            cv2.line(image[FLOOR:], (x, HEIGHT - FLOOR), (vanish[0], vanish[1] - FLOOR), line, 1)


def _room(rng: np.random.Generator) -> Float32[np.ndarray, "h w 3"]:
    """A wall with frames, windows and furniture."""
    wall = _colour(rng, 90, 225)
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:FLOOR] = _ramp(wall, wall * np.float32(rng.uniform(0.75, 1.0)), FLOOR)
    _floor(rng, image)
    skirting = tuple(float(c) for c in _colour(rng, 60, 230))
    cv2.rectangle(image, (0, FLOOR - 7), (WIDTH, FLOOR), skirting, -1)
    for _ in range(rng.integers(1, 5)):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(10, 110))
        w, h = int(rng.integers(30, 110)), int(rng.integers(30, 80))
        _framed(rng, image, x=x, y=y, w=w, h=h)
    if rng.random() < 0.6:
        x, h = int(rng.integers(0, WIDTH)), int(rng.integers(30, 110))
        w = int(rng.integers(40, 120))
        _framed(rng, image, x=x, y=FLOOR + 6 - h, w=w, h=h)
    return image


def _framed(
    rng: np.random.Generator,
    image: Float32[np.ndarray, "h w 3"],
    *,
    x: int,
    y: int,
    w: int,
    h: int,
) -> None:
    """Draw a picture, window or cupboard."""
    border, inside = _colour(rng, 40, 220), _colour(rng, 60, 230, dull=0.3)
    cv2.rectangle(image, (x, y), (x + w, y + h), tuple(float(c) for c in border), -1)
    cv2.rectangle(
        image, (x + 4, y + 4), (x + w - 4, y + h - 4), tuple(float(c) for c in inside), -1
    )


def _park(rng: np.random.Generator) -> Float32[np.ndarray, "h w 3"]:
    """Sky, hills, trees and grass."""
    sky = np.array([rng.uniform(120, 190), rng.uniform(160, 210), 235], np.float32)
    image = _ramp(sky, sky * 0.4 + 140, HEIGHT)
    image += np.maximum(0, _clouds(rng, cell=60))[..., None] * 22
    for depth in (0.6, 1.0):
        ridge = FLOOR - 25 / depth - 18 * depth * _clouds(rng, cell=90)[0]
        green = _colour(rng, 60, 120) * np.array([0.8, 1.1, 0.7], np.float32)
        image[np.arange(HEIGHT)[:, None] > ridge] = green + 60 * (1 - depth)
    grass = _colour(rng, 80, 140) * np.array([0.85, 1.15, 0.6], np.float32)
    image[FLOOR:] = _ramp(grass * 0.85, grass * 1.1, HEIGHT - FLOOR)
    for _ in range(rng.integers(0, 6)):
        x, height = int(rng.integers(0, WIDTH)), int(rng.integers(60, 130))
        trunk, crown = (92.0, 72.0, 54.0), tuple(float(c) for c in 0.75 * grass)
        cv2.rectangle(image, (x - 4, FLOOR - height), (x + 4, FLOOR + 3), trunk, -1)
        cv2.ellipse(image, (x, FLOOR - height), (28, 36), 0, 0, 360, crown, -1, cv2.LINE_AA)
    return image


def _street(rng: np.random.Generator) -> Float32[np.ndarray, "h w 3"]:
    """House fronts with windows above a pavement."""
    image = _ramp(_colour(rng, 150, 235), _colour(rng, 170, 235), HEIGHT)
    x = -20
    while x < WIDTH:
        w, h = int(rng.integers(60, 130)), int(rng.integers(110, 205))
        front = _colour(rng, 70, 200)
        image[FLOOR - h : FLOOR, max(0, x) : x + w] = front
        pane = tuple(float(c) for c in front * rng.uniform(0.55, 0.8))
        for row in range(FLOOR - h + 12, FLOOR - 40, 34):
            for column in range(x + 10, x + w - 14, 26):
                cv2.rectangle(image, (column, row), (column + 12, row + 18), pane, -1)
        x += w
    _floor(rng, image)
    return image


def _hall(rng: np.random.Generator) -> Float32[np.ndarray, "h w 3"]:
    """A tiled or panelled wall above a plain floor."""
    image = _ramp(_colour(rng, 100, 220), _colour(rng, 90, 200), HEIGHT)
    joint = tuple(float(c) for c in image[0, 0] * np.float32(rng.uniform(0.8, 0.93)))
    w, h = int(rng.integers(24, 90)), int(rng.integers(18, 90))
    for x in range(int(rng.integers(0, w)), WIDTH, w):
        cv2.line(image, (x, 0), (x, FLOOR), joint, 1)
    for y in range(int(rng.integers(0, h)), FLOOR, h):
        cv2.line(image, (0, y), (WIDTH, y), joint, 1)
    _floor(rng, image)
    return image


def _studio(rng: np.random.Generator) -> Float32[np.ndarray, "h w 3"]:
    """A paper backdrop, brighter in the middle."""
    tint = _colour(rng, 80, 215, dull=0.4)
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    glow = (1.1 - 0.35 * (x - rng.uniform(-0.5, 0.5)) ** 2 - 0.3 * y**2)[..., None]
    return (tint * glow).astype(np.float32)


def _overlay(
    image: Float32[np.ndarray, "h w 3"], rng: np.random.Generator
) -> Float32[np.ndarray, "h w 3"]:
    """Add coarse and fine patterns: foliage, stripes or checks."""
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    angle, period = rng.uniform(0, np.pi), rng.uniform(10, 40)
    along = np.cos(angle) * x + np.sin(angle) * y
    across = -np.sin(angle) * x + np.cos(angle) * y
    patterns = {
        "foliage": sum(_clouds(rng, cell=cell) for cell in (24, 12, 6)) / 1.7,
        "stripes": np.sign(np.sin(2 * np.pi * along / period)),
        "checks": np.sign(np.sin(2 * np.pi * along / period) * np.sin(2 * np.pi * across / period)),
    }
    pattern = np.asarray(patterns[str(rng.choice(list(patterns)))], np.float32)
    tint = rng.uniform(0.4, 1.0, size=3).astype(np.float32)
    return np.asarray(image + pattern[..., None] * tint * rng.uniform(15, 45), np.float32)


_PLACES: tuple[Callable[[np.random.Generator], Float32[np.ndarray, "h w 3"]], ...] = (
    _room,
    _park,
    _street,
    _hall,
    _studio,
)
_PALETTES = (  # evening sun, and neon at night
    np.array([1.1, 0.88, 0.62], np.float32),
    np.array([0.5, 0.68, 0.92], np.float32),
)
