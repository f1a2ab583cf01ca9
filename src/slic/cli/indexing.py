"""``slic index``: make an index of a collection, or update it."""

import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import load_encoder, open_catalog, open_index
from slic.cli.engines import add_engine, cost_of, opened_engine, words_of
from slic.cli.output import (
    exit_with_error,
    format_command,
    print_refused,
    print_result,
    printable,
)
from slic.cli.parser import Verbs, add_verb
from slic.cli.search import add_seconds

if TYPE_CHECKING:
    from slic.models.encoder import VideoEncoder
    from slic.search.reconcile import CollectionChanges


def add_verbs(verbs: Verbs) -> None:
    """Add ``index``."""
    verb = add_verb(verbs, "index", index, "make an index of a collection, or update it")
    verb.add_videos()
    verb.add_argument("--out", type=Path, required=True, metavar="INDEX", help="folder to write")
    text = (
        "folder of an encoder or run, or a name that `slic backbones` lists (default: the one that "
        "the index has; for a new index the built-in one, which needs no download)"
    )
    verb.add_argument("--encoder", metavar="ENCODER", help=text)
    text = "length of a moment (default: 2, or the length of the encoder's clip if longer)"
    add_seconds(verb, "--window", text, dest="window_seconds")
    text = "time from one moment to the next (default: half a window)"
    add_seconds(verb, "--stride", text, dest="stride_seconds")
    text = (
        "vector store: embedded, http://host:19530 for a Milvus server, or "
        "my_module:MyStore[+URL] (default: embedded)"
    )
    verb.add_argument("--store", metavar="ADDRESS", help=text)
    verb.add_workers()
    add_engine(verb)
    text = (
        "folder for embedded moments until the index has them; all machines must see it (default: "
        "INDEX/fragments)"
    )
    verb.add_path("--fragments", text, metavar="DIR")
    verb.only_with("--fragments", "--engine", "--devices")
    verb.add_json()


def index(arguments: Namespace) -> None:
    """Make or update an index."""
    from slic.search import create_index, index_settings, update_index
    from slic.signals import StopRequested, exit_code

    out = arguments.out
    encoder = choose_encoder(out, arguments.encoder)
    names = ("window_seconds", "stride_seconds", "store")
    settings = {name: getattr(arguments, name) for name in names}
    index_settings(out, encoder, **settings)  # fails before the scan, which may take long
    with opened_engine(arguments) as engine:
        catalog = open_catalog(arguments.videos, arguments.workers or None, engine)
        opened = create_index(out, encoder, **settings)  # a failed scan leaves no index behind
        try:
            words = {"workers": arguments.workers, "fragments": arguments.fragments}
            report = update_index(opened, catalog, engine=engine, **words)
        except StopRequested as stop:
            command = format_command("index", arguments.videos, "--out", out, *words_of(arguments))
            message = f"stopped; {opened.count} moments are kept. Continue with: {command}"
            exit_with_error(message, exit_code(stop))
    _print_problems(report.changes)
    cost = cost_of(engine)
    kinds = ("added", "moved", "changed", "removed")
    changes = {kind: len(getattr(report.changes, kind)) for kind in kinds}
    changes["unchanged"] = report.changes.unchanged
    counts = ", ".join(f"{count} {kind}" for kind, count in changes.items())
    refused = list(map(asdict, report.changes.refused))
    print_result(
        arguments,
        {"index": out, "videos": changes, "moments": report.moments, "refused": refused, **cost},
        f"{out}: {counts} videos; {report.moments} moments.",
        next_words=("search", out, "CLIP"),
    )


def choose_encoder(index_folder: Path, source: str | None) -> "VideoEncoder":
    """Return the encoder that was named, or that the index has, or else the built-in one."""
    from slic.models.default import DEFAULT_ENCODER, DEFAULT_ENCODER_NOTE
    from slic.search.repository import DATABASE_FILE

    if source is not None:
        return load_encoder(source)
    if (index_folder / DATABASE_FILE).exists():
        return open_index(index_folder).encoder
    print(f"slic: {DEFAULT_ENCODER_NOTE}", file=sys.stderr)
    return load_encoder(DEFAULT_ENCODER)


def _print_problems(changes: "CollectionChanges") -> None:
    print_refused(changes.refused)
    if files := changes.unreachable:
        print(
            f"slic: {len(files)} videos stay in the index although their files cannot be reached. "
            f"The first is {printable(str(files[0]))}. Mount the disk or correct the permissions. "
            "If the files were deleted, index into another --out.",
            file=sys.stderr,
        )
