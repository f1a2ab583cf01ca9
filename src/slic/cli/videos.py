"""Verbs about the videos themselves: make a sample, list what can be read."""

import json
from argparse import Namespace
from pathlib import Path

from slic.cli.common import (
    Verbs,
    at_least,
    open_catalog,
    print_refused,
    say_next,
    videos_argument,
)


def add_verbs(verbs: Verbs) -> None:
    """Add ``sample`` and ``scan``."""
    verb = verbs.add_parser("sample", help="write a sample data set of drawn people in action")
    verb.set_defaults(verb=sample)
    verb.add_argument("folder", type=Path)
    verb.add_argument("--level", choices=("easy", "hard"), default="easy")
    verb.add_argument(
        "--train", type=at_least(0), default=400, help="training videos (default 400)"
    )
    verb.add_argument("--test", type=at_least(0), default=120, help="test videos (default 120)")
    verb.add_argument("--seed", type=at_least(0), default=0)
    verb.add_argument("--workers", type=at_least(1), help="processes (default: all cores)")

    verb = verbs.add_parser("scan", help="list which videos can be read, and why others cannot")
    verb.set_defaults(verb=scan)
    videos_argument(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.add_argument("--workers", type=at_least(1))


def sample(arguments: Namespace) -> None:
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
    say_next("pretrain", arguments.folder / "train", "--out", "run")


def scan(arguments: Namespace) -> None:
    """List what can be read and what cannot."""
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
