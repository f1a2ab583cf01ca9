"""Whether numbers without labels rank encoders as true retrieval does. They do not.

On each task, encoders from random weights to trained ones are scored twice: by what two clips of
each training video tell, without labels, and by the mean average precision (mAP) of test queries
among these videos, with labels. At step 0, `two-stream` is the built-in encoder. The output is the
rank correlation (Spearman) of each number with mAP over the vectors of a task, and of the gains by
learning. benchmarks/learning/tried.md has the result.

``python benchmarks/self_check.py --data bench/tasks --out bench/self_check.jsonl`` takes about 15
CPU-minutes.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from scipy.stats import spearmanr

from learning.tasks import ARID6, Task, balanced, open_task
from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader
from slic.embeddings import embed
from slic.evaluation.mean_frame import standardised_mean_frame
from slic.evaluation.ranking import first_match_rank
from slic.evaluation.retrieval import evaluate
from slic.models.backbones.base import vectors_of
from slic.models.encoder import VideoEncoder
from slic.neighbours.exact import nearest_rows
from slic.neighbours.rows import slices_of, unit_rows
from slic.pretraining import pretrain
from slic.pretraining.build import build_encoder
from slic.recipe import load_recipe
from slic.runs import read_log
from slic.videos.catalog import Catalog

TASKS = ("hard", "panning", "foreign", "scene-friendly", "confounded", "arid6")
RECIPES = ("two-stream", "motion")
TRAIN, TEST = 200, 60  # videos of a drawn set
GALLERY = 100  # of the training videos
CLIPS = 3  # per video: the mean for retrieval, the first and the last for the numbers
STEPS = (60, 240)  # of optimizer steps, at which a recipe that learns is scored
SETTINGS = ["--train.batch_size=16", "--train.workers=0", "--rounds.every_epochs=10"]


@dataclass(frozen=True, kw_only=True)
class PairNumbers:
    """What two clips per video tell about one vector of an encoder. No label is used.

    Attributes:
        recall: Share of first clips whose nearest second clip, among those of all videos, is that
            of the same video, in [0, 1].
        reciprocal_rank: Mean over the first clips of 1 / rank of that clip.
        same_file: Share of all clips whose nearest other clip is of the same video.
        alignment: Mean squared distance of the unit vectors of the two clips of a video, in [0, 4];
            small is alike (Wang and Isola, ICML 2020, alpha = 2).
        uniformity: Logarithm of the mean of exp(-2 d^2) over pairs of different videos, where d is
            the distance of their first clips; 0 is all alike, -4 far apart (as above, t = 2).
    """

    recall: float
    reciprocal_rank: float
    same_file: float
    alignment: float
    uniformity: float


def pair_numbers(clips: Float[np.ndarray, "n 2 d"]) -> PairNumbers:
    """Return the numbers of the embeddings of two clips per video.

    Args:
        clips: The embeddings; only directions count. At least two videos.
    """
    first, second = unit_rows(clips[:, 0]), unit_rows(clips[:, 1])
    n, own = len(clips), np.arange(len(clips))
    ranks = np.array([first_match_rank(first[i] @ second.T, own[i : i + 1]) for i in own])
    both = np.concatenate([first, second])
    nearest = nearest_rows(both, both, 1, excluded=np.arange(2 * n)).indices[:, 0]
    return PairNumbers(
        recall=float((ranks == 1).mean()),
        reciprocal_rank=float((1.0 / ranks).mean()),
        same_file=float((nearest % n == np.tile(own, 2)).mean()),
        alignment=float(((first - second) ** 2).sum(axis=1).mean()),
        uniformity=_uniformity(first),
    )


def _uniformity(unit: Float32[np.ndarray, "n d"]) -> float:
    squared = 2.0 - 2.0 * (unit @ unit.T).astype(np.float64)
    pairs = squared[np.triu_indices(len(unit), k=1)]
    return float(np.log(np.exp(-2.0 * pairs).mean()))


class Videos(NamedTuple):
    """The videos of a task that are compared.

    Attributes:
        catalog: Gallery, then queries.
        labels: Of all of them.
        gallery: How many are the gallery.
    """

    catalog: Catalog
    labels: list[str]
    gallery: int


def videos_of(task: Task) -> Videos:
    ranked = balanced([video.id for video in task.split.train], task.split.train_labels)
    gallery = task.split.train.subset(ranked[:GALLERY])  # in the order of the catalog
    videos = (*gallery.videos, *task.split.test.videos)
    labels = task.labels.labels_of(video.id for video in videos)
    return Videos(replace(task.catalog, videos=videos), labels, len(gallery))


def score(clips: np.ndarray, videos: Videos) -> dict[str, float]:
    """Return the numbers without labels, and the true mAP, of clips (n, CLIPS, d)."""
    cut = videos.gallery
    labels = videos.labels
    found = evaluate(clips[cut:], labels[cut:], clips[:cut], labels[:cut], ks=(1,))
    numbers = asdict(pair_numbers(clips[:cut, [0, -1]]))
    return numbers | {"mAP": found.mean_average_precision, "R@1": found.recall[1]}


def rows_of(encoder: VideoEncoder, videos: Videos, reader: ClipReader) -> Iterator[dict[str, Any]]:
    """Yield the scores of every vector of the backbone and of the head."""
    features = embed(
        encoder, videos.catalog, clips=CLIPS, layer="backbone", reader=reader, workers=0,
        progress=False,
    ).clips  # fmt: skip
    layers = {"backbone": (features, vectors_of(encoder.backbone))}
    if encoder.has_head:
        with torch.no_grad():
            head = encoder.eval().head(torch.from_numpy(features).flatten(0, 1)).numpy()
        layers["head"] = (head.reshape(*features.shape[:2], -1), encoder.vectors)
    for layer, (clips, vectors) in layers.items():
        for vector, part in slices_of(vectors).items():
            yield {"layer": layer, "vector": vector} | score(clips[..., part], videos)


def mean_frame_clips(videos: Videos, reader: ClipReader) -> np.ndarray:
    """Return the mean frame of every clip, in place of an embedding."""
    dataset = ClipDataset(videos.catalog, reader, clips=CLIPS)
    return np.stack(
        [[standardised_mean_frame(clip) for clip in clips.numpy()] for clips in dataset]  # type: ignore[attr-defined]
    )


def rows_of_task(task: Task, recipes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the scores of all encoders on a task."""
    videos = videos_of(task)
    small = load_recipe("paper-small", SETTINGS)
    mean_frames = score(mean_frame_clips(videos, task.reader(small)), videos)
    yield {"encoder": "mean frame", "step": 0, "layer": "backbone", "vector": ""} | mean_frames
    for name in dict.fromkeys(("paper-small", "motion", *recipes)):
        recipe = load_recipe(name, SETTINGS)
        for row in rows_of(build_encoder(recipe).eval(), videos, task.reader(recipe)):
            yield {"encoder": name, "step": 0} | row
    for name in recipes:
        for step, encoder, agreement in snapshots(task, name):
            for row in rows_of(encoder, videos, task.reader(load_recipe(name))):
                yield {"encoder": name, "step": step} | row | agreement.get(row["vector"], {})


Agreement = dict[str, dict[str, float]]  # vector -> agreement of the last two rounds


def snapshots(task: Task, recipe: str) -> Iterator[tuple[int, VideoEncoder, Agreement]]:
    """Train on the gallery videos of a task, and yield steps and encoders."""
    videos = videos_of(task)
    training = replace(videos.catalog, videos=videos.catalog.videos[: videos.gallery])
    per_epoch, (first, last) = len(training) // 16, STEPS
    words = [
        *SETTINGS,
        f"--train.epochs={last // per_epoch}",
        f"--train.snapshot_every_epochs={first // per_epoch}",
    ]
    with TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        pretrain(training, out=run, recipe=load_recipe(recipe, words), log_with=[])
        yield first, VideoEncoder.from_pretrained(min((run / "snapshots").iterdir())), {}
        rounds = [one for one in read_log(run / "log.jsonl") if one["kind"] == "round"]
        agreement = {
            one.get("vector", "embedding"): {"agreement": one["agreement"]} for one in rounds
        }
        yield last, VideoEncoder.from_pretrained(run / "encoder"), agreement


NUMBERS = {"recall": 1, "reciprocal_rank": 1, "same_file": 1, "alignment": -1, "uniformity": -1}
"""The numbers, and the sign of what is said to be better."""


def correlation(rows: Sequence[dict[str, Any]], number: str) -> float:
    """Return Spearman's rank correlation of a number and mAP, positive if it is as good."""
    found = spearmanr([NUMBERS[number] * row[number] for row in rows], [row["mAP"] for row in rows])
    return float(found.statistic)


def gains(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what each vector of the trained encoder gained from step 0 to the last."""
    of: dict[tuple[str, ...], dict[int, dict[str, Any]]] = {}
    for row in rows:
        of.setdefault(_identity(row), {})[row["step"]] = row
    return [
        {name: steps[max(steps)][name] - steps[0][name] for name in (*NUMBERS, "mAP")}
        for steps in of.values()
        if len(steps) > 1
    ]


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    of_task = {task: [row for row in rows if row["task"] == task] for task in tasks}
    print(f"| number | {' | '.join(tasks)} | mean | gains by learning | same sign |")
    print("|---" * (len(tasks) + 4) + "|")
    learnt = gains(rows)
    for number, sign in NUMBERS.items():
        per_task = [correlation(part, number) for part in of_task.values()]
        shown = [f"{value:.2f}" for value in (*per_task, np.mean(per_task))]
        shown.append(f"{correlation(learnt, number):.2f}" if len(learnt) > 2 else "-")
        same = [np.sign(sign * gain[number]) == np.sign(gain["mAP"]) for gain in learnt]
        shown.append(f"{sum(same)} of {len(same)}")
        print(f"| {number} | {' | '.join(shown)} |")


def print_agreement(rows: Sequence[dict[str, Any]]) -> None:
    """Print how the agreement of rounds of clustering goes with mAP, and with its gain."""
    trained = [row for row in rows if row.get("agreement") is not None]
    if len(trained) < 3:
        return
    before = {_identity(row): row["mAP"] for row in rows if row["step"] == 0}
    agreement, found = ([row[name] for row in trained] for name in ("agreement", "mAP"))
    gain = [row["mAP"] - before[_identity(row)] for row in trained]
    for what, values in (("mAP", found), ("gain", gain)):
        print(f"agreement of the last rounds and {what}: {spearmanr(agreement, values)[0]:.2f}")


def _identity(row: dict[str, Any]) -> tuple[str, ...]:
    return row["task"], row["encoder"], row["layer"], row["vector"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("bench/tasks"), help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="file of the scores, JSON lines")
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--recipes", nargs="*", default=RECIPES, help="recipes to train by")
    options = parser.parse_args()
    for name in options.tasks:
        if name == "arid6" and not ARID6.is_dir():
            print(f"arid6 is not here ({ARID6})")
            continue
        size = {} if name == "arid6" else {"train": TRAIN, "test": TEST}
        task = open_task(name, "test", data=options.data, **size)
        with options.out.open("a") as lines:
            for row in rows_of_task(task, options.recipes):
                lines.write(json.dumps({"task": name} | row) + "\n")
                lines.flush()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()]
    print_table(rows)
    print_agreement(rows)


if __name__ == "__main__":
    main()
