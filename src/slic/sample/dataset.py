"""Plan a sample, write its videos in parallel, and label them."""

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from tqdm import tqdm

from slic.errors import CatalogError, SlicError
from slic.files import atomic_path, write_atomically
from slic.sample import backgrounds, scene
from slic.sample.actions import ACTIONS
from slic.sample.figure import Actor, draw_actor
from slic.sample.take import Level, draw_take
from slic.videos.encoding import draw_encoding, write_video
from slic.videos.preparing import begin_worker
from slic.videos.scanning import cores

SPLITS = ("train", "test")
POOL = 60  # actors, and backgrounds, of a split
FEW = 4  # so many videos are written sooner than processes start
TIED = 0.9  # share of confounded training videos at a place of their action
_CAST, _ENCODING, _TAKE, _ORDER = range(4)  # streams of random numbers of one video

_NO_PROCESSES = (
    "write_sample: a worker process did not start or was killed. In a script, call it below "
    '`if __name__ == "__main__":`, or use workers=1.'
)


Scenes = Literal["any", "confounded", "typical"]


class Settings(NamedTuple):
    """What decides a sample; kept in ``sample.json``."""

    level: Level
    train: int
    test: int
    seed: int
    drawing: int = 1  # raised whenever the same settings give other pixels
    scenes: Scenes = "any"


@dataclass(frozen=True)
class Entry:
    """One line of ``labels.csv``."""

    path: str  # relative to the folder, with slashes
    label: str
    split: str
    actor: str
    background: str


def write_sample(
    folder: Path,
    *,
    level: Level = "easy",
    train: int = 400,
    test: int = 120,
    seed: int = 0,
    scenes: Scenes = "any",
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write drawn videos under ``train/`` and ``test/`` and describe them in ``labels.csv``.

    The files depend on the settings only, not on the number of workers. A folder that already
    holds this sample is left as it is; one that was interrupted is completed.

    Args:
        folder: Where to write: a new or empty folder, or one with the same sample.
        level: ``"easy"`` or ``"hard"``.
        train: Number of training videos.
        test: Number of test videos; they share no actor and no background with the others.
        seed: Seed of everything drawn.
        scenes: What a place says about the action: ``"any"`` nothing; ``"confounded"`` each place
            of the training videos belongs to one action, in 90 % of its videos, and in the test
            videos nothing, as in sets that reward the shortcut; ``"typical"`` its kind of scene
            goes with the action in both, as a pool goes with diving.
        workers: Processes; all the processors by default, 1 starts none.
        progress: Show a progress bar on stderr.

    Raises:
        CatalogError: The folder holds something else.
        SlicError: The worker processes died; the files written so far stay.
    """
    settings = Settings(level, train, test, seed, scenes=scenes)
    _claim(folder, settings)
    entries = plan(settings)
    todo = [k for k, entry in enumerate(entries) if not (folder / entry.path).exists()]
    for _ in tqdm(
        _write_all(folder, settings, todo, workers),
        total=len(todo),
        desc="drawing videos",
        unit="video",
        disable=not (progress and todo),
    ):
        pass
    if todo or not (folder / "labels.csv").exists():
        write_atomically(folder / "labels.csv", _table(entries))


def plan(settings: Settings) -> list[Entry]:
    """Return every video of a sample: training videos first, classes shuffled and balanced."""
    entries = []
    for split, count in zip(SPLITS, (settings.train, settings.test), strict=True):
        labels = _labels(settings, split, count)
        for index, label in enumerate(labels):
            actor, background = _cast(settings, split, index, label)
            suffix = draw_encoding(_rng(settings, split, index, _ENCODING)).suffix
            path = f"{split}/{index:0{max(4, len(str(count)))}d}{suffix}"
            entries.append(Entry(path, label, split, f"a{actor:03d}", f"b{background:03d}"))
    return entries


def _labels(settings: Settings, split: str, count: int) -> list[str]:
    """Return shuffled labels, each as often as the others, or once more."""
    rng = _rng(settings, split, 0, _ORDER)
    rounds = [rng.permutation(len(ACTIONS)) for _ in range(-(-count // len(ACTIONS)))]
    labels = np.concatenate([*rounds, np.zeros(0, int)])[:count]
    return [ACTIONS[k] for k in rng.permutation(labels)]


def _cast(settings: Settings, split: str, index: int, label: str) -> tuple[int, int]:
    """Draw the numbers of an actor and a background; each split has its own."""
    rng, first = _rng(settings, split, index, _CAST), POOL * SPLITS.index(split)
    actor, background = rng.integers(first, first + POOL, size=2)
    if settings.scenes == "confounded" and split == "train":
        background = first + _tied_place(rng, ACTIONS.index(label))
    return int(actor), int(background)


def _tied_place(rng: np.random.Generator, action: int) -> int:
    """Draw one of the training places, of which number b belongs to action b modulo their count."""
    count = len(ACTIONS)
    if rng.random() >= TIED:
        action = (action + int(rng.integers(1, count))) % count
    return action + count * int(rng.integers(POOL // count))


def _rng(settings: Settings, split: str, index: int, stream: int) -> np.random.Generator:
    """Return the generator of one video's stream: no state, so any worker draws the same."""
    return np.random.default_rng([settings.seed, SPLITS.index(split), index, stream])


@lru_cache(maxsize=2)
def _plan_once(settings: Settings) -> list[Entry]:
    """Return the plan; kept, as a worker asks for it once a video."""
    return plan(settings)


def write_one(folder: Path, settings: Settings, number: int) -> None:
    """Draw and encode one video of the plan."""
    entry = _plan_once(settings)[number]
    index = number if entry.split == "train" else number - settings.train
    actor, background = _cast(settings, entry.split, index, entry.label)
    take = draw_take(_rng(settings, entry.split, index, _TAKE), settings.level)
    place = backgrounds.paint_place(
        1000 * settings.seed + background,
        textured=take.strength.textured,
        kind=ACTIONS.index(entry.label) if settings.scenes == "typical" else None,
    )
    frames = scene.render(entry.label, actor=_actor(settings, actor), place=place, take=take)
    with atomic_path(folder / entry.path) as path:
        write_video(
            path,
            frames,
            fps=take.fps,
            size=(scene.WIDTH, scene.HEIGHT),
            encoding=draw_encoding(_rng(settings, entry.split, index, _ENCODING)),
        )


def _actor(settings: Settings, number: int) -> Actor:
    return draw_actor(np.random.default_rng([settings.seed, 99, number]))


def _write_all(
    folder: Path, settings: Settings, todo: list[int], workers: int | None
) -> Iterator[None]:
    """Write the videos, in this process when they are few; yield after each."""
    count = min(workers or cores(), len(todo))
    if count <= 1 or len(todo) <= FEW:
        for number in todo:
            write_one(folder, settings, number)
            yield
        return
    # spawn, because a fork beside the threads of OpenCV or torch may hang
    with ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=begin_worker
    ) as pool:
        futures = [pool.submit(write_one, folder, settings, number) for number in todo]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        except BrokenProcessPool as error:
            raise SlicError(_NO_PROCESSES) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _claim(folder: Path, settings: Settings) -> None:
    """Make the folder ours, or refuse it."""
    if folder.exists() and not folder.is_dir():
        raise CatalogError(f"{folder}: is a file. Give the sample a new folder.")
    mark = folder / "sample.json"
    wanted = settings._asdict()
    if mark.exists():
        found = Settings._field_defaults | json.loads(mark.read_text())  # an older one says less
        if found != wanted:
            raise CatalogError(
                f"{folder}: holds another sample ({found}, wanted {wanted}). Give another folder."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise CatalogError(f"{folder}: is not empty. Give the sample a new or empty folder.")
    else:
        write_atomically(mark, json.dumps(wanted).encode())


def _table(entries: list[Entry]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Entry.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(entry) for entry in entries)
    return text.getvalue().encode()
