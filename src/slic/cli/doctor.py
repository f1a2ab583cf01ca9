"""``slic doctor``: check the installation, and say what to do about what is wrong."""

import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from slic import __version__
from slic.cli.output import print_json, printable
from slic.cli.parser import Verbs, add_verb

if TYPE_CHECKING:
    from slic.doctor import Finding


def add_verbs(verbs: Verbs) -> None:
    """Add ``doctor``."""
    text = (
        "Check packages, machine, folder and codecs, and say what to do about what is wrong. A "
        "test video is written, decoded and embedded. Exit with 1 if something is broken."
    )
    verb = add_verb(verbs, "doctor", examine_all, "check the installation", description=text)
    text = "folder that slic is to write to (default: the current one)"
    verb.add_argument("folder", type=Path, nargs="?", help=text)
    verb.add_json()


def examine_all(arguments: Namespace) -> None:
    """Print the findings as they come, or all as JSON; exit with 1 if something is broken."""
    from slic.doctor import examine

    findings = []
    if not arguments.json:
        print(f"slic {__version__}")
    for finding in examine(arguments.folder):
        findings.append(finding)
        if not arguments.json:
            _print(finding)
    broken = sum(finding.level == "broken" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if arguments.json:
        document = {"slic": __version__, "broken": broken, "warnings": warnings}
        print_json(document | {"findings": list(map(asdict, findings))})
    elif broken or warnings:
        print(f"{broken} broken, {warnings} warnings.")
    else:
        print("Everything works.")
    if broken:
        sys.exit(1)


def _print(finding: "Finding") -> None:
    line = f"{finding.level:8} {finding.name}: {finding.text}"
    if finding.level == "note" and finding.way_out:
        line += f" ({finding.way_out})"
    print(printable(line), flush=True)
    if finding.level in ("warning", "broken"):
        print(printable(f"         -> {finding.way_out}"), flush=True)
