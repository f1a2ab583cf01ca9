"""Verbs about videos: write a sample data set, try everything on one, list readable files."""

import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from slic.cli.common import keep_freed_memory, open_catalog
from slic.cli.output import STDOUT, json_writer, print_json, print_refused, print_result
from slic.cli.parser import Verbs, add_verb

LEVELS = ("easy", "hard")


def add_verbs(verbs: Verbs) -> None:
    """Add ``sample``, ``demo`` and ``scan``."""
    summary = "write a sample data set of drawn people in action"
    text = (
        "Write videos of drawn people doing ten actions, in several codecs and containers, and "
        "their labels (labels.csv). The same arguments give the same files."
    )
    verb = add_verb(verbs, "sample", draw_sample, summary, description=text)
    verb.add_argument("folder", type=Path, help="new or empty folder to write to")
    text = "hard adds all directions of view, small figures and moving backgrounds (default: easy)"
    verb.add_argument("--level", choices=LEVELS, default="easy", help=text)
    verb.add_count("--train", "training videos", minimum=0, default=400)
    verb.add_count("--test", "test videos", minimum=0, default=120)
    verb.add_count("--seed", "seed of all draws", minimum=0, default=0)
    verb.add_count("--workers", "processes that draw (default: all cores)")
    verb.add_json()

    verb = add_verb(verbs, "demo", demo, "draw videos, learn from them, evaluate and report")
    verb.add_argument("--out", type=Path, default=Path("demo"), help="folder (default: demo)")
    text = "difficulty of the drawn videos (default: easy)"
    verb.add_argument("--level", choices=LEVELS, default="easy", help=text)
    verb.add_count("--seed", "seed of the training", minimum=0, default=0)
    verb.add_json()

    summary = "list which videos can be read, and why others cannot"
    text = "List the videos that can be read and the refused files with their reasons."
    verb = add_verb(verbs, "scan", print_scan, summary, description=text)
    verb.add_videos()
    verb.add_json()
    verb.add_count("--workers", "processes that scan (default: all cores)")


def draw_sample(arguments: Namespace) -> None:
    """Write the sample data set."""
    from slic.sample import write_sample

    settings = {name: getattr(arguments, name) for name in ("level", "train", "test", "seed")}
    write_sample(arguments.folder, workers=arguments.workers, **settings)
    print_result(
        arguments,
        {"folder": arguments.folder, **settings},
        f"{arguments.folder}: {arguments.train} training and {arguments.test} test videos.",
        next_words=("pretrain", arguments.folder / "train", "--out", "run"),
    )


def demo(arguments: Namespace) -> None:
    """Draw, learn, evaluate and report."""
    from slic.sample.demo import run_demo

    keep_freed_memory()
    next_steps = (
        "slic index VIDEOS --out index",
        "slic studio index",
        "slic pretrain VIDEOS --out run",
    )
    level, seed = arguments.level, arguments.seed
    with json_writer(STDOUT if arguments.json else None) as write:
        report = run_demo(arguments.out, level=level, seed=seed, next_steps=next_steps)
        print(f"report: {report}")
        write({"report": report, "encoder": arguments.out / "run" / "encoder"})


def print_scan(arguments: Namespace) -> None:
    """Print which files can be read and which are refused."""
    catalog = open_catalog(arguments.videos, arguments.workers)
    catalog = catalog.with_refused(catalog.find_set_aside())
    hours = sum(video.duration_seconds for video in catalog) / 3600
    if arguments.json:
        keys = ("id", "frames", "fps", "width", "height")
        videos = [{key: getattr(video, key) for key in keys} for video in catalog]
        refused = list(map(asdict, catalog.refused))
        print_json({"root": catalog.root, "videos": videos, "refused": refused})
        return
    print(f"{arguments.videos}: {len(catalog)} videos, {hours:.2f} hours.")
    print_refused(catalog.refused, file=sys.stdout)
