"""Ten classes, half of them told by the scene and half by the motion, as in UCF101.

Five classes are kinds of scene of their own, in the palette of a sunny evening; a person does one
of the five actions that are no class. Five classes are actions; they happen in any kind of scene by
day or at night. So within the scene classes the action says nothing, within the action classes the
scene says nothing, and no video belongs to two classes. Every video has a background and a person
of its own. Half of the takes are those of *easy*, half those of *hard*, without strong patterns.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from learning.scenes import SCENES
from learning.writing import PARTS, Frame, Planned, shuffled_labels, write_set
from slic.sample.actions import ACTIONS
from slic.sample.backgrounds import paint_background
from slic.sample.figure import draw_actor
from slic.sample.scene import FRAME_HEIGHT, FRAME_WIDTH, render_video
from slic.sample.take import SampleLevel, Take, draw_take
from slic.videos.encoding import draw_encoding

CLASS_ACTIONS = ("walk", "jump", "wave", "box", "squat")
OTHER_ACTIONS = tuple(action for action in ACTIONS if action not in CLASS_ACTIONS)
SCENE_LABELS = tuple(f"{scene} evening" for scene in SCENES)
LABELS = (*SCENE_LABELS, *CLASS_ACTIONS)
NIGHT = tuple(range(len(SCENES), 2 * len(SCENES)))  # `scene_class` of `paint_background`
_ORDER, _CONTENT, _TAKE = range(3)  # streams of random numbers


class Content(NamedTuple):
    """What a video shows.

    Attributes:
        action: One of the sample's actions.
        scene: ``scene_class`` of `paint_background`; None: any kind by day.
        background: Number of the background.
        actor: Number of the person.
        level: Level that the take is drawn from.
    """

    action: str
    scene: int | None
    background: int
    actor: int
    level: SampleLevel


def write_both(folder: Path, *, train: int, test: int, seed: int) -> None:
    """Write the videos that are missing, and ``labels.csv`` as the sample has it."""
    plan = [
        _planned(seed, part, index, label)
        for part, count in enumerate((train, test))
        for index, label in enumerate(
            shuffled_labels(LABELS, count, np.random.default_rng([seed, part, 0, _ORDER]))
        )
    ]
    settings = {"train": train, "test": test, "seed": seed, "drawing": 1}
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    write_set(folder, plan, mark="both.json", settings=settings, size=size)


def draw_content(label: str, rng: np.random.Generator) -> Content:
    """Draw what a video of a class shows."""
    if label in SCENE_LABELS:
        action = str(rng.choice(OTHER_ACTIONS))
        scene: int | None = SCENE_LABELS.index(label)
    else:
        action = label
        scene = int(rng.choice(NIGHT)) if rng.random() < 0.5 else None
    background, actor = (int(number) for number in rng.integers(10**9, size=2))
    level: SampleLevel = "hard" if rng.random() < 0.5 else "easy"
    return Content(action, scene, background, actor, level)


def _planned(seed: int, part: int, index: int, label: str) -> Planned:
    rng = np.random.default_rng([seed, part, index, _CONTENT])
    content, encoding = draw_content(label, rng), draw_encoding(rng)
    take = draw_take(np.random.default_rng([seed, part, index, _TAKE]), content.level)
    row = {
        "path": f"{PARTS[part]}/{index:04d}{encoding.suffix}",
        "label": label,
        "split": PARTS[part],
        "action": content.action,
    }
    return Planned(row, encoding, take.fps, partial(_draw, content, take))


def _draw(content: Content, take: Take) -> Iterator[Frame]:
    background = paint_background(content.background, textured=False, scene_class=content.scene)
    actor = draw_actor(np.random.default_rng(content.actor))
    return render_video(content.action, actor=actor, background=background, take=take)
