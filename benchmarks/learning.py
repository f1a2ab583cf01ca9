"""What recipes learn on a labelled set: R@1 over seeds, with curves against steps.

    python benchmarks/learning.py DATA --runs small paper-small --seeds 0 1 2 --out results

DATA has ``labels.csv`` (as `slic sample` writes it) or ``split.csv``; training sees the gallery's
videos only, and no label. Each run is a recipe, optionally with settings, for instance
``small,--clustering.method=none``. One line of JSON a run goes to ``OUT/results.jsonl``; a run that
is there already is not done again.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import torch

from slic.embeddings import embed
from slic.encoders.encoder import VideoEncoder
from slic.evaluation.retrieval import evaluate
from slic.evaluation.scoring import Sides, chance, mean_frame_scores, sides
from slic.labels import read_labels
from slic.pretraining import pretrain
from slic.pretraining.parts import new_encoder
from slic.recipe import load_recipe
from slic.videos.catalog import Catalog

PROTOCOLS = ("backbone", "paper")


class Record(TypedDict):
    """One line of ``results.jsonl``; the curve is step -> protocol -> R@1."""

    run: str
    seed: int
    seconds: int
    curve: dict[str, dict[str, float]]


def main() -> None:
    arguments = _arguments()
    split = _split(arguments.data, arguments.queries, arguments.gallery)
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "results.jsonl"
    done = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    for run in arguments.runs:
        for seed in arguments.seeds:
            if any(r["run"] == run and r["seed"] == seed for r in done):
                continue
            record = _one(run, seed, split, arguments.out, snapshots=arguments.snapshot_every)
            with results.open("a") as file:
                file.write(json.dumps(record) + "\n")
            done.append(record)
    for line in _table(done, split):
        print(line)


def _split(data: Path, queries: str, gallery: str) -> Sides:
    file = next(f for f in (data / "labels.csv", data / "split.csv") if f.exists())
    return sides(Catalog.from_folder(data), read_labels(file), queries=queries, gallery=gallery)


def _one(run: str, seed: int, split: Sides, out: Path, *, snapshots: int) -> Record:
    name, *words = run.split(",")
    keep = f"--train.snapshot_every_epochs={snapshots}"
    recipe = load_recipe(name, [*words, f"--train.seed={seed}", keep])
    folder = out / f"{run.replace('/', '-')}-seed{seed}"
    started = time.monotonic()
    curve = {"0": _recalls(new_encoder(recipe).eval(), split)}
    resume = (folder / "checkpoints" / "last.pt").exists()
    result = pretrain(split.gallery, out=folder, recipe=recipe, resume=resume)
    seconds = time.monotonic() - started
    for snapshot in sorted((folder / "snapshots").glob("step-*")):
        curve[str(int(snapshot.name[5:]))] = _recalls(VideoEncoder.from_pretrained(snapshot), split)
    curve[str(result.steps)] = _recalls(VideoEncoder.from_pretrained(result.encoder), split)
    return {"run": run, "seed": seed, "seconds": round(seconds), "curve": curve}


@torch.no_grad()
def _recalls(encoder: VideoEncoder, split: Sides) -> dict[str, float]:
    """Return R@1 by the protocols `backbone` and `paper`, from one pass over the videos."""
    features = [
        embed(encoder, side, clips=10, layer="backbone", progress=False).clips
        for side in (split.queries, split.gallery)
    ]
    outputs = [encoder.head(torch.from_numpy(x).flatten(0, 1)).numpy() for x in features]
    heads = [z.reshape(*x.shape[:2], -1) for z, x in zip(outputs, features, strict=True)]
    return {
        name: round(evaluate(query, split.query_labels, gallery, split.gallery_labels).recall[1], 4)
        for name, (query, gallery) in (("backbone", features), ("paper", heads))
    }


def _table(records: list[Record], split: Sides) -> Iterator[str]:
    mean_frame = mean_frame_scores(split).recall[1]
    yield f"chance {100 * chance(split):.1f}, mean-frame neighbour {100 * mean_frame:.1f}"
    for run in dict.fromkeys(r["run"] for r in records):
        curves = [r["curve"] for r in records if r["run"] == run]
        for protocol in PROTOCOLS:
            cells = []
            for step in curves[0]:
                values = [100 * curve[step][protocol] for curve in curves]
                spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
                cells.append(f"{step}: {statistics.mean(values):.1f}{spread}")
            yield f"{run} | {protocol} | {len(curves)} seeds | " + ", ".join(cells)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", nargs="+", default=["small", "paper-small"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--queries", default="test")
    parser.add_argument("--gallery", default="train")
    parser.add_argument("--snapshot-every", type=int, default=0, help="epochs between curve points")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
