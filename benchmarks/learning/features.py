"""Features without learning; each function returns R@1 and mAP by protocol.

The two motion features are compared as they are (`plain`) and after each side's mean is subtracted
(`centred`).
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from learning.scoring import CLIPS, compared, named, scores
from learning.tasks import Task
from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader
from slic.evaluation.mean_frame import LUMA, score_mean_frames
from slic.evaluation.retrieval import chance_recall
from slic.pretraining.build import build_encoder
from slic.pretraining.rounds import motion_descriptors
from slic.recipe import Recipe
from slic.videos.catalog import Catalog

CELLS = 8  # rows and columns of the grid
Features = Callable[[Task, Recipe], dict[str, float]]
Describe = Callable[[Catalog, ClipReader], Float32[np.ndarray, "n d"]]


def frame_differences(
    clips: UInt8[np.ndarray, "clips t s s 3"],
) -> Float32[np.ndarray, " d"]:
    """Return mean absolute differences of successive grey frames on an 8 x 8 grid."""
    grey = clips.astype(np.float32) @ LUMA
    change = np.abs(np.diff(grey, axis=1)).mean(axis=(0, 1))
    side = len(change) // CELLS
    cells = change[: side * CELLS, : side * CELLS].reshape(CELLS, side, CELLS, side)
    return np.asarray(cells.mean(axis=(1, 3)).ravel())


def _frame_differences(videos: Catalog, reader: ClipReader) -> Float32[np.ndarray, "n d"]:
    clips = ClipDataset(videos, reader, clips=CLIPS)
    return np.stack([frame_differences(clips[i].numpy()) for i in range(len(videos))])


def _motion_descriptors(videos: Catalog, reader: ClipReader) -> Float32[np.ndarray, "n d"]:
    """Return the motion descriptor that the encoder of `motion` computes, without its weights."""
    return motion_descriptors(videos, reader, clips=CLIPS, workers=0, device=torch.device("cpu"))


def _chance(task: Task, _: Recipe) -> dict[str, float]:
    return {"any": round(chance_recall(task.split), 4)}


def _mean_frame(task: Task, _: Recipe) -> dict[str, float]:
    return named("any", score_mean_frames(task.split))


def _random(task: Task, recipe: Recipe) -> dict[str, float]:
    return scores(build_encoder(recipe), task, recipe)


def _described(describe: Describe) -> Features:
    def features(task: Task, recipe: Recipe) -> dict[str, float]:
        reader = task.reader(recipe)
        queries, gallery = (describe(x, reader) for x in (task.split.test, task.split.train))
        plain, centred = (
            compared(queries, gallery, task, centre=centre) for centre in (False, True)
        )
        return named("plain", plain) | named("centred", centred)

    return features


UNTRAINED: dict[str, Features] = {
    "chance": _chance,
    "mean-frame": _mean_frame,
    "random": _random,
    "frame-differences": _described(_frame_differences),
    "motion-descriptor": _described(_motion_descriptors),
}
