"""One room before one fixed camera, a few people, and actions of a second inside longer takes.

Ten classes in five pairs; each is the other's time reversal (fixed_camera_motions.py). All videos
of a draw, training and test, show the same room from the same place. Light and noise differ, and so
do the place and the direction of the person, who has a stool behind and a box near. In a part of
the videos somebody else crosses the room or stands in it. The people of the test part are unseen in
training.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float64

from learning.fixed_camera_motions import LABELS, Manner, perform, rest_pose
from learning.writing import PARTS, Frame, Planned, shuffled_labels, write_set
from slic.sample.actions import IDLE_ARMS
from slic.sample.actions import perform as perform_sample
from slic.sample.backgrounds import CANVAS_HEIGHT, CANVAS_WIDTH, FLOOR_ROW, paint_background
from slic.sample.body import Points, joint_positions
from slic.sample.figure import (
    Actor,
    BodyPart,
    body_parts,
    draw_actor,
    outline_parts,
    paint_figure,
)
from slic.sample.take import draw_take
from slic.videos.encoding import draw_encoding

WIDTH, HEIGHT, FPS = 320, 240, Fraction(25)
PEOPLE = 12  # in each part
ROOM = 0  # `scene_class` of `paint_background`
FOCAL = 320.0  # pixels
EYE, WALL = 1.8, 5.4  # height of the camera and distance of the wall, metres
HORIZON = FLOOR_ROW - (CANVAS_HEIGHT - HEIGHT) / 2 - FOCAL * EYE / WALL  # row of the frame
NEAR, FAR = 3.4, 4.8  # places of the people, metres from the camera
ALONE = 0.7  # share of the videos without somebody else
RESTS = ("hanging", "on hip", "folded", "behind", "bent")  # of the arms
_ORDER, _CONTENT, _PEOPLE = range(3)  # streams of random numbers


class Place(NamedTuple):
    """Where somebody stands: metres to the right of the camera, metres away, radians to turn."""

    x: float
    away: float
    yaw: float


def write_fixed_camera(folder: Path, *, train: int, test: int, seed: int) -> None:
    """Write the videos that are missing, and ``labels.csv`` as the sample has it."""
    plan = [
        _planned(seed, part, index, label)
        for part, count in enumerate((train, test))
        for index, label in enumerate(
            shuffled_labels(tuple(LABELS), count, np.random.default_rng([seed, part, 0, _ORDER]))
        )
    ]
    settings = {"train": train, "test": test, "seed": seed, "drawing": 1}
    write_set(folder, plan, mark="fixed-camera.json", settings=settings, size=(WIDTH, HEIGHT))


def _planned(seed: int, part: int, index: int, label: str) -> Planned:
    rng = np.random.default_rng([seed, part, index, _CONTENT])
    encoding = draw_encoding(rng)
    first, second = (int(n) for n in PEOPLE * part + rng.permutation(PEOPLE)[:2])
    row = {
        "path": f"{PARTS[part]}/{index:04d}{encoding.suffix}",
        "label": label,
        "split": PARTS[part],
        "actor": f"a{first:03d}",
    }
    return Planned(row, encoding, FPS, partial(_draw, seed, label, (first, second), rng))


def draw_manner(rng: np.random.Generator) -> Manner:
    """Draw how a person performs any motion."""
    total, duration = rng.integers(75, 101) / float(FPS), rng.uniform(0.85, 1.25)
    style, rest = draw_take(rng, "easy").style, [IDLE_ARMS[str(n)] for n in rng.choice(RESTS, 2)]
    return Manner(
        style=replace(style, arms=np.radians(rest + rng.normal(0, 7, size=(2, 4)))),
        total=total,
        start=rng.uniform(0.3, total - duration - 0.3),
        duration=duration,
        sway=rng.uniform(0.0, 0.04),
        turn=rng.choice([-1, 1]) * rng.uniform(2.3, 3.1),
        stride=rng.uniform(0.6, 0.9),
        box=(rng.choice([-1, 1]) * rng.uniform(0.4, 0.7), rng.uniform(-0.2, 0.5)),
    )


def frame_times(manner: Manner) -> Float64[np.ndarray, " t"]:
    """Return the time of each frame; the last is at the end of the take."""
    return np.arange(round(manner.total * float(FPS)) + 1) / float(FPS)


def _draw_place(rng: np.random.Generator, label: str) -> Place:
    """Draw a place; who turns to or away faces the camera more or less, at the other end."""
    away = rng.uniform(NEAR, FAR)
    yaw = rng.uniform(-1, 1) * (0.6 if LABELS[label][0] == "turn away" else 1.2)
    return Place(rng.uniform(-0.33, 0.33) * away, away, yaw)


def _draw(
    seed: int, label: str, people: tuple[int, int], rng: np.random.Generator
) -> Iterator[Frame]:
    """Yield the frames of one video."""
    manner, place = draw_manner(rng), _draw_place(rng, label)
    person, other = (draw_actor(np.random.default_rng([seed, _PEOPLE, n])) for n in people)
    seconds, light = frame_times(manner), (rng.uniform(-0.7, 0.7), -0.7)
    points = _seen(perform(label, manner, person.build, seconds), place)
    figures = [_Figure(points, [*body_parts(person), *_FURNITURE], light)]
    if rng.random() >= ALONE:
        points = _seen(*_somebody_else(other, seconds, rng))
        figures.insert(0, _Figure(points, body_parts(other), light))
    record, room = _Camera(rng), _room(seed)
    for frame in range(len(seconds)):
        image = room.copy()
        for figure in figures:
            figure.paint(image, frame)
        yield record(image)


class _Camera:
    """The light of the hour, and noise: each frame takes another crop of one field of it."""

    def __init__(self, rng: np.random.Generator) -> None:
        tone = rng.uniform(0.75, 1.1) * rng.uniform(0.93, 1.07, size=3)
        self.tones = np.clip(np.arange(256)[:, None, None] * tone, 0, 255).astype(np.uint8)
        field = rng.standard_normal((HEIGHT + 32, WIDTH + 32, 3), dtype=np.float32)
        self.noise = np.clip(128 + rng.uniform(1.0, 5.0) * field, 0, 255).astype(np.uint8)
        self.rng = rng

    def __call__(self, image: Frame) -> Frame:
        x, y = self.rng.integers(0, 32, size=2)
        noise = self.noise[y : y + HEIGHT, x : x + WIDTH]
        image = np.asarray(cv2.LUT(image, self.tones), np.uint8)
        return np.asarray(cv2.addWeighted(image, 1.0, noise, 1.0, -128.0), np.uint8)


def _room(seed: int) -> Frame:
    canvas = paint_background(seed, textured=False, scene_class=ROOM)
    x, y = (CANVAS_WIDTH - WIDTH) // 2, (CANVAS_HEIGHT - HEIGHT) // 2
    return canvas[y : y + HEIGHT, x : x + WIDTH].copy()


def _somebody_else(
    other: Actor, seconds: Float64[np.ndarray, " t"], rng: np.random.Generator
) -> tuple[dict[str, Points], Place]:
    """Return somebody who crosses the room at its far side, or stands there."""
    style, crosses = draw_take(rng, "easy").style, rng.random() < 0.5
    side, x, away = rng.choice([-1, 1]), rng.uniform(-1.8, 1.8), rng.uniform(5.0, 5.3)
    if not crosses:
        pose = rest_pose(style, seconds, planted=False)
        return joint_positions(pose, other.build), Place(x, away, rng.uniform(-1.5, 1.5))
    points = joint_positions(perform_sample("walk", style, seconds), other.build)
    way = rng.uniform(0.8, 1.2) * (seconds - rng.uniform(0, seconds[-1]))
    return {name: point + way[:, None] * [0, 0, 1] for name, point in points.items()}, Place(
        0.0, away, side * np.pi / 2
    )


def _seen(points: dict[str, Points], place: Place) -> dict[str, Points]:
    """Return (x, y, metres nearer to the camera than the wall) of each point in the frame."""
    screen, turn = {}, place.yaw
    for name, (x, y, z) in ((name, point.T) for name, point in points.items()):
        away = place.away - z * np.cos(turn) + x * np.sin(turn)
        across = place.x + x * np.cos(turn) + z * np.sin(turn)
        column, row = WIDTH / 2 + FOCAL * across / away, HORIZON + FOCAL * (EYE - y) / away
        screen[name] = np.stack([column, row, WALL - away], axis=1)
    return screen


class _Figure:
    """A person, and the things around, in all frames."""

    def __init__(
        self, points: dict[str, Points], parts: list[BodyPart], light: tuple[float, float]
    ) -> None:
        self.scale = FOCAL / (WALL - points["throat"][:, 2])  # pixels per metre
        self.feet = np.mean([points[f"{n}{side}"] for n in ("heel", "toe") for side in (0, 1)], 0)
        self.outline = outline_parts(parts, points, pixels_per_metre=self.scale, light=light)

    def paint(self, image: Frame, frame: int) -> None:
        """Draw one frame with a shadow, in place."""
        (x, y), scale = self.feet[frame, :2], self.scale[frame]
        wide, tall = 0.34 * scale, 0.09 * scale
        left, top = max(0, round(x - wide)), max(0, round(y - tall))
        under = image[top : max(0, round(y + tall)), left : max(0, round(x + wide))]
        if under.size:
            dark, centre = (under * 0.75).astype(np.uint8), (round(x) - left, round(y) - top)
            mask = np.zeros(under.shape[:2], np.uint8)
            cv2.ellipse(mask, centre, (round(wide), round(tall)), 0, 0, 360, 255, -1)
            cv2.copyTo(dark, mask, under)
        paint_figure(image, self.outline, frame)


_WOOD, _CARD = (120, 84, 52), (186, 148, 98)
_FURNITURE = [
    BodyPart(tuple(f"box{i}" for i in range(8)), (0.01,) * 8, _CARD, shaded=False),
    BodyPart(tuple(f"seat{i}" for i in range(4)), (0.025,) * 4, _WOOD, -0.1),
    *(BodyPart((f"seat{i}", f"stool{i}"), (0.018, 0.015), _WOOD, -0.2) for i in range(4)),
]
