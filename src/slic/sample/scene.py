"""From a take to frames: project the body, move the camera, light and degrade the picture."""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from slic.sample import backgrounds
from slic.sample.actions import perform
from slic.sample.body import Points, joints
from slic.sample.figure import Actor, body_parts, outlines, paint
from slic.sample.take import Take

WIDTH, HEIGHT = 320, 240
_Frame = UInt8[np.ndarray, "h w 3"]
_Path = Float64[np.ndarray, "t 2"]


def render(action: str, *, actor: Actor, place: backgrounds.Canvas, take: Take) -> Iterator[_Frame]:
    """Yield the RGB frames, 320 x 240, of an actor doing one of ``ACTIONS`` at a place."""
    rng = np.random.default_rng(take.seed)
    seconds = np.arange(take.frames) / float(take.fps)
    camera = _camera(take, seconds, rng)
    points, scale = _project(joints(perform(action, take.style, seconds), actor.build), actor, take)
    points = {
        name: _through(camera, point) for name, point in _glide(points, take, seconds).items()
    }
    figure = outlines(body_parts(actor), points, pixels_per_metre=scale, light=take.light)
    backdrop, distractors = _Backdrop(place, take, rng), _Distractors(take, rng)
    finish = _Finish(take, rng)
    for frame in range(take.frames):
        image = backdrop.frame(seconds[frame], camera[frame])
        distractors.paint(image, seconds[frame])
        _shadow(image, points, scale[frame], frame)
        paint(image, figure, frame)
        yield finish(image, seconds[frame])


def _project(
    body: dict[str, Points], actor: Actor, take: Take
) -> tuple[dict[str, Points], Float64[np.ndarray, " t"]]:
    """Return (x, y, depth) of every point, canvas pixels and metres, and pixels a metre."""
    scale = take.figure_pixels / actor.build.height_metres
    x0 = take.place[0] + (backgrounds.WIDTH - WIDTH) / 2
    y0 = take.place[1] + (backgrounds.HEIGHT - HEIGHT) / 2
    turn, tilt = take.yaw, take.pitch
    screen = {}
    for name, (x, y, z) in ((name, point.T) for name, point in body.items()):
        across, toward = x * np.cos(turn) + z * np.sin(turn), z * np.cos(turn) - x * np.sin(turn)
        up = y * np.cos(tilt) - toward * np.sin(tilt)
        depth = y * np.sin(tilt) + toward * np.cos(tilt)
        size = scale * take.distance_metres / (take.distance_metres - depth)
        screen[name] = np.stack([x0 + size * across, y0 - size * up, depth], axis=1)
    return screen, np.full(take.frames, scale)


def _glide(
    points: dict[str, Points], take: Take, seconds: Float64[np.ndarray, " t"]
) -> dict[str, Points]:
    """Move the figure over the ground, at most by what keeps it in the frame."""
    shift = np.zeros((len(seconds), 3))
    shift[:, :2] = np.outer(seconds - seconds.mean(), take.glide)
    return {name: point + shift for name, point in points.items()}


def _camera(
    take: Take, seconds: Float64[np.ndarray, " t"], rng: np.random.Generator
) -> Float64[np.ndarray, "t 2 3"]:
    """Return the affine map from canvas to frame of every frame: pan, shake, roll and zoom."""
    time = seconds - seconds.mean()
    strength = take.strength
    x, y, roll = (_shake(seconds, rng) for _ in range(3))
    angle = np.radians(strength.roll_degrees) * roll
    # A sine that starts as the pan's speed and never leaves the canvas.
    reach = np.array([50.0, 38.0])
    pan = reach * np.sin(np.outer(time, take.pan) / reach)
    centre = np.array([backgrounds.WIDTH, backgrounds.HEIGHT]) / 2 + 0.5 * pan
    centre = centre + strength.shake_pixels * np.stack([x, y], axis=1)
    maps = np.zeros((len(seconds), 2, 3))
    maps[:, 0, 0] = maps[:, 1, 1] = take.zoom * np.cos(angle)
    maps[:, 0, 1], maps[:, 1, 0] = -take.zoom * np.sin(angle), take.zoom * np.sin(angle)
    middle = np.array([WIDTH, HEIGHT]) / 2
    maps[:, :, 2] = middle - np.einsum("tij,tj->ti", maps[:, :, :2], centre)
    return maps


def _shake(
    seconds: Float64[np.ndarray, " t"], rng: np.random.Generator
) -> Float64[np.ndarray, " t"]:
    """Return a hand's tremble: four sines of random phase, unit size."""
    rates, starts = rng.uniform(0.5, 5, size=4), rng.uniform(0, 2 * np.pi, size=4)
    wave: Float64[np.ndarray, " t"] = np.sin(2 * np.pi * np.outer(seconds, rates) + starts).sum(
        axis=1
    )
    return wave / 2


def _through(camera: Float64[np.ndarray, "t 2 3"], points: Points) -> Points:
    """Map canvas points to the frame; the depth stays."""
    flat = np.einsum("tij,tj->ti", camera[:, :, :2], points[:, :2]) + camera[:, :, 2]
    return np.concatenate([flat, points[:, 2:]], axis=1)


def _shadow(image: _Frame, points: dict[str, Points], scale: float, frame: int) -> None:
    """Darken the ground between and about the feet; no higher than the feet themselves."""
    feet = [points[name][frame, :2] for name in ("ankle0", "ankle1", "toe0", "toe1")]
    low, high = np.min(feet, axis=0), np.max(feet, axis=0)
    x, y = (low[0] + high[0]) / 2, high[1] + 0.02 * scale
    for grow, strength in ((0.3, 0.93), (0.24, 0.9), (0.17, 0.87), (0.1, 0.84)):
        wide, tall = (high[0] - low[0]) / 2 + grow * scale, 0.25 * grow * scale + 2
        left, right = max(0, int(x - wide)), min(WIDTH, int(x + wide) + 2)
        top, bottom = max(0, int(y - tall)), min(HEIGHT, int(y + tall) + 2)
        if left >= right or top >= bottom:
            continue
        under = image[top:bottom, left:right]
        dark = cv2.convertScaleAbs(under, alpha=strength)
        mask = np.zeros(under.shape[:2], np.uint8)
        place = (round(x) - left, round(y) - top)
        cv2.ellipse(mask, place, (round(wide), round(tall)), 0, 0, 360, 255, -1)
        cv2.copyTo(dark, mask, under)


class _Backdrop:
    """The place behind the figure, which may scroll and ripple on its own."""

    def __init__(self, place: backgrounds.Canvas, take: Take, rng: np.random.Generator) -> None:
        self.place = place
        way = rng.uniform(0, 2 * np.pi)
        speed = take.strength.backdrop_pixels * rng.uniform(0, 1)
        self.velocity = speed * np.array([np.cos(way), 0.4 * np.sin(way)])
        self.ripple = take.strength.ripple_pixels * max(0.0, rng.uniform(-0.6, 1))
        self.rate = rng.uniform(2, 7)
        wave = 2 * np.pi / rng.uniform(40, 120)
        x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
        self.x, self.y, self.wave = x, y, np.float32(wave)

    def frame(self, second: float, camera: Float64[np.ndarray, "2 3"]) -> _Frame:
        """Return the background of one frame."""
        moved = camera.copy()
        moved[:, 2] += self.velocity * second
        image = cv2.warpAffine(
            self.place, moved, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )  # fmt: skip
        if self.ripple > 0:
            size, beat = np.float32(self.ripple), np.float32(self.rate * second)
            x = self.x + size * np.sin(self.wave * self.y + beat)
            y = self.y + size * np.cos(self.wave * self.x + beat)
            image = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(image, np.uint8)


class _Distractors:
    """Balls and boxes that cross the picture behind the figure."""

    def __init__(self, take: Take, rng: np.random.Generator) -> None:
        count = int(rng.integers(0, take.strength.distractors + 1))
        self.start = rng.uniform([0, 0], [WIDTH, HEIGHT], size=(count, 2))
        self.velocity = rng.uniform(-70, 70, size=(count, 2)) * [1, 0.3]
        self.bounce = rng.uniform(0, 25, size=count)
        self.rate = rng.uniform(1, 9, size=count)
        self.size = rng.uniform(5, 26, size=(count, 2))
        self.colour = rng.integers(20, 240, size=(count, 3))
        self.box = rng.random(count) < 0.5

    def paint(self, image: _Frame, second: float) -> None:
        """Draw the things where they are at a time."""
        room = np.array([WIDTH + 80, HEIGHT + 80])
        for k, start in enumerate(self.start):
            at = (start + self.velocity[k] * second) % room - 40
            x, y = int(at[0]), int(at[1] + self.bounce[k] * np.sin(self.rate[k] * second))
            w, h = (int(v) for v in self.size[k])
            colour = tuple(int(c) for c in self.colour[k])
            if self.box[k]:
                cv2.rectangle(image, (x - w, y - h), (x + w, y + h), colour, -1)
            else:
                cv2.circle(image, (x, y), w, colour, -1, cv2.LINE_AA)


class _Finish:
    """Exposure with flicker, defocus and sensor noise."""

    def __init__(self, take: Take, rng: np.random.Generator) -> None:
        strength = take.strength
        self.gain, self.flicker = take.gain, strength.flicker * rng.uniform(0, 1)
        self.rate, self.gamma = rng.uniform(2, 20), rng.uniform(0.8, 1.25)
        self.blur = rng.uniform(*strength.blur)
        size = (HEIGHT + 32, WIDTH + 32, 3)
        noise = rng.standard_normal(size, dtype=np.float32) * rng.uniform(*strength.noise)
        self.noise = np.clip(np.rint(noise + 128), 0, 255).astype(np.uint8)
        self.rng = rng

    def __call__(self, image: _Frame, second: float) -> _Frame:
        """Return the picture as the camera records it."""
        if self.blur > 0.3:
            image = cv2.GaussianBlur(image, (0, 0), self.blur)
        gain = self.gain * (1 + self.flicker * np.sin(self.rate * second))
        curve = 255 * (np.arange(256)[:, None] / 255) ** self.gamma * gain
        image = cv2.LUT(image, np.clip(np.rint(curve), 0, 255).astype(np.uint8)[:, None])
        x, y = self.rng.integers(0, 32, size=2)
        noise = self.noise[y : y + HEIGHT, x : x + WIDTH]
        return np.asarray(cv2.addWeighted(image, 1.0, noise, 1.0, -128.0), np.uint8)
