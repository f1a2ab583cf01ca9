"""Verbs about videos: write a sample data set, list which files can be read."""

import json
from argparse import Namespace
from pathlib import Path

from slic.cli.common import (
    Verbs,
    at_least,
    open_catalog,
    print_next_command,
    print_refused,
    videos_argument,
)


def add_verbs(verbs: Verbs) -> None:
    """Add ``sample`` and ``scan``."""
    _add_sample(verbs)
    _add_scan(verbs)


def _add_sample(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "sample",
        help="write a sample data set of drawn people in action",
        description="Write videos of drawn people doing ten actions, in several codecs and "
        "containers, and their labels (labels.csv). The same arguments give the same files.",
    )
    verb.set_defaults(verb=draw_sample)
    verb.add_argument("folder", type=Path, help="new or empty folder to write to")
    verb.add_argument(
        "--level",
        choices=("easy", "hard"),
        default="easy",
        help="hard adds all directions of view, small figures and moving backgrounds "
        "(default: easy)",
    )
    verb.add_argument(
        "--train", type=at_least(0), default=400, metavar="N", help="training videos (default: 400)"
    )
    verb.add_argument(
        "--test", type=at_least(0), default=120, metavar="N", help="test videos (default: 120)"
    )
    verb.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="seed of all draws (default: 0)"
    )
    verb.add_argument(
        "--workers", type=at_least(1), metavar="N", help="processes that draw (default: all cores)"
    )


def _add_scan(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "scan",
        help="list which videos can be read, and why others cannot",
        description="List the videos that can be read and the refused files with their reasons.",
    )
    verb.set_defaults(verb=print_scan)
    videos_argument(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.add_argument(
        "--workers", type=at_least(1), metavar="N", help="processes that scan (default: all cores)"
    )


def draw_sample(arguments: Namespace) -> None:
    """Write the sample data set."""
    from slic.sample import write_sample

    write_sample(
        arguments.folder,
        level=arguments.level,
        train=arguments.train,
        test=arguments.test,
        seed=arguments.seed,
        workers=arguments.workers,
    )
    print(f"{arguments.folder}: {arguments.train} training and {arguments.test} test videos.")
    print_next_command("pretrain", arguments.folder / "train", "--out", "run")


def print_scan(arguments: Namespace) -> None:
    """Print which files can be read and which are refused."""
    catalog = open_catalog(arguments.videos, arguments.workers)
    hours = sum(video.duration_seconds for video in catalog) / 3600
    if arguments.json:
        videos = [
            {"id": v.id, "frames": v.frames, "fps": v.fps, "width": v.width, "height": v.height}
            for v in catalog
        ]
        refused = [{"id": r.id, "reason": r.reason} for r in catalog.refused]
        print(json.dumps({"root": str(catalog.root), "videos": videos, "refused": refused}))
        return
    print(f"{arguments.videos}: {len(catalog)} videos, {hours:.2f} hours.")
    print_refused(catalog.refused)
