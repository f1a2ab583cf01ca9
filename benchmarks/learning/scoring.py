"""R@1 and mAP of RGB queries, by the protocols `backbone` and `paper`, from one pass.

R@1 saturates where nearly every first neighbour is right. Mean average precision also ranks the
rest of the list.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from learning.tasks import Task
from slic.embeddings import embed
from slic.evaluation.retrieval import RetrievalScores, evaluate
from slic.models.encoder import VideoEncoder
from slic.pretraining.build import precision_of
from slic.recipe import Recipe

CLIPS = 10  # per video, as in the protocols
Curve = dict[str, dict[str, float]]  # step -> protocol -> R@1, protocol and MAP -> mAP
MAP = " mAP"  # suffix of a protocol name for its mean average precision


@torch.no_grad()
def scores(encoder: VideoEncoder, task: Task, recipe: Recipe) -> dict[str, float]:
    """Return R@1 and mAP by protocol."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder, reader = encoder.eval().to(device), task.reader(recipe)
    features = []
    for side in (task.split.test, task.split.train):
        embeddings = embed(
            encoder, side, clips=CLIPS, layer="backbone", reader=reader,
            workers=recipe.train.workers, precision=precision_of(recipe, device), progress=False,
        )  # fmt: skip
        features.append(embeddings.clips)
    heads = [
        encoder.head(torch.from_numpy(x).flatten(0, 1).to(device)).cpu().numpy().reshape(
            *x.shape[:2], -1
        )
        for x in features
    ]  # fmt: skip
    backbone = compared(features[0], features[1], task)
    paper = compared(heads[0], heads[1], task)
    return named("backbone", backbone) | named("paper", paper)


def compared(
    queries: Float[np.ndarray, "q ... d"],
    gallery: Float[np.ndarray, "n ... d"],
    task: Task,
    *,
    centre: bool = False,
) -> RetrievalScores:
    """Score retrieval of the task's queries in its gallery."""
    split = task.split
    return evaluate(queries, split.test_labels, gallery, split.train_labels, ks=(1,), centre=centre)


def named(name: str, found: RetrievalScores) -> dict[str, float]:
    """Return R@1 and mAP under a protocol name, rounded as in a record."""
    return {
        name: round(found.recall[1], 4),
        name + MAP: round(found.mean_average_precision, 4),
    }


def curve_of(
    folder: Path, task: Task, recipe: Recipe, *, start: VideoEncoder | None, steps: int
) -> Curve:
    """Score the random encoder if given, every snapshot, and the final encoder."""
    curve = {"0": scores(start, task, recipe)} if start else {}
    for snapshot in sorted((folder / "snapshots").glob("step-*")):
        if (step := int(snapshot.name.removeprefix("step-"))) < steps:
            curve[str(step)] = scores(VideoEncoder.from_pretrained(snapshot), task, recipe)
    curve[str(steps)] = scores(VideoEncoder.from_pretrained(folder / "encoder"), task, recipe)
    return curve
