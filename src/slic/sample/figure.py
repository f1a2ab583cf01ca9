"""The actor: body, clothes and hair, drawn as shaded convex parts sorted by depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float64, Int32, UInt8

from slic.sample.body import Build, Points

Colour = tuple[int, int, int]  # RGB
_SKIN_COLOURS: tuple[Colour, ...] = (
    (246, 214, 190), (232, 190, 158), (214, 164, 128), (184, 130, 94), (142, 96, 66), (98, 66, 48),
)  # fmt: skip
_HAIR_COLOURS: tuple[Colour, ...] = (
    (28, 24, 24), (58, 40, 30), (104, 70, 42), (170, 124, 66), (214, 180, 112), (150, 62, 34),
    (172, 172, 174),
)  # fmt: skip
# Drawn by number: `rng.choice` of words loses a Ctrl-C that comes meanwhile (NumPy 2.4).
_SLEEVES = ("none", "short", "long")
_LEGWEAR = ("trousers", "shorts", "skirt")
_HAIRSTYLES = ("short", "long", "bun", "bald", "cap")
_SUBPIXEL_BITS = 4  # OpenCV takes polygon corners as fixed-point numbers


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person: proportions, colours and clothes.

    Attributes:
        build: Proportions of the body.
        skin: Colour of the skin.
        hair: Colour of the hair.
        top: Colour of the shirt.
        sleeves: Colour of its sleeves.
        bottom: Colour of trousers, shorts or skirt.
        shoes: Colour of the shoes, and of a cap.
        badge: Colour of the print on the shirt; no print if it is that of the shirt.
        sleeve_length: ``"none"``, ``"short"`` or ``"long"``.
        legwear: ``"trousers"``, ``"shorts"`` or ``"skirt"``.
        hairstyle: ``"short"``, ``"long"``, ``"bun"``, ``"bald"`` or ``"cap"``.
    """

    build: Build
    skin: Colour
    hair: Colour
    top: Colour
    sleeves: Colour
    bottom: Colour
    shoes: Colour
    badge: Colour
    sleeve_length: str
    legwear: str
    hairstyle: str


class BodyPart(NamedTuple):
    """The convex hull of balls around points of the body, in one colour.

    Attributes:
        points: Names of points that `joint_positions` returns.
        radii: Radius of the ball at each point, metres.
        colour: RGB.
        depth_offset: Metres added to the depth when parts are sorted; positive is nearer.
        shaded: Draw all tones, not just the middle one.
    """

    points: tuple[str, ...]
    radii: tuple[float, ...]
    colour: Colour
    depth_offset: float = 0.0
    shaded: bool = True


def draw_actor(rng: np.random.Generator) -> Actor:
    """Draw a person at random.

    Args:
        rng: Source of all draws.
    """
    top = _draw_cloth_colour(rng)
    return Actor(
        build=Build(
            height_metres=rng.uniform(1.55, 1.95),
            hip_height=rng.uniform(0.5, 0.545),
            shoulder=rng.uniform(0.095, 0.125),
            hip=rng.uniform(0.048, 0.062),
            head=rng.uniform(0.068, 0.079),
            girth=rng.uniform(0.88, 1.28),
        ),
        skin=_SKIN_COLOURS[rng.integers(len(_SKIN_COLOURS))],
        hair=_HAIR_COLOURS[rng.integers(len(_HAIR_COLOURS))],
        top=top,
        sleeves=_draw_cloth_colour(rng) if rng.random() < 0.25 else top,
        bottom=_draw_cloth_colour(rng),
        shoes=_draw_cloth_colour(rng),
        badge=_draw_cloth_colour(rng) if rng.random() < 0.5 else top,
        sleeve_length=_SLEEVES[rng.choice(3, p=[0.15, 0.45, 0.4])],
        legwear=_LEGWEAR[rng.choice(3, p=[0.6, 0.27, 0.13])],
        hairstyle=_HAIRSTYLES[rng.integers(len(_HAIRSTYLES))],
    )


def _draw_cloth_colour(rng: np.random.Generator) -> Colour:
    """Draw a colour by hue, saturation and value, so that dull and bright ones are balanced."""
    hsv = np.array([[[rng.uniform(0, 180), 255 * rng.beta(1.6, 1.4), rng.uniform(45, 245)]]])
    red, green, blue = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)[0, 0]
    return int(red), int(green), int(blue)


def body_parts(actor: Actor) -> list[BodyPart]:
    """Return all parts of an actor, in no order."""
    return _trunk_parts(actor) + _head_parts(actor) + _limb_parts(actor, 0) + _limb_parts(actor, 1)


def _trunk_parts(actor: Actor) -> list[BodyPart]:
    size, thick = actor.build.height_metres, actor.build.height_metres * actor.build.girth
    shirt = ("shoulder0", "shoulder1", "chest0", "chest1", "waist0", "waist1")
    radii = (0.034, 0.034, 0.06, 0.06, 0.054, 0.054)
    parts = [
        BodyPart(shirt, tuple(thick * r for r in radii), actor.top, -0.02 * size),
        BodyPart(("hip0", "hip1", "belt0", "belt1"), (0.057 * thick,) * 2 + (0.05 * thick,) * 2,
             actor.bottom, 0.015 * size),
        BodyPart(("throat",), (0.033 * thick,), actor.skin),
        BodyPart(("throat", "head"), (0.027 * thick, 0.027 * thick), actor.skin, -0.03 * size),
    ]  # fmt: skip
    if actor.badge != actor.top:
        parts.append(BodyPart(("print",), (0.03 * size,), actor.badge, 0.02 * size, shaded=False))
    if actor.legwear == "skirt":
        skirt, wide = ("hip0", "hip1", "knee0", "knee1"), (0.062, 0.062, 0.056, 0.056)
        parts.append(BodyPart(skirt, tuple(thick * r for r in wide), actor.bottom, 0.03 * size))
    return parts


def _limb_parts(actor: Actor, side: int) -> list[BodyPart]:
    thick = actor.build.height_metres * actor.build.girth
    cover, bare = actor.sleeves, actor.skin
    upper_arm = bare if actor.sleeve_length == "none" else cover
    lower_arm = cover if actor.sleeve_length == "long" else bare
    shin = actor.bottom if actor.legwear == "trousers" else bare

    def part(first: str, last: str, thin: tuple[float, float], colour: Colour) -> BodyPart:
        ends = (f"{first}{side}", f"{last}{side}")
        return BodyPart(ends, (thick * thin[0], thick * thin[1]), colour)

    return [
        part("shoulder", "sleeve", (0.033, 0.031), upper_arm),
        part("sleeve", "elbow", (0.027, 0.024), lower_arm),
        part("elbow", "wrist", (0.024, 0.017), lower_arm),
        part("wrist", "hand", (0.017, 0.023), bare),
        part("hip", "knee", (0.056, 0.038), actor.bottom),
        part("knee", "ankle", (0.037, 0.024), shin),
        part("heel", "toe", (0.025, 0.019), actor.shoes),
    ]


def _head_parts(actor: Actor) -> list[BodyPart]:
    radius = actor.build.head * actor.build.height_metres
    skin, hair = actor.skin, actor.hair
    black: Colour = (34, 26, 24)
    parts = [
        BodyPart(("head", "chin"), (0.9 * radius, 0.62 * radius), skin),
        BodyPart(("nose",), (0.13 * radius,), skin),
        BodyPart(("ear0",), (0.22 * radius,), skin, shaded=False),
        BodyPart(("ear1",), (0.22 * radius,), skin, shaded=False),
        BodyPart(("eye0",), (0.1 * radius,), black, shaded=False),
        BodyPart(("eye1",), (0.1 * radius,), black, shaded=False),
    ]
    if actor.hairstyle == "cap":
        parts.append(BodyPart(("nape",), (0.72 * radius,), hair))
    elif actor.hairstyle != "bald":
        parts.append(BodyPart(("crown", "nape"), (0.93 * radius, 0.72 * radius), hair))
    if actor.hairstyle in ("short", "bun", "long"):
        parts.append(BodyPart(("top", "fringe"), (0.5 * radius, 0.3 * radius), hair, 0.3 * radius))
    if actor.hairstyle == "bun":
        parts.append(BodyPart(("bun",), (0.45 * radius,), hair))
    if actor.hairstyle == "long":
        parts.append(BodyPart(("nape", "mane"), (0.8 * radius, 0.55 * radius), hair))
    if actor.hairstyle == "cap":
        cap, near = actor.shoes, 0.4 * radius
        parts.append(BodyPart(("top", "fringe"), (0.62 * radius, 0.42 * radius), cap, near))
        parts.append(BodyPart(("fringe", "peak"), (0.4 * radius, 0.22 * radius), cap, near))
    return parts


@dataclass(frozen=True, kw_only=True)
class Outlines:
    """Polygons of a figure in all frames.

    Attributes:
        corners: For each part, (layer, frame, corner, xy) as fixed-point numbers.
        colours: For each part, the colour of each layer.
        depth: Depth of each part in each frame; larger is nearer to the camera.
    """

    corners: list[Int32[np.ndarray, "_ t _ 2"]]
    colours: list[list[Colour]]
    depth: Float64[np.ndarray, "t parts"]


def outline_parts(
    parts: Sequence[BodyPart],
    points: dict[str, Points],
    *,
    pixels_per_metre: Float64[np.ndarray, " t"],
    light: tuple[float, float],
) -> Outlines:
    """Return the polygons of body parts in all frames.

    Args:
        parts: Parts of the figure.
        points: Projected points by name: (x pixels, y pixels, depth metres).
        pixels_per_metre: Scale of the radii in each frame.
        light: Direction that the light comes from in the image; (0, -1) is above.
    """
    depth = [np.mean([points[n][:, 2] for n in p.points], axis=0) + p.depth_offset for p in parts]
    corners, colours = [], []
    for part in parts:
        centre = np.stack([points[name][:, :2] for name in part.points], axis=1)
        radius = np.outer(pixels_per_metre, part.radii)
        layers = _SHADE_LAYERS if part.shaded else _SHADE_LAYERS[1:2]
        corners.append(np.stack([_layer_corners(centre, radius, layer, light) for layer in layers]))
        colours.append([_shade(part.colour, layer.tone) for layer in layers])
    return Outlines(corners=corners, colours=colours, depth=np.stack(depth, axis=1))


class _ShadeLayer(NamedTuple):
    """One tone of a part; brighter layers are thinner and shifted towards the light."""

    share: float
    tone: float


_SHADE_LAYERS = (
    _ShadeLayer(1.0, 0.68),
    _ShadeLayer(0.84, 0.87),
    _ShadeLayer(0.62, 1.02),
    _ShadeLayer(0.32, 1.16),
)
_CIRCLE_ANGLES = np.linspace(0, 2 * np.pi, 14, endpoint=False)
_UNIT_CIRCLE = np.stack([np.cos(_CIRCLE_ANGLES), np.sin(_CIRCLE_ANGLES)], axis=1)


def _layer_corners(
    centre: Float64[np.ndarray, "t m 2"],
    radius: Float64[np.ndarray, "t m"],
    layer: _ShadeLayer,
    light: tuple[float, float],
) -> Int32[np.ndarray, "t corners 2"]:
    moved = centre + 0.8 * (1 - layer.share) * radius[..., None] * np.array(light)
    rim = moved[:, :, None] + layer.share * radius[:, :, None, None] * _UNIT_CIRCLE
    corners = rim.reshape(len(rim), -1, 2)
    return np.asarray(np.rint(corners * 2**_SUBPIXEL_BITS), np.int32)


def _shade(colour: Colour, tone: float) -> Colour:
    red, green, blue = (min(255, round(tone * c + 10 * max(0.0, tone - 1))) for c in colour)
    return red, green, blue


def paint_figure(image: UInt8[np.ndarray, "h w 3"], outline: Outlines, frame: int) -> None:
    """Draw one frame of a figure into an image, the farthest part first.

    Args:
        image: RGB image, changed in place.
        outline: Polygons of the figure.
        frame: Index of the frame.
    """
    for part in np.argsort(outline.depth[frame], kind="stable"):
        for corners, colour in zip(outline.corners[part], outline.colours[part], strict=True):
            hull = cv2.convexHull(corners[frame])
            cv2.fillConvexPoly(image, hull, colour, cv2.LINE_AA, _SUBPIXEL_BITS)
