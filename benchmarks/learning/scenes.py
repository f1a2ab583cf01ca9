"""Ten drawn scenes without an action: the scene says everything, and motion says nothing.

`static`    the camera stands still
`panning`   the camera pans over the scene
`parallax`  the camera pans, and things in front pass faster than the scene behind

The label is the kind of scene, one of ten. Every video has a background of its own, so a test scene
is never one of the gallery.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from jaxtyping import UInt8

from learning.writing import PARTS, Frame, Planned, write_set
from slic.sample.backgrounds import CANVAS_HEIGHT, CANVAS_WIDTH, paint_background
from slic.videos.encoding import draw_encoding

Camera = Literal["static", "panning", "parallax"]
CAMERAS: tuple[Camera, ...] = get_args(Camera)
SCENES = ("room", "park", "street", "hall", "studio")  # the order of `paint_background`
LABELS = tuple(f"{scene} {light}" for light in ("evening", "night") for scene in SCENES)
WIDTH, HEIGHT, FPS = 320, 240, Fraction(25)
_NEARER = 2.5  # speed of the things in front, relative to the scene behind


def write_scenes(folder: Path, *, camera: Camera, train: int, test: int, seed: int) -> None:
    """Write the videos that are missing, and ``labels.csv`` as the sample has it."""
    plan = [
        _planned(camera, seed, part, index)
        for part, count in enumerate((train, test))
        for index in range(count)
    ]
    settings = {"train": train, "test": test, "seed": seed, "camera": camera, "drawing": 1}
    write_set(folder, plan, mark="scenes.json", settings=settings, size=(WIDTH, HEIGHT))


def _planned(camera: Camera, seed: int, part: int, index: int) -> Planned:
    rng = np.random.default_rng([seed, part, index])
    encoding, scene = draw_encoding(rng), index % len(LABELS)
    row = {
        "path": f"{PARTS[part]}/{index:04d}{encoding.suffix}",
        "label": LABELS[scene],
        "split": PARTS[part],
    }
    return Planned(row, encoding, FPS, partial(draw_scene, scene, camera, rng))


def draw_scene(scene: int, camera: Camera, rng: np.random.Generator) -> Iterator[Frame]:
    """Yield the frames of one scene; two draws of a scene share its kind and its palette only."""
    canvas = paint_background(int(rng.integers(10**9)), textured=False, scene_class=scene)
    front = _things_in_front(rng, canvas)
    frames, gain = int(rng.integers(50, 85)), rng.uniform(0.7, 1.15)
    noise = rng.uniform(1.0, 5.0)
    start = np.array([(CANVAS_WIDTH - WIDTH) / 2, (CANVAS_HEIGHT - HEIGHT) / 2])
    angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.0)  # pixels a frame
    step = speed * np.array([np.cos(angle), 0.3 * np.sin(angle)]) * (camera != "static")
    for t in range(frames):
        shift = start + step * (t - frames / 2)
        image = _seen(canvas, shift)
        if camera == "parallax":
            image = _over(image, front, start + _NEARER * step * (t - frames / 2))
        grain = rng.standard_normal(image.shape, dtype=np.float32) * noise
        yield np.clip(image * gain + grain, 0, 255).astype(np.uint8)


def _things_in_front(rng: np.random.Generator, canvas: Frame) -> UInt8[np.ndarray, "h w 4"]:
    """Return posts and bushes on a transparent ground, in colours of the scene."""
    layer = np.zeros((*canvas.shape[:2], 4), np.uint8)
    for _ in range(int(rng.integers(2, 5))):
        x, y = int(rng.integers(CANVAS_WIDTH)), int(rng.integers(CANVAS_HEIGHT))
        colour = (*(int(0.6 * c) for c in canvas[y, x]), 255)
        if rng.random() < 0.5:
            cv2.rectangle(layer, (x, 0), (x + int(rng.integers(6, 22)), CANVAS_HEIGHT), colour, -1)
        else:
            size = (int(rng.integers(15, 50)), int(rng.integers(15, 60)))
            cv2.ellipse(layer, (x, CANVAS_HEIGHT - 60), size, 0, 0, 360, colour, -1, cv2.LINE_AA)
    return layer


def _seen(canvas: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return the frame whose upper left corner is at (x, y) of the canvas."""
    shift = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]]])
    return cv2.warpAffine(
        canvas, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def _over(image: Frame, layer: UInt8[np.ndarray, "h w 4"], corner: np.ndarray) -> Frame:
    """Return an image behind a layer."""
    front = _seen(layer, corner).astype(np.float32)
    share = front[..., 3:] / 255
    return np.asarray(image * (1 - share) + front[..., :3] * share, np.uint8)
