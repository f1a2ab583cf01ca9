"""The built-in encoder beside others that learn nothing, and beside the learnt recipe `motion`.

    python benchmarks/default_encoder.py --out results

Every task of the learning bench, and *arid6 scenes*: the training videos of *arid6* labelled by
scene, each of them a query among the others. A video is the mean over 10 clips of the output of the
backbone, compared by cosine, as in the protocol `backbone`. The two vectors of the built-in encoder
are scaled to unit length after the mean. `both` joins them with equal weights, as an index does.

Rows that are `centred` have each side's mean subtracted. The last two rows are
the share that the better vector reaches of the best of mean frame, random R3D and motion
descriptor, plain or centred. One pass over the clips serves all
rows; ``OUT`` keeps its features, so that a second call is quick.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))  # where the package `learning` is

from learning.rows import read_row
from learning.scoring import CLIPS, MAP
from learning.tables import read_records
from learning.tasks import ARID6, DRAWN, Draw, open_task, why_missing
from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader
from slic.evaluation.mean_frame import mean_frame_vectors
from slic.evaluation.retrieval import evaluate
from slic.models.default import default_encoder
from slic.models.encoder import VideoEncoder, to_input
from slic.neighbours.rows import centred, normalise
from slic.pretraining.build import build_encoder
from slic.videos.catalog import Catalog

SEEDS = range(3)  # of random weights
SCENES = "arid6 scenes"
TASKS = (*DRAWN, "arid6", SCENES)
BASELINES = ("mean frame", "random R3D", "motion descriptor")
RECORDS = Path(__file__).parent / "learning" / "results.jsonl"
SMALL = {"train": 200, "test": 60}  # videos of a drawn set
Matrix = Float[np.ndarray, "n d"]


class Side(NamedTuple):
    """Queries or gallery: one vector per video by kind of feature, and labels."""

    vectors: Mapping[str, Matrix]
    labels: list[str]


class Score(NamedTuple):
    """R@1 and mAP in percent."""

    recall: float
    precision: float


@torch.no_grad()
def features(videos: Catalog) -> dict[str, Matrix]:
    """Return one vector per video for every kind of feature, from one pass over the clips."""
    encoder = default_encoder()
    networks = [build_encoder(read_row("paper-small", seed=seed).recipe).eval() for seed in SEEDS]
    clips = ClipDataset(videos, ClipReader.of_clip(encoder.clip), clips=CLIPS)
    descriptors: list[torch.Tensor] = []  # the encoder computes them, so they are taken from it
    layer: nn.Linear = encoder.backbone.motion  # type: ignore[attr-defined]
    layer.register_forward_pre_hook(lambda _, inputs: descriptors.append(inputs[0]))
    rows: dict[str, list[torch.Tensor]] = {}
    for index in range(len(videos)):
        x = to_input(clips[index])
        found = dict(
            zip(encoder.vectors, encoder(x).split([*encoder.vectors.values()], 1), strict=True)
        )
        found["motion descriptor"] = descriptors.pop()
        for seed, network in zip(SEEDS, networks, strict=True):
            found[f"random R3D {seed}"] = network.features(x[:, :, ::2])  # its stride is 2
        for name, value in found.items():
            rows.setdefault(name, []).append(value.mean(dim=0))
    frames = {"mean frame": mean_frame_vectors(videos)}
    return frames | {name: torch.stack(values).numpy() for name, values in rows.items()}


def sides(task: str, draw: Draw, out: Path, *, full: bool) -> tuple[Side, Side]:
    """Return queries and gallery of a task; their features are kept under ``out``."""
    size = {} if full else SMALL
    opened = open_task("arid6" if task == SCENES else task, draw, data=out / "tasks", **size)
    split = opened.split
    parts = []
    for name, videos, labels in (
        ("queries", split.test, split.test_labels),
        ("gallery", split.train, split.train_labels),
    ):
        file = out / "features" / f"{opened.name}-{draw}-{len(videos)}-{name}.npz"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **features(videos))  # type: ignore[arg-type]
        with np.load(file) as stored:
            vectors = {kind: stored[kind].astype(np.float64) for kind in stored.files}
        parts.append(Side(vectors, _scenes(videos) if task == SCENES else labels))
    queries, gallery = parts
    return (gallery, gallery) if task == SCENES else (queries, gallery)


def _scenes(videos: Catalog) -> list[str]:
    with (ARID6 / "split.csv").open() as file:
        scene = {row["path"]: row["group"] for row in csv.DictReader(file)}
    return [scene[video.id] for video in videos]


def score(queries: Side, gallery: Side, kind: str, *, centre: bool = False) -> Score:
    """Score one kind of feature; a video that is a query is left out of its gallery."""
    q, g = (_compared(side, kind, centre=centre) for side in (queries, gallery))
    if queries is not gallery:
        found = [evaluate(q, queries.labels, g, gallery.labels, ks=(1,))]
    else:
        found = [
            evaluate(
                q[i : i + 1], [label], np.delete(g, i, axis=0),
                gallery.labels[:i] + gallery.labels[i + 1 :], ks=(1,),
            )
            for i, label in enumerate(queries.labels)
        ]  # fmt: skip
    return Score(
        100 * mean(one.recall[1] for one in found),
        100 * mean(one.mean_average_precision for one in found),
    )


def _compared(side: Side, kind: str, *, centre: bool) -> Matrix:
    if kind == "both":
        return np.hstack([normalise(side.vectors[part]) for part in ("appearance", "motion")])
    return centred(side.vectors[kind]) if centre else side.vectors[kind]


def scores_of(task: str, draw: Draw, out: Path, *, full: bool) -> dict[str, list[Score]]:
    """Return the scores of all rows of the table for one task; several where seeds differ."""
    queries, gallery = sides(task, draw, out, full=full)
    rows = {kind: [score(queries, gallery, kind)] for kind in ("appearance", "motion", "both")}
    for centre, suffix in ((False, ""), (True, ", centred")):
        for kind in ("mean frame", "motion descriptor"):
            rows[kind + suffix] = [score(queries, gallery, kind, centre=centre)]
        rows["random R3D" + suffix] = [
            score(queries, gallery, f"random R3D {seed}", centre=centre) for seed in SEEDS
        ]
    if draw == "test" and (full or task == "arid6"):
        rows |= _recorded(task)
    return rows


def _recorded(task: str) -> dict[str, list[Score]]:
    """Return the scores of `motion` by its backbone, with random and with learnt weights."""
    rows: dict[str, list[Score]] = {}
    for record in read_records([RECORDS]):
        whole = record["asked_videos"] is None and record["asked_steps"] == 240
        if (record["run"], record["task"], record["draw"]) != ("motion", task, "test") or not whole:
            continue
        for step, row in (("0", "`motion`, random weights"), ("240", "`motion`, learnt")):
            if found := record["curve"].get(step):
                value = Score(100 * found["backbone"], 100 * found["backbone" + MAP])
                rows.setdefault(row, []).append(value)
    return rows


def share(rows: Mapping[str, list[Score]], which: int) -> float:
    """Return what the better vector reaches of the best baseline, in R@1 (0) or mAP (1)."""
    ours = max(rows[kind][0][which] for kind in ("appearance", "motion"))
    baselines = (
        mean(one[which] for one in rows[kind + suffix])
        for kind in BASELINES
        for suffix in ("", ", centred")
    )
    return ours / max(baselines)


def table(by_task: Mapping[str, Mapping[str, list[Score]]]) -> Iterator[str]:
    """Yield the lines of the table in Markdown."""
    names = [
        *BASELINES[:2], BASELINES[2], "`motion`, random weights", "`motion`, learnt",
        "appearance", "motion", "both",
    ]  # fmt: skip
    yield "| R@1 / mAP | " + " | ".join(by_task) + " |"
    yield "|" + "---|" * (len(by_task) + 1)
    for name in names:
        cells = [_cell(rows.get(name, [])) for rows in by_task.values()]
        yield f"| {name} | " + " | ".join(cells) + " |"
        if name in BASELINES:
            cells = [_cell(rows[name + ", centred"]) for rows in by_task.values()]
            yield f"| {name}, centred | " + " | ".join(cells) + " |"
    for which, name in enumerate(("R@1", "mAP")):
        shares = [f"{share(rows, which):.2f}" for rows in by_task.values()]
        yield f"| better vector / best baseline, {name} | " + " | ".join(shares) + " |"


def _cell(found: list[Score]) -> str:
    if not found:
        return ""
    columns = [[one[which] for one in found] for which in (0, 1)]
    values = (f"{mean(x):.1f}" + (f" ± {stdev(x):.1f}" if len(x) > 1 else "") for x in columns)
    return " / ".join(values)


@torch.no_grad()
def clips_per_second(encoder: VideoEncoder, *, clips: int = 32) -> float:
    """Return how many clips an encoder takes a second of CPU time, as the median of 5 batches."""
    x = torch.rand(clips, 3, encoder.clip.frames, encoder.clip.size, encoder.clip.size) * 2 - 1
    encoder(x[:4])
    seconds = []
    for _ in range(5):
        start = time.process_time()
        encoder(x)
        seconds.append(time.process_time() - start)
    return clips / float(np.median(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of features")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument(
        "--full", nargs="*", choices=TASKS, default=(), help="tasks with 400 + 120 videos, not 260"
    )
    parser.add_argument("--validation", action="store_true", help="the draw for choosing settings")
    arguments = parser.parse_args()
    draw: Draw = "validation" if arguments.validation else "test"
    by_task = {}
    for task in arguments.tasks:
        if reason := why_missing(task.split()[0], draw):
            print(f"{task} is skipped: {reason}", file=sys.stderr)
            continue
        full = task in arguments.full
        by_task[task] = scores_of(task, draw, arguments.out, full=full)
    print("\n".join(table(by_task)))
    best = build_encoder(read_row("motion", seed=0).recipe).eval()
    for name, encoder in (("built-in", default_encoder()), ("best", best)):
        print(f"{name}: {clips_per_second(encoder):.0f} clips a CPU second")


if __name__ == "__main__":
    main()
