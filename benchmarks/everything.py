"""Run every benchmark, print all targets, and write the table of docs/performance.md.

Progress and the tables of the benchmarks go to stderr, the targets to stdout. If a benchmark breaks
off or a peer cannot run, the others still run, the document stays unchanged, and the exit code is
1. A missed target is printed and is no failure.

    python benchmarks/everything.py [--only losses search]
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import targets
from slic.files import write_atomically
from targets import Target

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "performance.md"
BENCHMARKS = (
    "loading", "reading", "augmenting", "training", "losses", "clustering", "retrieval", "search",
    "start", "memory",
)  # fmt: skip
MAX_SECONDS = 900  # per benchmark; a longer one hangs
EXPECTED_MINUTES = 25
PACKAGES = (
    "torch", "numpy", "opencv-contrib-python-headless", "av", "faiss-cpu", "scikit-learn",
    "finch-clust", "usearch", "pytorch-metric-learning", "torchvision", "kornia", "torchcodec",
    "pillow",
)  # fmt: skip
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def run(name: str, folder: Path) -> tuple[list[Target], str | None]:
    """Run one benchmark; return its targets, and the reason if it broke off."""
    file = folder / f"{name}.jsonl"
    file.touch()
    script = str(HERE / f"{name}.py")
    words = [sys.executable, script, "--targets", str(file)]
    started = time.monotonic()
    print(f"== {name}", file=sys.stderr, flush=True)
    broken = None
    try:
        subprocess.run(words, check=True, stdout=sys.stderr, timeout=MAX_SECONDS)
    except subprocess.CalledProcessError as error:
        broken = f"benchmarks/{name}.py ended with {error.returncode}"
    except subprocess.TimeoutExpired:
        broken = f"benchmarks/{name}.py was stopped after {MAX_SECONDS / 60:.0f} minutes"
    print(f"== {name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    rows = targets.read(file)
    return rows, broken or (None if rows else f"benchmarks/{name}.py reported no target")


def table(results: dict[str, list[Target]]) -> str:
    """Return the targets as a table in Markdown."""
    lines = ["| what | ours | beside it | value | target |", "|---|---|---|---|---|"]
    for row in (row for rows in results.values() for row in rows):
        value = f"**{row.value:.3g}**" if row.ran else ""
        cells = (row.name, row.ours, row.peer, value, target(row))
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def target(row: Target) -> str:
    """Return the bound of a target and whether it was met."""
    if not row.ran:
        return row.verdict
    return f"{'≥' if row.at_least else '≤'} {row.bound:g}: {row.verdict}"


def stamp(minutes: float) -> str:
    """Return date, machine and versions of the run."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    now = datetime.datetime.now(tz=datetime.UTC)
    python = f"Python {platform.python_version()}, {versions}"
    lines = textwrap.fill(python, 100, break_on_hyphens=False)
    return (
        f"Measured on {now:%Y-%m-%d} at revision {revision()}, in {minutes:.0f} minutes on {cores} "
        f"cores of {processor()}. No GPU was used. Versions:\n\n```text\n{lines}\n```"
    )


def processor() -> str:
    """Return the name of the processor and its vector instructions."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    kinds = [
        kind for kind in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {kind} " in cpuinfo
    ]
    return f"{name[1] if name else platform.machine()} ({', '.join(kinds)})"


def revision() -> str:
    words = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def written(document: str, text: str) -> str:
    """Return the document with the text between the two marks replaced."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{DOCUMENT}: the marks {BEGIN} and {END} are missing; put them back.")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME",
                        help="run these and leave the document unchanged")  # fmt: skip
    options = parser.parse_args()
    if not options.only:
        written(DOCUMENT.read_text(encoding="utf-8"), "")  # fail early if the marks are missing
    started = time.monotonic()
    results, failures = dict[str, list[Target]](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or BENCHMARKS:
            results[name], broken = run(name, Path(folder))
            failures += [broken] if broken else []
            failures += [f"{row.name}: {row.peer}" for row in results[name] if not row.ran]
    minutes = (time.monotonic() - started) / 60
    rows = [row for of_one in results.values() for row in of_one]
    print(table(results))
    print(f"\n{sum(row.met for row in rows)} of {len(rows)} targets met, in {minutes:.1f} minutes")
    if minutes > EXPECTED_MINUTES:
        print(f"that is more than {EXPECTED_MINUTES}: is the machine busy?", file=sys.stderr)
    if failures:
        sys.exit("\n".join(["FAILED", *failures, f"{DOCUMENT.name} was not changed."]))
    if not options.only:
        text = f"{stamp(minutes)}\n\n{table(results)}"
        write_atomically(DOCUMENT, written(DOCUMENT.read_text(encoding="utf-8"), text).encode())


if __name__ == "__main__":
    main()
