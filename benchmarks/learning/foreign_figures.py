"""The figures of the foreign set: paper puppets, drawn flat with an outline."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from jaxtyping import Float64

from learning.foreign_actions import FRONT, Points, draw_manner, perform
from learning.foreign_places import HEIGHT, MARGIN, WIDTH, Colour, Frame, draw_colour

INK = (25, 22, 30)
Corner = Float64[np.ndarray, "2"]


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Appearance of a puppet; girths are fractions of its height."""

    skin: Colour
    shirt: Colour
    trousers: Colour
    mark: Colour
    girth: float
    belly: float
    head: float
    ears: str  # none, round, long or horn
    tail: bool
    outline: int  # pixels


def draw_actor(rng: np.random.Generator) -> Actor:
    """Draw a puppet."""
    return Actor(
        skin=draw_colour(rng),
        shirt=draw_colour(rng),
        trousers=draw_colour(rng),
        mark=draw_colour(rng),
        girth=rng.uniform(0.05, 0.085),
        belly=rng.uniform(0.13, 0.22),
        head=rng.uniform(0.09, 0.14),
        ears=str(rng.choice(["none", "round", "long", "horn"])),
        tail=bool(rng.random() < 0.4),
        outline=int(rng.integers(0, 3)),
    )


def render(
    action: str, actor: Actor, place: Frame, *, fps: Fraction, rng: np.random.Generator
) -> Iterator[Frame]:
    """Yield the RGB frames of a performance."""
    seconds = np.arange(round(rng.uniform(2.2, 3.6) * fps)) / float(fps)
    scale = rng.uniform(115, 160)  # pixels of the figure's height
    points = _placed(perform(action, draw_manner(rng), seconds), scale, rng)
    drift = np.outer(seconds - seconds.mean(), rng.uniform(-5, 5, size=2))
    roll, rate = rng.uniform(-1.2, 1.2), rng.uniform(1, 3)
    light, noise = rng.uniform(0.75, 1.15), rng.uniform(1, 6)
    wag = rng.uniform(0, 6)
    for t, second in enumerate(seconds):
        image = place.copy()
        _paint(image, actor, {k: p[t] for k, p in points.items()}, scale, np.sin(2 * second + wag))
        middle = (WIDTH / 2 + MARGIN, HEIGHT / 2 + MARGIN)
        camera = cv2.getRotationMatrix2D(middle, roll * np.sin(rate * second), 1.0)
        camera[:, 2] += drift[t] - MARGIN
        image = cv2.warpAffine(
            image, camera, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101
        ).astype(np.float32)
        image = light * image + rng.normal(0, noise, size=(HEIGHT, WIDTH, 1))
        yield np.clip(image, 0, 255).astype(np.uint8)


def _placed(points: Points, scale: float, rng: np.random.Generator) -> Points:
    """Put a performance into the picture: middle of the figure, somewhat narrowed, either way."""
    reach = np.concatenate(list(points.values()))
    middle = (reach.min(axis=0) + reach.max(axis=0)) / 2
    way, narrow = rng.choice([-1, 1]), rng.uniform(0.7, 1.0)
    lean = np.radians(rng.uniform(-5, 5))
    turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
    x, y = WIDTH / 2 + MARGIN + rng.uniform(-30, 30), HEIGHT / 2 + MARGIN + rng.uniform(-6, 14)
    size = scale * np.array([way * narrow, -1.0])
    return {name: (point - middle) @ turn * size + [x, y] for name, point in points.items()}


def _paint(image: Frame, actor: Actor, at: dict[str, Corner], scale: float, wag: float) -> None:
    """Draw the puppet from its far side to its near one."""
    girth = max(2, round(actor.girth * scale))

    def line(*names: str, colour: Colour, width: int) -> None:
        corners = [np.array([at[name] for name in names]).round().astype(np.int32)]
        if actor.outline:
            wide = width + 2 * actor.outline
            cv2.polylines(image, corners, False, INK, wide, cv2.LINE_AA)
        cv2.polylines(image, corners, False, colour, width, cv2.LINE_AA)

    dark = {name: _shade(getattr(actor, name)) for name in ("skin", "trousers")}
    if actor.tail:
        spine = at["pelvis"] - at["neck"]
        at["tail"] = at["pelvis"] + 0.7 * spine + wag * 0.25 * spine[::-1]
        line("pelvis", "tail", colour=actor.mark, width=girth)
    line("shoulder", "elbow1", "hand1", colour=dark["skin"], width=girth)
    line("pelvis", "knee1", "foot1", colour=dark["trousers"], width=girth + 2)
    _head(image, actor, at, scale)
    breadth = max(0.4, min(1.0, float(np.linalg.norm(_across(at, scale)))))  # edge-on it is thin
    line("pelvis", "neck", colour=actor.shirt, width=round(actor.belly * scale * breadth))
    cv2.circle(image, _pixel((at["pelvis"] + at["neck"]) / 2), girth // 2 + 1, actor.mark, -1)
    line("pelvis", "knee0", "foot0", colour=actor.trousers, width=girth + 2)
    line("shoulder", "elbow0", "hand0", colour=actor.skin, width=girth)


def _head(image: Frame, actor: Actor, at: dict[str, Corner], scale: float) -> None:
    radius, up = actor.head * scale, at["head"] - at["neck"]
    up = up / max(float(np.linalg.norm(up)), 1e-6)
    ahead = _across(at, scale)
    length = {"none": 0.0, "round": 0.55, "long": 1.3, "horn": 0.9}[actor.ears]
    for side in (-0.55, 0.55):
        root = at["head"] + 0.8 * radius * up + side * radius * ahead
        tip = root + length * radius * (up + 0.5 * side * ahead)
        if length:
            width = round(radius * (0.7 if actor.ears == "round" else 0.35))
            cv2.line(image, _pixel(root), _pixel(tip), actor.mark, width, cv2.LINE_AA)
    if actor.outline:
        cv2.circle(image, _pixel(at["head"]), round(radius) + actor.outline, INK, -1, cv2.LINE_AA)
    cv2.circle(image, _pixel(at["head"]), round(radius), actor.skin, -1, cv2.LINE_AA)
    for side in (-0.35, 0.35):
        eye = at["head"] + radius * (0.15 * up + side * ahead)
        cv2.circle(image, _pixel(eye), max(1, round(0.13 * radius)), (20, 20, 20), -1)


def _across(at: dict[str, Corner], scale: float) -> Corner:
    """Return where the face looks, as long as it is seen: 1 from the side, 0 edge-on."""
    return np.asarray((at["front"] - at["head"]) / (FRONT * scale))


def _shade(colour: Colour) -> Colour:
    red, green, blue = (int(0.7 * v) for v in colour)
    return red, green, blue


def _pixel(point: Corner) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
