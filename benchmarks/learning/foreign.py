"""A set drawn in another manner: flat paper puppets before flat patterns, doing other actions.

Nothing is shared with the sample but the file formats: another body (in a plane, no depth),
another renderer (flat colours with outlines), other places, another frame size. Test actors and
places are unseen in training, and nothing but the motion, and the posture it needs, tells the
action.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from learning.foreign_actions import MOTIONS
from learning.foreign_figures import draw_actor, render
from learning.foreign_places import HEIGHT, WIDTH, paint_place
from learning.writing import Frame, Planned, write_set
from slic.videos.encoding import draw_encoding

ACTIONS = tuple(MOTIONS)
POOL = 50  # actors, and places, of a part
RATES = (Fraction(24), Fraction(25), Fraction(30))
_CAST, _TAKE, _ORDER = range(3)  # streams of random numbers of one video


def write_foreign(folder: Path, *, train: int, test: int, seed: int) -> None:
    """Write the videos that are missing, and ``labels.csv`` as the sample has it."""
    plan = [
        _planned(seed, part, index, label)
        for part, count in (("train", train), ("test", test))
        for index, label in enumerate(_labels(seed, part, count))
    ]
    settings = {"train": train, "test": test, "seed": seed, "drawing": 1}
    write_set(folder, plan, mark="foreign.json", settings=settings, size=(WIDTH, HEIGHT))


def _labels(seed: int, part: str, count: int) -> list[str]:
    """Return shuffled labels, each as often as the others, or once more."""
    rng = _rng(seed, part, 0, _ORDER)
    return [ACTIONS[k] for k in rng.permutation(np.arange(count) % len(ACTIONS))]


def _planned(seed: int, part: str, index: int, label: str) -> Planned:
    rng, first = _rng(seed, part, index, _CAST), 0 if part == "train" else POOL
    actor, place = (int(number) for number in rng.integers(first, first + POOL, size=2))
    encoding = draw_encoding(rng)
    row = {
        "path": f"{part}/{index:04d}{encoding.suffix}",
        "label": label,
        "split": part,
        "actor": f"a{actor:03d}",
        "background": f"b{place:03d}",
    }
    take = _rng(seed, part, index, _TAKE)
    fps = RATES[take.integers(len(RATES))]
    return Planned(row, encoding, fps, partial(_draw, seed, label, actor, place, fps, take))


def _draw(
    seed: int, label: str, actor: int, place: int, fps: Fraction, rng: np.random.Generator
) -> Iterator[Frame]:
    who = draw_actor(np.random.default_rng([seed, 5, actor]))
    where = paint_place(np.random.default_rng([seed, 6, place]))
    return render(label, who, where, fps=fps, rng=rng)


def _rng(seed: int, part: str, index: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, 0 if part == "train" else 1, index, stream])
