"""A set drawn in another manner: flat paper puppets before flat patterns, doing other actions.

Nothing is shared with the sample but the file formats: another body (in a plane, no depth),
another renderer (flat colours with outlines), other places, another frame size. Test actors and
places are unseen in training, and nothing but the motion, and the posture it needs, tells the
action.
"""

import csv
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from learning.foreign_actions import MOTIONS
from learning.foreign_figures import draw_actor, render
from learning.foreign_places import HEIGHT, WIDTH, paint_place
from slic.errors import CatalogError
from slic.files import atomic_path, write_atomically
from slic.videos.encoding import Encoding, draw_encoding, write_video

ACTIONS = tuple(MOTIONS)
POOL = 50  # actors, and places, of a part
RATES = (Fraction(24), Fraction(25), Fraction(30))
_CAST, _TAKE, _ORDER = range(3)  # streams of random numbers of one video


def write_foreign(folder: Path, *, train: int, test: int, seed: int) -> None:
    """Write the videos that are missing, and ``labels.csv`` as the sample has it."""
    wanted = {"train": train, "test": test, "seed": seed, "drawing": 1}
    mark = folder / "foreign.json"
    if mark.exists() and json.loads(mark.read_text()) != wanted:
        raise CatalogError(f"{folder}: holds another set than {wanted}. Give another folder.")
    write_atomically(mark, json.dumps(wanted).encode())
    plan = [
        _planned(seed, part, index, label)
        for part, count in (("train", train), ("test", test))
        for index, label in enumerate(_labels(seed, part, count))
    ]
    todo = [one for one in plan if not (folder / one.row["path"]).exists()]
    for one in tqdm(todo, desc="drawing videos", unit="video", disable=not todo):
        _write_one(folder / one.row["path"], seed, one)
    rows = [one.row for one in plan]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / "labels.csv", text.getvalue().encode())


def _labels(seed: int, part: str, count: int) -> list[str]:
    """Return shuffled labels, each as often as the others, or once more."""
    rng = _rng(seed, part, 0, _ORDER)
    return [ACTIONS[k] for k in rng.permutation(np.arange(count) % len(ACTIONS))]


class _Planned(NamedTuple):
    """One video to come: its line of the table, and what its file will be like."""

    row: dict[str, str]
    actor: int
    place: int
    encoding: Encoding
    take: np.random.Generator


def _planned(seed: int, part: str, index: int, label: str) -> _Planned:
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
    return _Planned(row, actor, place, encoding, _rng(seed, part, index, _TAKE))


def _write_one(file: Path, seed: int, planned: _Planned) -> None:
    actor = draw_actor(np.random.default_rng([seed, 5, planned.actor]))
    place = paint_place(np.random.default_rng([seed, 6, planned.place]))
    rng = planned.take
    fps = RATES[rng.integers(len(RATES))]
    frames = render(planned.row["label"], actor, place, fps=fps, rng=rng)
    with atomic_path(file) as path:
        write_video(path, frames, fps=fps, size=(WIDTH, HEIGHT), encoding=planned.encoding)


def _rng(seed: int, part: str, index: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, 0 if part == "train" else 1, index, stream])
