"""Does an encoder learnt elsewhere help on new videos, and how much of it is to be trained?

An encoder is learnt on the drawn sample, then adapted to the unlabelled training videos of arid6.
Beside it are training from scratch with as many steps, no adaptation, random weights, the built-in
default, the mean frame and chance. Queries are val, the gallery is train. No label is used in
training, and no setting was chosen on arid6.

    python benchmarks/warm_start.py --work FOLDER [--seeds 0 1 2] [--steps 60] [--out TABLE.md]
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

sys.path.insert(0, str(Path(__file__).resolve().parent))

from learning.features import UNTRAINED
from learning.scoring import compared, named, scores
from learning.tasks import Task, open_task
from learning.training import train
from slic.embeddings import embed
from slic.models.encoder import VideoEncoder
from slic.models.sources import open_encoder
from slic.neighbours.rows import slices_of
from slic.pretraining.build import build_encoder
from slic.recipe import load_recipe

SIZE = ["--clip.size=64"]  # less than half the pixels of `motion`, so that it takes minutes
Scores = dict[str, float]


def learn_source(seed: int, work: Path) -> Path:
    """Learn `motion` on the drawn sample in 120 steps; return the folder of the run."""
    task = open_task("easy", "test", data=work / "tasks")
    words = [*SIZE, "--train.epochs=10"]
    return _run(task, words, seed, work / f"source-{seed}", recipe="motion")


def _run(task: Task, words: list[str], seed: int, folder: Path, *, recipe: str) -> Path:
    """Train unless the folder has an encoder."""
    if not (folder / "encoder" / "model.safetensors").exists():
        common = [f"--train.seed={seed}", "--train.workers=0"]
        train(load_recipe(recipe, [*words, *common]), task, folder)
    return folder


def ways(task: Task, seed: int, steps: int, work: Path) -> dict[str, Callable[[], VideoEncoder]]:
    """Return the encoders to compare, by name."""
    source = work / f"source-{seed}"
    per_epoch = len(task.training) // 32
    epochs = [f"--train.epochs={round(steps / per_epoch)}"]
    warm = [*epochs, f"--init={source}"]
    adapted = {
        "warm start, all blocks": [*warm],
        "warm start, last 2 blocks": [*warm, "--adaptation.trained_blocks=2"],
    }

    def trained(name: str, words: list[str], recipe: str) -> Callable[[], VideoEncoder]:
        folder = work / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
        return lambda: open_encoder(_run(task, words, seed, folder, recipe=recipe))

    best = load_recipe("motion", [*SIZE, f"--train.seed={seed}"])
    return {
        "random weights": lambda: build_encoder(best),
        "no adaptation": lambda: open_encoder(source),
        "from scratch, recipe motion": trained("from scratch", [*SIZE, *epochs], "motion"),
        **{name: trained(name, words, "adapt") for name, words in adapted.items()},
    }


def default_scores(task: Task) -> dict[str, Scores]:
    """Score each vector of the built-in encoder."""
    encoder = open_encoder("default")
    sides = [
        embed(encoder, side, clips=10, workers=0, progress=False).clips
        for side in (task.split.test, task.split.train)
    ]
    rows = {}
    for part, columns in slices_of(encoder.vectors).items():
        queries, gallery = (side[..., columns] for side in sides)
        rows[f"built-in encoder, {part}"] = named("backbone", compared(queries, gallery, task))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for sets and runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60, help="steps of adaptation")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    task = open_task("arid6", "test", data=options.work / "tasks")
    found: dict[str, list[Scores]] = {}
    for name in ("chance", "mean-frame"):
        row = UNTRAINED[name](task, load_recipe("motion"))
        found[name] = [{key.replace("any", "backbone"): value for key, value in row.items()}]
    for name, row in default_scores(task).items():
        found[name] = [row]
    for seed in options.seeds:
        learn_source(seed, options.work)
        for name, make in ways(task, seed, options.steps, options.work).items():
            record = options.work / f"scores-{name.replace(' ', '-')}-{seed}.json"
            if not record.exists():
                record.write_text(json.dumps(scores(make(), task, load_recipe("motion", SIZE))))
            found.setdefault(name, []).append(json.loads(record.read_text()))
            print(name, seed, found[name][-1], file=sys.stderr, flush=True)
    text = table(found)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def table(found: dict[str, list[Scores]]) -> str:
    """Return means over seeds, with their standard deviations, as a table in Markdown."""
    columns = ("backbone", "backbone mAP", "paper", "paper mAP")
    lines = ["| | R@1 backbone | mAP | R@1 head | mAP |", "|---|---|---|---|---|"]
    for name, rows in found.items():
        cells = []
        for column in columns:
            values = [100 * row[column] for row in rows if column in row]
            spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.1f}{spread}" if values else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
