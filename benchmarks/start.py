"""Time of ``slic --help``, of importing the package, and of scanning a known folder again.

Every start is a new process; medians of 7. The import fetches every public name, and the time of
``import torch`` is subtracted. The folder holds 10,000 links to a few videos of ten frames, so the
first scan is as short as possible.

    python benchmarks/start.py
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import slic
import targets
from films import FORMATS, encode
from slic.videos.catalog import Catalog
from targets import Target

RUNS = 7
FILES, FOLDERS, TINY = 10_000, 100, (64, 48)
EVERYTHING = "import torch, slic; " + "; ".join(f"slic.{name}" for name in slic.__all__)


def seconds(words: list[str]) -> float:
    """Return the wall time of one process."""
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def in_turns(*programs: list[str]) -> list[float]:
    """Return the median wall time of each. The first turn fills the disk cache."""
    turns = [[seconds(program) for program in programs] for _ in range(RUNS + 1)]
    return [statistics.median(times) for times in zip(*turns[1:], strict=True)]


def starts() -> list[Target]:
    python = [sys.executable, "-c"]
    torch, whole, package = in_turns(
        [*python, "import torch"], [*python, EVERYTHING], [*python, "import slic"]
    )
    (help_seconds,) = in_turns([sys.executable, "-m", "slic", "--help"])
    return [
        Target(
            name="slic --help", ours=f"{help_seconds:.2f} s", peer="a bound",
            value=help_seconds, bound=0.3, at_least=False,
        ),
        Target(
            name="importing every public name, beyond torch",
            ours=f"{whole - torch:.2f} s; `import slic` alone {package:.2f} s",
            peer=f"{torch:.2f} s, `import torch`",
            value=whole - torch, bound=1.0, at_least=False,
        ),
    ]  # fmt: skip


def make_folder(folder: Path) -> None:
    """Fill a folder with links to a video of every format."""
    rng = np.random.default_rng(0)
    kinds = []
    for k, form in enumerate(FORMATS):
        pictures = list(rng.integers(0, 256, (10, TINY[1], TINY[0], 3), np.uint8))
        kinds.append(folder / f"{k}{form.suffix}")
        encode(kinds[-1], pictures, form)
    for k in range(FILES - len(kinds)):
        kind = kinds[k % len(kinds)]
        inside = folder / f"{k % FOLDERS:02}"
        inside.mkdir(exist_ok=True)
        os.link(kind, inside / f"{k}{kind.suffix}")


def scans() -> list[Target]:
    with tempfile.TemporaryDirectory() as name:
        make_folder(Path(name))
        times = []
        for _ in range(1 + RUNS):
            start = time.perf_counter()
            catalog = Catalog.from_folder(name)
            times.append(time.perf_counter() - start)
            assert len(catalog) == FILES, f"{len(catalog)} of {FILES} files are usable"
    first, again = times[0], statistics.median(times[1:])
    return [
        Target(
            name=f"scanning {FILES:,} files for the second time",
            ours=f"{again:.2f} s", peer=f"{first:.1f} s for the first time",
            value=first / again, bound=10.0, at_least=True,
        )
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    options = parser.parse_args()
    rows = [*starts(), *scans()]
    for row in rows:
        print(f"{row.name}: {row.ours} ({row.peer}), {row.verdict}")
    targets.append(rows, options.targets)


if __name__ == "__main__":
    main()
