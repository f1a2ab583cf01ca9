"""Render a take: project the body, move the camera, light the image and degrade it."""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from slic.sample.actions import perform
from slic.sample.backgrounds import CANVAS_HEIGHT, CANVAS_WIDTH, Canvas
from slic.sample.body import Points, joint_positions
from slic.sample.figure import Actor, body_parts, outline_parts, paint_figure
from slic.sample.take import Take

FRAME_WIDTH, FRAME_HEIGHT = 320, 240
SceneImage = UInt8[np.ndarray, "h w 3"]
_Times = Float64[np.ndarray, " t"]
_CameraMaps = Float64[np.ndarray, "t 2 3"]  # affine, from canvas to frame

# Share of the feet's distance and brightness of each ellipse of a shadow, the largest first.
_SHADOW_ELLIPSES = ((0.3, 0.93), (0.24, 0.9), (0.17, 0.87), (0.1, 0.84))


def render_video(
    action: str, *, actor: Actor, background: Canvas, take: Take
) -> Iterator[SceneImage]:
    """Render the frames of an actor who does an action in front of a background.

    Args:
        action: One of ``slic.sample.ACTIONS``.
        actor: Body and clothes.
        background: Canvas that `paint_background` made.
        take: Camera, light, noise and manner of the performance. Equal takes give equal pixels.

    Yields:
        RGB frames of 320 x 240 pixels.
    """
    rng = np.random.default_rng(take.seed)
    seconds = np.arange(take.frames) / float(take.fps)
    camera = _camera_maps(take, seconds, rng)
    body = joint_positions(perform(action, take.style, seconds), actor.build)
    points, scale = _project_to_canvas(body, actor, take)
    points = _glide_points(points, take, seconds)
    points = {name: _map_to_frame(camera, point) for name, point in points.items()}
    figure = outline_parts(body_parts(actor), points, pixels_per_metre=scale, light=take.light)
    moving_background, objects = _MovingBackground(background, take, rng), _MovingObjects(take, rng)
    effects = _CameraEffects(take, rng)
    for frame in range(take.frames):
        image = moving_background.frame(seconds[frame], camera[frame])
        objects.paint(image, seconds[frame])
        _paint_shadow(image, points, scale[frame], frame)
        paint_figure(image, figure, frame)
        yield effects(image, seconds[frame])


def _project_to_canvas(
    body: dict[str, Points], actor: Actor, take: Take
) -> tuple[dict[str, Points], _Times]:
    """Project body points in perspective.

    Returns:
        (x, y, depth) of each point in canvas pixels and metres, and pixels per metre by frame.
    """
    scale = take.figure_pixels / actor.build.height_metres
    x0 = take.feet[0] + (CANVAS_WIDTH - FRAME_WIDTH) / 2
    y0 = take.feet[1] + (CANVAS_HEIGHT - FRAME_HEIGHT) / 2
    turn, tilt = take.yaw, take.pitch
    screen = {}
    for name, (x, y, z) in ((name, point.T) for name, point in body.items()):
        across, toward = x * np.cos(turn) + z * np.sin(turn), z * np.cos(turn) - x * np.sin(turn)
        up = y * np.cos(tilt) - toward * np.sin(tilt)
        depth = y * np.sin(tilt) + toward * np.cos(tilt)
        size = scale * take.distance_metres / (take.distance_metres - depth)
        screen[name] = np.stack([x0 + size * across, y0 - size * up, depth], axis=1)
    return screen, np.full(take.frames, scale)


def _glide_points(points: dict[str, Points], take: Take, seconds: _Times) -> dict[str, Points]:
    """Move the figure over the ground, centred in time so that it stays in the frame."""
    shift = np.zeros((len(seconds), 3))
    shift[:, :2] = np.outer(seconds - seconds.mean(), take.glide)
    return {name: point + shift for name, point in points.items()}


def _camera_maps(take: Take, seconds: _Times, rng: np.random.Generator) -> _CameraMaps:
    """Return the affine map from canvas to frame at each time: pan, shake, roll and zoom."""
    time = seconds - seconds.mean()
    ranges = take.ranges
    x, y, roll = (_camera_shake(seconds, rng) for _ in range(3))
    angle = np.radians(ranges.roll_degrees) * roll
    # A sine starts at the speed of the pan and never leaves the canvas.
    reach = np.array([50.0, 38.0])
    pan = reach * np.sin(np.outer(time, take.pan) / reach)
    centre = np.array([CANVAS_WIDTH, CANVAS_HEIGHT]) / 2 + 0.5 * pan
    centre = centre + ranges.shake_pixels * np.stack([x, y], axis=1)
    maps = np.zeros((len(seconds), 2, 3))
    maps[:, 0, 0] = maps[:, 1, 1] = take.zoom * np.cos(angle)
    maps[:, 0, 1], maps[:, 1, 0] = -take.zoom * np.sin(angle), take.zoom * np.sin(angle)
    middle = np.array([FRAME_WIDTH, FRAME_HEIGHT]) / 2
    maps[:, :, 2] = middle - np.einsum("tij,tj->ti", maps[:, :, :2], centre)
    return maps


def _camera_shake(seconds: _Times, rng: np.random.Generator) -> _Times:
    """Return the tremble of a hand-held camera: four sines of random phase, about unit size."""
    rates, starts = rng.uniform(0.5, 5, size=4), rng.uniform(0, 2 * np.pi, size=4)
    wave: _Times = np.sin(2 * np.pi * np.outer(seconds, rates) + starts).sum(axis=1)
    return wave / 2


def _map_to_frame(camera: _CameraMaps, points: Points) -> Points:
    """Map canvas points to frame pixels and keep their depth."""
    flat = np.einsum("tij,tj->ti", camera[:, :, :2], points[:, :2]) + camera[:, :, 2]
    return np.concatenate([flat, points[:, 2:]], axis=1)


def _paint_shadow(image: SceneImage, points: dict[str, Points], scale: float, frame: int) -> None:
    """Darken the ground between and around the feet, not higher than the feet themselves."""
    feet = [points[name][frame, :2] for name in ("ankle0", "ankle1", "toe0", "toe1")]
    low, high = np.min(feet, axis=0), np.max(feet, axis=0)
    x, y = (low[0] + high[0]) / 2, high[1] + 0.02 * scale
    for share, brightness in _SHADOW_ELLIPSES:
        wide, tall = (high[0] - low[0]) / 2 + share * scale, 0.25 * share * scale + 2
        left, right = max(0, int(x - wide)), min(FRAME_WIDTH, int(x + wide) + 2)
        top, bottom = max(0, int(y - tall)), min(FRAME_HEIGHT, int(y + tall) + 2)
        if left >= right or top >= bottom:
            continue
        under = image[top:bottom, left:right]
        dark = cv2.convertScaleAbs(under, alpha=brightness)
        mask = np.zeros(under.shape[:2], np.uint8)
        centre = (round(x) - left, round(y) - top)
        cv2.ellipse(mask, centre, (round(wide), round(tall)), 0, 0, 360, 255, -1)
        cv2.copyTo(dark, mask, under)


class _MovingBackground:
    """The background, which may scroll and ripple on its own."""

    def __init__(self, background: Canvas, take: Take, rng: np.random.Generator) -> None:
        self.background = background
        direction = rng.uniform(0, 2 * np.pi)
        speed = take.ranges.background_pixels * rng.uniform(0, 1)
        self.velocity = speed * np.array([np.cos(direction), 0.4 * np.sin(direction)])
        self.ripple = take.ranges.ripple_pixels * max(0.0, rng.uniform(-0.6, 1))
        self.rate = rng.uniform(2, 7)
        wave = 2 * np.pi / rng.uniform(40, 120)
        self.y, self.x = np.indices((FRAME_HEIGHT, FRAME_WIDTH), dtype=np.float32)
        self.wave = np.float32(wave)

    def frame(self, second: float, camera: Float64[np.ndarray, "2 3"]) -> SceneImage:
        """Return the background at a time, as the camera sees it."""
        moved = camera.copy()
        moved[:, 2] += self.velocity * second
        image = cv2.warpAffine(
            self.background, moved, (FRAME_WIDTH, FRAME_HEIGHT), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )  # fmt: skip
        if self.ripple > 0:
            size, phase = np.float32(self.ripple), np.float32(self.rate * second)
            x = self.x + size * np.sin(self.wave * self.y + phase)
            y = self.y + size * np.cos(self.wave * self.x + phase)
            image = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(image, np.uint8)


class _MovingObjects:
    """Balls and boxes that cross the image behind the figure."""

    def __init__(self, take: Take, rng: np.random.Generator) -> None:
        count = int(rng.integers(0, take.ranges.max_objects + 1))
        self.start = rng.uniform([0, 0], [FRAME_WIDTH, FRAME_HEIGHT], size=(count, 2))
        self.velocity = rng.uniform(-70, 70, size=(count, 2)) * [1, 0.3]
        self.bounce = rng.uniform(0, 25, size=count)
        self.rate = rng.uniform(1, 9, size=count)
        self.size = rng.uniform(5, 26, size=(count, 2))
        self.colour = rng.integers(20, 240, size=(count, 3))
        self.is_box = rng.random(count) < 0.5

    def paint(self, image: SceneImage, second: float) -> None:
        """Draw the objects where they are at a time; one that leaves returns at the other side."""
        extent = np.array([FRAME_WIDTH + 80, FRAME_HEIGHT + 80])
        for k, start in enumerate(self.start):
            at = (start + self.velocity[k] * second) % extent - 40
            x, y = int(at[0]), int(at[1] + self.bounce[k] * np.sin(self.rate[k] * second))
            w, h = (int(v) for v in self.size[k])
            colour = tuple(int(c) for c in self.colour[k])
            if self.is_box[k]:
                cv2.rectangle(image, (x - w, y - h), (x + w, y + h), colour, -1)
            else:
                cv2.circle(image, (x, y), w, colour, -1, cv2.LINE_AA)


class _CameraEffects:
    """Exposure with flicker, defocus and sensor noise."""

    def __init__(self, take: Take, rng: np.random.Generator) -> None:
        ranges = take.ranges
        self.gain, self.flicker = take.gain, ranges.flicker * rng.uniform(0, 1)
        self.rate, self.gamma = rng.uniform(2, 20), rng.uniform(0.8, 1.25)
        self.blur = rng.uniform(*ranges.blur)
        # Each frame takes another crop of one field of noise: drawing one a frame is slower.
        size = (FRAME_HEIGHT + 32, FRAME_WIDTH + 32, 3)
        noise = rng.standard_normal(size, dtype=np.float32) * rng.uniform(*ranges.noise)
        self.noise = np.clip(np.rint(noise + 128), 0, 255).astype(np.uint8)
        self.rng = rng

    def __call__(self, image: SceneImage, second: float) -> SceneImage:
        """Return the image as the camera records it."""
        if self.blur > 0.3:
            image = cv2.GaussianBlur(image, (0, 0), self.blur)
        gain = self.gain * (1 + self.flicker * np.sin(self.rate * second))
        curve = 255 * (np.arange(256)[:, None] / 255) ** self.gamma * gain
        image = cv2.LUT(image, np.clip(np.rint(curve), 0, 255).astype(np.uint8)[:, None])
        x, y = self.rng.integers(0, 32, size=2)
        noise = self.noise[y : y + FRAME_HEIGHT, x : x + FRAME_WIDTH]
        return np.asarray(cv2.addWeighted(image, 1.0, noise, 1.0, -128.0), np.uint8)
