"""Appearance and motion: what each vector finds, and both at weights 0 to 1, before and after.

    python benchmarks/balance.py --out results --seeds 0 1 2 3 4

For every task of the learning bench: the recipe `two-stream` learns from the training videos
without labels, and the test videos are queries in the training videos. A video is the mean over 10
clips of each vector of the backbone, scaled to unit length. At weight w of motion, the similarity
is ``(1 - w) cos(appearance) + w cos(motion)``. Weight 0 is appearance alone.

``built-in`` is the encoder that learning starts from. ``likes`` is the weight that follows from
five gallery videos of the query's label (`slic.search.weighting`), beside the best weight of the
task; there the query is the mean of the likes, and the rest of the gallery is ranked.

The seeds of a task share the stored views; the weights of the heads, the order of the videos and
the pairs differ. Each row is a line of ``OUT/balance.jsonl``; rows that are there are skipped.
The rows behind docs/results.md are in ``learning/balance.jsonl``. Its table is written from them by

    python benchmarks/balance.py --records benchmarks/learning/balance.jsonl --page docs/results.md
"""

import argparse
import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

sys.path.insert(0, str(Path(__file__).resolve().parent))  # where the package `learning` is

from learning.plots import grid, line_of, plot
from learning.rows import revision
from learning.tasks import NAMES, Draw, Task, open_task, why_missing
from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader
from slic.evaluation.retrieval import evaluate
from slic.models.default import default_encoder
from slic.models.encoder import VideoEncoder, to_input
from slic.neighbours.rows import normalise, slices_of
from slic.pretraining import pretrain
from slic.recipe import load_recipe
from slic.search.weighting import weights_from_likes
from slic.videos.catalog import Catalog

WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))  # of motion
CLIPS, LIKES = 10, 5
SHOWN = ("0.0", "0.5", "1.0")  # weights, and tasks, of the table of docs/results.md
TASKS = ("arid6", "both", "fixed-camera", "hard", "easy", "foreign", "confounded", "scene-friendly",
         "static", "panning", "parallax")  # fmt: skip
BEGIN, END = "<!-- balance.py: begin -->", "<!-- balance.py: end -->"
SMALL = {"static", "panning", "parallax", "scene-friendly"}  # sets of 200 + 60 videos
Matrix = Float[np.ndarray, "n d"]


@torch.no_grad()
def fixed_features(
    videos: Catalog, encoder: VideoEncoder, file: Path
) -> Float[np.ndarray, "n c s"]:
    """Return the fixed features of ten clips of each video; they are kept in a file."""
    if not file.exists():
        clips = ClipDataset(videos, ClipReader.of_clip(encoder.clip), clips=CLIPS)
        rows = [encoder.fixed_features(to_input(clips[i])).numpy() for i in range(len(videos))]
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.stack(rows))
    stored: Float[np.ndarray, "n c s"] = np.load(file)
    return stored


@torch.no_grad()
def vectors(encoder: VideoEncoder, fixed: Float[np.ndarray, "n c s"]) -> dict[str, Matrix]:
    """Return one unit vector per video for each vector of the encoder."""
    rows = torch.stack([encoder.features(torch.from_numpy(clips)).mean(dim=0) for clips in fixed])
    x = rows.numpy()
    return {name: normalise(x[:, part]) for name, part in slices_of(encoder.vectors).items()}


def weighted(x: Mapping[str, Matrix], motion: float) -> Matrix:
    """Return joined vectors whose inner products are the weighted means of cosines."""
    return np.hstack([(1 - motion) ** 0.5 * x["appearance"], motion**0.5 * x["motion"]])


class Sides:
    """Queries and gallery of a task: fixed features of their clips, and labels.

    Args:
        task: The task.
        out: Folder for the features.
    """

    def __init__(self, task: Task, out: Path) -> None:
        encoder, split = default_encoder(), task.split
        self.labels = split.test_labels, split.train_labels
        name = f"{task.name}-{task.draw}-{len(split.train)}"
        self.fixed = tuple(
            fixed_features(videos, encoder, out / "fixed" / f"{name}-{side}.npy")
            for side, videos in (("queries", split.test), ("gallery", split.train))
        )

    def scores(self, encoder: VideoEncoder) -> dict[str, Any]:
        """Return R@1 and mAP in percent at every weight, and mAP of likes."""
        queries, gallery = (vectors(encoder, fixed) for fixed in self.fixed)
        curve = {}
        for weight in WEIGHTS:
            found = evaluate(
                weighted(queries, weight), self.labels[0],
                weighted(gallery, weight), self.labels[1], ks=(1,),
            )  # fmt: skip
            curve[str(weight)] = [100 * found.recall[1], 100 * found.mean_average_precision]
        return {"curve": curve, "likes": likes_scores(gallery, self.labels[1])}


def likes_scores(gallery: Mapping[str, Matrix], labels: Sequence[str]) -> dict[str, float]:
    """Return mAP by the weight that follows from five likes, and by each fixed weight."""
    rng, names = np.random.default_rng(0), np.array(labels)
    found: dict[str, list[float]] = defaultdict(list)
    lengths = {name: x.shape[1] for name, x in gallery.items()}
    joined = np.hstack([gallery[name] for name in lengths]).astype(np.float32)
    for label in sorted(set(labels)):
        for _ in range(6):
            likes = rng.choice(np.flatnonzero(names == label), LIKES, replace=False)
            rest = np.setdiff1d(np.arange(len(names)), likes)
            others = rng.choice(rest, min(100, len(rest)), replace=False)
            chosen = weights_from_likes(joined[likes], joined[others], lengths)["motion"]
            for name, weight in [("chosen", chosen), *((str(w), w) for w in WEIGHTS)]:
                x = weighted(gallery, weight)
                one = evaluate(
                    normalise(x[likes].mean(axis=0, keepdims=True)), [label],
                    x[rest], names[rest].tolist(), ks=(1,),
                )  # fmt: skip
                found[name].append(100 * one.mean_average_precision)
    return {name: mean(values) for name, values in found.items()}


def records_of(
    task: Task,
    seeds: Sequence[int],
    out: Path,
    done: set[tuple[str, str, str, int]],
    settings: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Yield the records of a task that are not done: the built-in encoder, and one per seed."""
    run = " ".join(["two-stream", *settings])
    sides = Sides(task, out)
    about = {
        "task": task.name, "draw": task.draw, "videos": len(task.training),
        "queries": len(task.split.test), "revision": revision(),
    }  # fmt: skip
    if (task.name, task.draw, "built-in", 0) not in done:
        yield {**about, "run": "built-in", "seed": 0, **sides.scores(default_encoder())}
    for seed in seeds:
        if (task.name, task.draw, run, seed) in done:
            continue
        words = [f"--train.seed={seed}", "--train.workers=0", *(f"--{word}" for word in settings)]
        recipe = load_recipe("two-stream", words)
        folder = out / "runs" / f"{task.name}-{task.draw}-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        started = time.process_time()
        result = pretrain(
            task.training, out=folder, recipe=recipe, log_with=(), progress=False,
            stored_views=out / "views" / f"{task.name}-{task.draw}",
        )  # fmt: skip
        cost = {"steps": result.steps, "cpu_seconds": round(time.process_time() - started, 1)}
        scores = sides.scores(VideoEncoder.from_pretrained(result.encoder))
        yield {**about, "run": run, "seed": seed, **cost, **scores}


def read_records(file: Path) -> list[dict[str, Any]]:
    """Return the records of a file, none if it does not exist."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def table(records: Sequence[Mapping[str, Any]], draw: Draw) -> Iterator[str]:
    """Yield Markdown: R@1 / mAP at some weights, before and after learning, by task."""
    weights = ("0.0", "0.3", "0.5", "0.7", "1.0")
    yield "| task | | " + " | ".join(f"w = {weight}" for weight in weights) + " |"
    yield "|---|---|" + "---|" * len(weights)
    for task in dict.fromkeys(record["task"] for record in records):
        runs = dict.fromkeys(r["run"] for r in records if (r["task"], r["draw"]) == (task, draw))
        for run in runs:
            if found := _records_of(records, task, draw, run):
                cells = [_cell([r["curve"][weight] for r in found]) for weight in weights]
                seeds = "" if run == "built-in" else f" ({len(found)})"
                yield f"| *{task}* | {run}{seeds} | " + " | ".join(cells) + " |"


def page_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of docs/results.md: before and after learning, three weights, test draw."""
    names = {"built-in": "before", "two-stream": "**after**"}
    lines = [
        "| task | | appearance alone | equal weights | motion alone |",
        "|---|---|---|---|---|",
    ]
    for task in TASKS:
        for run, name in names.items():
            if found := _records_of(records, task, "test", run):
                cells = [_cell([r["curve"][weight] for r in found]) for weight in SHOWN]
                lines.append(f"| *{task}* | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written(document: str, text: str) -> str:
    """Return the document with the text between the two marks replaced.

    Raises:
        ValueError: The document lacks a mark.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document needs the marks {BEGIN} and {END}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def likes_table(records: Sequence[Mapping[str, Any]], draw: Draw) -> Iterator[str]:
    """Yield Markdown: mAP by the weight that follows from five likes, and by the best weight."""
    yield "| task | equal weights | from five likes | best weight of the task |"
    yield "|---|---|---|---|"
    costs = []
    for task in dict.fromkeys(record["task"] for record in records):
        found = _records_of(records, task, draw, "two-stream")
        if not found:
            continue
        by = {name: mean(r["likes"][name] for r in found) for name in found[0]["likes"]}
        best = max(by[str(weight)] for weight in WEIGHTS)
        costs.append(best - by["chosen"])
        yield f"| *{task}* | {by['0.5']:.1f} | {by['chosen']:.1f} | {best:.1f} |"
    if costs:
        yield f"The weight from likes costs {mean(costs):.1f} points on average."


def picture(records: Sequence[Mapping[str, Any]], draw: Draw) -> str:
    """Return mAP against the weight of motion, before and after learning: a plot per task."""
    plots = []
    for task in dict.fromkeys(record["task"] for record in records):
        lines = []
        for run, name in (("built-in", "before learning"), ("two-stream", "after learning")):
            if not (found := _records_of(records, task, draw, run)):
                continue
            precisions = {w: [r["curve"][str(w)][1] for r in found] for w in WEIGHTS}
            lines.append(line_of(name, precisions))
        if lines:
            plots.append(plot(f"{task}: mAP", lines, axis="weight of motion"))
    return grid(plots, columns=3)


def _records_of(
    records: Sequence[Mapping[str, Any]], task: str, draw: Draw, run: str
) -> list[Mapping[str, Any]]:
    return [r for r in records if (r["task"], r["draw"], r["run"]) == (task, draw, run)]


def _cell(pairs: Sequence[Sequence[float]]) -> str:
    """Return R@1 and mAP as mean and deviation over seeds."""
    columns = zip(*pairs, strict=True)
    shown = (f"{mean(x):.1f}" + (f" ± {stdev(x):.1f}" if len(x) > 1 else "") for x in columns)
    return " / ".join(shown)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", default=NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    text = "changes of the recipe, such as backbone.hidden=0: an ablation"
    parser.add_argument("--settings", nargs="+", default=[], metavar="KEY=VALUE", help=text)
    parser.add_argument("--validation", action="store_true", help="the draw for choosing settings")
    parser.add_argument("--data", type=Path, help="folder of the sets; default OUT/tasks")
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--picture", type=Path, help="also draw the curves into this SVG")
    parser.add_argument("--page", type=Path, help="also write the table into this page")
    parser.add_argument("--records", type=Path, help="only show the rows of this file")
    arguments = parser.parse_args()
    draw: Draw = "validation" if arguments.validation else "test"
    results = arguments.records or run_tasks(arguments, draw)
    records = read_records(results)
    print("\n".join([*table(records, draw), "", *likes_table(records, draw)]))
    if arguments.picture:
        arguments.picture.write_text(picture(records, draw), encoding="utf-8")
    if arguments.page:
        page = written(arguments.page.read_text(encoding="utf-8"), page_table(records))
        arguments.page.write_text(page, encoding="utf-8")


def run_tasks(arguments: argparse.Namespace, draw: Draw) -> Path:
    """Do the rows that are missing, and return the file of all rows."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    results: Path = arguments.out / "balance.jsonl"
    done = {(r["task"], r["draw"], r["run"], r["seed"]) for r in read_records(results)}
    for name in arguments.tasks:
        if reason := why_missing(name, draw):
            print(f"{name} is skipped: {reason}", file=sys.stderr)
            continue
        size = {"train": 200, "test": 60} if name in SMALL else {}
        task = open_task(name, draw, data=arguments.data or arguments.out / "tasks", **size)
        out, settings = arguments.out, arguments.settings
        for record in records_of(task, arguments.seeds, out, done, settings):
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            print(f"{name} {record['run']} {record['seed']}", file=sys.stderr, flush=True)
    return results


if __name__ == "__main__":
    main()
