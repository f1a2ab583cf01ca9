"""Verbs about the benchmarks: what there is, and whether a copy on disk is whole."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import Verbs, annotations_argument, at_least, open_catalog, said
from slic.datasets.sources import BENCHMARKS

if TYPE_CHECKING:
    from slic.datasets.check import Copy

NAMED = 5  # how many things of a kind are printed by name


def add_verbs(verbs: Verbs) -> None:
    """Add ``data`` and ``data check``."""
    verb = verbs.add_parser("data", help="the benchmarks: origin, terms, layout; check a copy")
    verb.set_defaults(verb=overview)
    kinds = verb.add_subparsers(metavar="check")
    kind = kinds.add_parser("check", help="compare a copy with the official lists")
    kind.set_defaults(verb=check)
    kind.add_argument("name", choices=tuple(BENCHMARKS))
    kind.add_argument("root", type=Path, help="folder of videos, or of folders of frames")
    annotations_argument(kind)
    kind.add_argument("--json", action="store_true", help="print JSON, with all names")
    kind.add_argument("--workers", type=at_least(1), help="videos at a time (default: all cores)")


def overview(arguments: Namespace) -> None:  # noqa: ARG001 (every verb takes them)
    """Print what is known of each benchmark."""
    for benchmark in BENCHMARKS.values():
        print(f"{benchmark.name}  (--labels {', '.join(benchmark.sources())})")
        for title in ("origin", "terms", "size", "layout", "lists"):
            print(f"  {title:<7} {getattr(benchmark, title)}")
    print("tree  (--labels tree)")
    print("  layout  ROOT/[train|val|test/]<class>/<video>: any set of your own")
    print("A CSV file with the columns path,label[,split] does too (--labels FILE).")
    print(f"next: slic data check {next(iter(BENCHMARKS))} ROOT")


def check(arguments: Namespace) -> None:
    """Compare a copy with the official lists; exit with 1 when it cannot be used."""
    from slic.datasets.check import advise, check_copy

    benchmark, root, annotations = BENCHMARKS[arguments.name], arguments.root, arguments.annotations
    benchmark.find_lists(root, annotations)  # fails before the scan, which may take long
    catalog = open_catalog(root, arguments.workers)
    copy = check_copy(
        benchmark,
        root=root,
        ids=[video.id for video in catalog],
        unreadable={refused.id: refused.reason for refused in catalog.refused},
        annotations=annotations,
    )
    usable, step = advise(copy, benchmark, root=root, annotations=annotations)
    if arguments.json:
        verdict = {"name": benchmark.name, "root": str(root), "usable": usable, "next": step}
        print(json.dumps(verdict | asdict(copy), default=str))
    else:
        _print(copy, f"{benchmark.name} in {root}", classes=benchmark.classes)
        print(f"next: {step}" if usable else "not usable.")
    if not usable:
        sys.exit(said(step, 1))


def _print(copy: "Copy", title: str, *, classes: int) -> None:
    print(f"{title}: {copy.videos} videos, {len(copy.classes)} of {classes} classes.")
    print(f"lists: {copy.lists or 'none found; the class folders tell'}")
    for part in copy.parts:
        of = "" if part.official is None else f" of {part.official}"
        split = f"split {part.split} " if part.split else ""
        print(f"{split}{part.part}: {part.found}{of}")
    unreadable = [f"{name}: {reason}" for name, reason in copy.unreadable.items()]
    _print_some("classes without a video", copy.missing_classes)
    if copy.lists:
        _print_some("missing", copy.missing)
    _print_some("unreadable", unreadable)
    _print_some("there more than once", [" = ".join(paths) for paths in copy.doubled])
    _print_some("in no list", copy.unlisted)


def _print_some(title: str, things: Sequence[str]) -> None:
    """Print how many there are, and the first few."""
    print(f"{title}: {len(things) or 'none'}")
    for thing in things[:NAMED]:
        print(f"  {thing}")
    if len(things) > NAMED:
        print(f"  and {len(things) - NAMED} more; --json names all")
