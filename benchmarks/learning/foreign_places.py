"""The places of the foreign set: flat patterns, larger than a frame."""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import UInt8

WIDTH, HEIGHT, MARGIN = 256, 192, 32  # of a frame, and of a place around it
Frame = UInt8[np.ndarray, "h w 3"]
Colour = tuple[int, int, int]


def paint_place(rng: np.random.Generator) -> Frame:
    """Paint a place of one of five sorts."""
    shape = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN)
    return PLACES[rng.integers(len(PLACES))](rng, shape)


def _dunes(rng: np.random.Generator, shape: tuple[int, int]) -> Frame:
    """Ridge behind ridge, each of one colour."""
    image = np.full((*shape, 3), draw_colour(rng), np.uint8)
    x, rows = np.arange(shape[1]), np.arange(shape[0])[:, None]
    for base in np.linspace(0.3, 0.85, int(rng.integers(3, 7))):
        waves, starts = rng.uniform(0.01, 0.05, size=3), rng.uniform(0, 6, size=3)
        ridge = base * shape[0] + 9 * np.sin(np.outer(waves, x) + starts[:, None]).sum(0)
        image[rows > ridge] = draw_colour(rng)
    return image


def _mosaic(rng: np.random.Generator, shape: tuple[int, int]) -> Frame:
    """Cells about random seeds."""
    count = int(rng.integers(8, 40))
    seeds = rng.uniform(0, shape, size=(count, 2))
    y, x = np.indices(shape)
    near = ((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2).argmin(-1)
    return np.asarray(_colours(rng, count)[near])


def _discs(rng: np.random.Generator, shape: tuple[int, int]) -> Frame:
    """Discs of all sizes."""
    image = np.full((*shape, 3), draw_colour(rng), np.uint8)
    for _ in range(rng.integers(10, 60)):
        x, y = rng.uniform(0, shape[::-1])
        cv2.circle(
            image, (int(x), int(y)), int(rng.uniform(4, 40)), draw_colour(rng), -1, cv2.LINE_AA
        )
    return image


def _rings(rng: np.random.Generator, shape: tuple[int, int]) -> Frame:
    """Rings about a point."""
    y, x = np.indices(shape)
    centre, period = rng.uniform(0, shape), rng.uniform(16, 60)
    distance = np.hypot(y - centre[0], x - centre[1])
    colours = _colours(rng, int(rng.integers(2, 5)))
    return np.asarray(colours[(distance / period).astype(int) % len(colours)])


def _bands(rng: np.random.Generator, shape: tuple[int, int]) -> Frame:
    """Slanting bands, shaded along."""
    y, x = np.indices(shape)
    angle, period = rng.uniform(0, np.pi), rng.uniform(20, 80)
    along = np.cos(angle) * x + np.sin(angle) * y
    colours = _colours(rng, int(rng.integers(2, 5)))
    shade = 0.75 + 0.25 * np.sin(0.02 * (np.cos(angle) * y - np.sin(angle) * x))
    bands = colours[np.floor(along / period).astype(int) % len(colours)]
    return np.asarray(bands * shade[..., None], np.uint8)


PLACES: tuple[Callable[[np.random.Generator, tuple[int, int]], Frame], ...] = (
    _dunes,
    _mosaic,
    _discs,
    _rings,
    _bands,
)


def draw_colour(rng: np.random.Generator) -> Colour:
    """Draw a colour that is neither black nor white."""
    red, green, blue = (int(v) for v in rng.integers(30, 235, size=3))
    return red, green, blue


def _colours(rng: np.random.Generator, count: int) -> UInt8[np.ndarray, "n 3"]:
    return np.array([draw_colour(rng) for _ in range(count)], np.uint8)
