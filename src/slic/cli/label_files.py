"""``slic labels export``, ``import`` and ``cut``: labels as files, and labelled clips."""

import math
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from slic.cli.common import open_index, print_absent_folders
from slic.cli.output import (
    exit_with_error,
    format_command,
    print_refused,
    print_result,
    printable,
)
from slic.cli.parser import CommandParser, Verbs, add_verb
from slic.errors import SlicError

MAX_NAMED = 3  # videos or rows that a message names


def add_verbs(verbs: Verbs) -> None:
    """Add ``export``, ``import`` and ``cut`` to the verbs of ``labels``."""
    summary = "write the labels to a file or folder, also of a labelling tool"
    verb = add_verb(verbs, "export", export, summary, description=f"{summary.capitalize()}.")
    verb.add_index()
    verb.add_argument("path", type=Path, metavar="OUT", help="file or folder to write")
    _add_format(verb, "the suffix of OUT tells")
    summary = "read labels from a file or folder, also of a labelling tool"
    verb = add_verb(verbs, "import", import_file, summary, description=f"{summary.capitalize()}.")
    verb.add_index()
    text = "file or folder of labels, or a zip of such a folder"
    verb.add_argument("path", type=Path, metavar="FILE", help=text)
    verb.add_switch("--replace", "first remove all labels of the videos with labels in FILE")
    _add_format(verb, "the content of FILE tells")
    summary = "write each labelled segment as a clip, in a folder for each label"
    verb = add_verb(verbs, "cut", cut, summary, description=f"{summary.capitalize()}. No sound.")
    verb.add_index()
    verb.add_argument("out", type=Path, metavar="OUT", help="folder of the clips")
    text = "only these labels (default: all)"
    verb.add_argument("--label", nargs="+", action="extend", default=[], metavar="X", help=text)
    text = "time to add before and after each segment (default: 0)"
    verb.add_argument("--padding", type=_seconds, default=0.0, metavar="SECONDS", help=text)
    verb.add_json()


def _add_format(verb: CommandParser, otherwise: str) -> None:
    text = f"name of a format, such as cvat, or my_module.MyFormat (default: {otherwise})"
    verb.add_argument("--format", metavar="NAME", help=text)
    verb.add_json()
    verb.more_help = _describe_formats


def _describe_formats() -> str:
    from slic.search import LABEL_FILES

    lines = ["formats:"]
    for name, file in LABEL_FILES.items():
        lines.append(f"  {name:14}{file.suffix:21}{file.title}")
        lines.append(f"  {'':14}keeps {file.keeps}")
    return "\n".join(lines)


def export(arguments: Namespace) -> None:
    """Write the labels to a file or folder."""
    from slic.search import export_labels

    index, path = open_index(arguments.index), arguments.path
    count = export_labels(index, path, format=arguments.format)
    print_result(arguments, {"path": path, "labels": count}, f"{path}: {count} labels written.")


def import_file(arguments: Namespace) -> None:
    """Read labels from a file or folder."""
    from slic.search import import_labels

    index, path = open_index(arguments.index), arguments.path
    imported = import_labels(index, path, format=arguments.format, replace=arguments.replace)
    if names := imported.unknown_videos:
        text = f"{imported.unknown_labels} labels are of {len(names)} videos outside the index"
        _print_note(f"{path}: {text}: {_abridge(names)}")
    if replaced := imported.replaced:
        text = f"{len(replaced)} labels gave way to a later one of the same segment"
        _print_note(f"{path}: {text}: {_abridge(replaced)}")
    undo = format_command("labels", "undo", arguments.index)
    document = {
        "labels": imported.labels,
        "unknown_labels": imported.unknown_labels,
        "unknown_videos": imported.unknown_videos,
        "replaced": imported.replaced,
    }
    print_result(arguments, document, f"{imported.labels} labels read. Undo with: {undo}")


def cut(arguments: Namespace) -> None:
    """Write each labelled segment as a clip."""
    from slic.search.cutting import cut_clips
    from slic.signals import StopRequested, exit_code

    index, out = open_index(arguments.index), arguments.out
    labels, padding = arguments.label, arguments.padding
    try:
        report = cut_clips(index, out, labels=labels, padding_seconds=padding)
    except StopRequested as stop:
        options = ["--padding", f"{padding:g}"] if padding else []
        options += ["--label", *labels] if labels else []
        words = format_command("labels", "cut", index.path, out, *options)
        exit_with_error(
            f"stopped; finished clips are kept. Continue with: {words}", exit_code(stop)
        )
    print_refused(report.refused)
    if report.lost:
        print_absent_folders(index)
    if report.stale:
        text = f"{len(report.stale)} clips of an earlier call have no such label any more"
        _print_note(f"{out}: {text}: {_abridge(report.stale)}")
    counts = f"{report.written} clips written, {report.kept} were there"
    counts += f", {report.lost} cannot be cut" if report.lost else ""
    print_result(arguments, {"out": out} | asdict(report), f"{out}: {counts}.")
    if report.lost and not report.written + report.kept:
        raise SlicError(f"{out}: no clip can be cut; see the lines above.")


def _seconds(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise ArgumentTypeError(f"{word!r} is not a number of seconds from 0")
    return value


def _print_note(text: str) -> None:
    print(printable(f"slic: {text}"), file=sys.stderr)


def _abridge(names: Sequence[str]) -> str:
    """Return the first names, and how many others there are."""
    shown = "; ".join(names[:MAX_NAMED])
    return f"{shown}; and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else shown
