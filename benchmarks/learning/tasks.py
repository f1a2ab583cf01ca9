"""The tasks: labelled sets of videos whose test actors and backgrounds training never sees.

`easy`, `hard`      the two levels of the sample: nothing but the motion tells the action
`confounded`        easy; a training background belongs to one action in 90 % of its videos, in the
                    test part backgrounds say nothing: the scene is a shortcut that does not hold
`scene-friendly`    easy; the kind of scene goes with the action in both parts
`static`, `panning`, `parallax`
                    ten kinds of scene without an action (scenes.py)
`both`              five classes are kinds of scene, five are actions in any other scene (both.py)
`fixed-camera`      one room and camera, pairs of actions that are time reversals (fixed_camera.py)
`foreign`           other figures, other actions, another renderer (foreign.py)
`arid6`             real clips in the dark, ``../shared/data/arid6``; queries val, gallery train

A drawn task has three draws: ``test``, ``validation`` for choosing settings, and ``fitting`` for
the layers of the built-in encoder.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from learning.both import write_both
from learning.fixed_camera import write_fixed_camera
from learning.foreign import write_foreign
from learning.frames import StoredFrames, StoredReader, stored_frames
from learning.scenes import CAMERAS, write_scenes
from slic.clips.frame_size import fixed_frame_size
from slic.datasets import Labels, read_labels
from slic.errors import CatalogError
from slic.evaluation.base import LabelledSplit, split_by_labels
from slic.models.backbones import ClipSpec
from slic.pretraining.build import build_reader
from slic.recipe import Recipe
from slic.sample import write_sample
from slic.videos.catalog import Catalog

Draw = Literal["test", "validation", "fitting"]
SEEDS: dict[Draw, int] = {"test": 0, "validation": 1, "fitting": 2}
TRAIN, TEST = 400, 120  # videos of a set
MANY = 1600  # training videos of the set for curves against the number of videos

ARID6 = Path(__file__).resolve().parents[3] / "shared" / "data" / "arid6"
DRAWN: dict[str, Callable[..., None]] = {
    "easy": partial(write_sample, level="easy"),
    "hard": partial(write_sample, level="hard"),
    "confounded": partial(write_sample, scenes="confounded"),
    "scene-friendly": partial(write_sample, scenes="typical"),
    **{camera: partial(write_scenes, camera=camera) for camera in CAMERAS},
    "both": write_both,
    "fixed-camera": write_fixed_camera,
    "foreign": write_foreign,
}
NAMES = (*DRAWN, "arid6")


@dataclass(frozen=True)
class Task:
    """One set, opened.

    Attributes:
        name: One of ``NAMES``.
        draw: Which draw of it.
        split: Queries and gallery with their labels.
        training: The videos to learn from: of the training part.
        asked_videos: How many were asked for; None: all of it.
        labels: Of all videos; for baselines that are given them, and for looking at clusters.
        catalog: All videos.
        store: Folder for decoded frames.
    """

    name: str
    draw: Draw
    split: LabelledSplit
    training: Catalog
    asked_videos: int | None
    labels: Labels
    catalog: Catalog
    store: Path

    def frames(self, clip: ClipSpec) -> StoredFrames:
        """Return the decoded frames at the size that such clips are read at."""
        size = fixed_frame_size(clip.size, clip.resize)
        assert size is not None, "frames are stored at one size for all videos"
        return stored_frames(self.catalog, size=size, folder=self.store)

    def reader(self, recipe: Recipe) -> StoredReader:
        """Return the reader of a recipe's clips."""
        return StoredReader(build_reader(recipe, self.catalog), self.frames(recipe.clip))


def why_missing(name: str, draw: Draw) -> str | None:
    """Return why a task cannot be done here, if so."""
    if name != "arid6":
        return None
    if draw != "test":
        return "arid6 has no other draw; settings are chosen on the drawn tasks."
    return None if ARID6.is_dir() else f"arid6 is not here ({ARID6})."


def open_task(
    name: str,
    draw: Draw,
    *,
    data: Path,
    videos: int | None = None,
    train: int | None = None,
    test: int = TEST,
) -> Task:
    """Open a task; its videos are made under ``data`` when they are missing.

    Args:
        name: One of ``NAMES``.
        draw: ``"test"``, ``"validation"`` or ``"fitting"``.
        data: Folder of the sets and of their decoded frames.
        videos: Learn from so many of the training videos, the fewer always among the more. The
            gallery stays the same, so that scores can be compared; None: all of the set.
        train: Training videos of the set; None: 400, or 1600 when ``videos`` is given.
        test: Test videos of the set.

    Raises:
        CatalogError: The set has not as many videos as are asked for.
    """
    if name == "arid6":
        root, queries = ARID6, "val"
    else:
        train = train or (TRAIN if videos is None else MANY)
        size = "" if (train, test) == (TRAIN, TEST) else f"-{train}+{test}"
        root, queries = data / f"{name}-{draw}{size}", "test"
        DRAWN[name](root, train=train, test=test, seed=SEEDS[draw])
    catalog, labels = Catalog.from_folder(root), read_labels(_table(root))
    whole = split_by_labels(catalog, labels, train="train", test=queries)
    ranked = balanced(labels.ids("train"), labels.labels_of(labels.ids("train")))
    if videos and videos > len(ranked):
        raise CatalogError(f"{root}: has {len(ranked)} training videos, not {videos}.")
    gallery = catalog.subset(ranked[:TRAIN])
    gallery_labels = labels.labels_of(video.id for video in gallery)
    split = replace(whole, train=gallery, train_labels=gallery_labels)
    training = catalog.subset(ranked[:videos])
    return Task(name, draw, split, training, videos, labels, catalog, data / "frames")


def balanced(ids: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Order videos so that the first n have the labels evenly, for every n."""
    seen = Counter[str]()
    rank = []
    for label in labels:
        rank.append(seen[label])
        seen[label] += 1
    return [name for _, _, name in sorted(zip(rank, range(len(ids)), ids, strict=True))]


def _table(root: Path) -> Path:
    return next(f for f in (root / "labels.csv", root / "split.csv") if f.exists())
