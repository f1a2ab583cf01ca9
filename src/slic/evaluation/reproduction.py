"""The paper's published numbers: the commands that reproduce them, and our runs beside them.

Khorasgani, Chen and Shkurti, *SLIC*, CVPR 2022 (arXiv 2206.12534). Only the four numbers whose
protocol the paper names are quoted.
"""

import json
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from slic.errors import ProtocolError, SlicError

PaperTable = Literal["retrieval", "classification"]


@dataclass(frozen=True)
class PublishedNumber:
    """One number of the paper, and where a run of ours leaves the same number.

    Attributes:
        dataset: Name of the data set of the test, as in a source of labels.
        name: What was measured.
        percent: The published value, in percent.
        kind: The name after ``slic evaluate``.
        protocol: The conditions in words.
        conditions: What a file of scores must contain to be comparable.
    """

    dataset: Literal["ucf101", "hmdb51"]
    name: str
    percent: float
    kind: Literal["retrieval", "finetune"]
    protocol: str
    conditions: Mapping[str, object]

    @property
    def scores_file(self) -> str:
        """Name of the JSON file in a run's folder."""
        return f"{self.kind}-{self.dataset}.json"

    def table_row(self, percents: Sequence[float]) -> tuple[str, ...]:
        """Return name, published value, our mean and deviation, number of seeds, and protocol.

        Args:
            percents: Our values in percent, one per seed.
        """
        n = len(percents)
        deviation = f" ± {statistics.stdev(percents):.1f}" if n > 1 else ""
        ours = f"{statistics.mean(percents):.1f}{deviation}" if n else "not run"
        return (self.name, f"{self.percent:.1f}", ours, str(n), self.protocol)


_retrieval_number = partial(
    PublishedNumber,
    kind="retrieval",
    protocol="protocol `paper`: head output, 10 clips, cosine, any match, test among train",
    conditions={"protocol": "paper", "splits": "queries test, gallery train"},
)
_finetune_number = partial(
    PublishedNumber,
    kind="finetune",
    protocol="150 epochs, Adam, all weights; ten-crop over half-overlapping windows",
    conditions={
        "protocol": "finetune",
        "from_scratch": False,
        "splits": "train train, test test",
        "epochs": 150,
    },
)
PAPER_TABLES: dict[PaperTable, tuple[PublishedNumber, ...]] = {
    "retrieval": (
        _retrieval_number("ucf101", "UCF101 split 1, R@1", 71.6),
        _retrieval_number("hmdb51", "HMDB51 split 1, R@1, without training on it", 28.9),
    ),
    "classification": (
        _finetune_number("ucf101", "UCF101 split 1, fine-tuned top-1", 83.2),
        _finetune_number("hmdb51", "HMDB51 split 1, fine-tuned top-1", 54.5),
    ),
}


def reproduction_commands(
    table: PaperTable, *, roots: Mapping[str, str], runs: str, seeds: Iterable[int]
) -> list[str]:
    """Return the commands that reproduce a table, in the order to run them.

    Args:
        table: A key of `PAPER_TABLES`.
        roots: Folder of each data set, ``ucf101`` and ``hmdb51``.
        runs: Folder of the runs; `reproduced_rows` reads the numbers from there.
        seeds: Seeds of the runs.
    """
    ucf101, rows = roots["ucf101"], PAPER_TABLES[table]
    lines = [_command_line("data", "check", row.dataset, roots[row.dataset]) for row in rows]
    lines += [_command_line("prepare", ucf101, "--flow", "--recipe", "paper-ucf101")]
    for seed in seeds:
        run = f"{runs}/seed{seed}"
        on_train = ("--labels", "ucf101:1", "--split", "train")
        settings = ("--recipe", "paper-ucf101", f"--train.seed={seed}")
        lines += [_command_line("pretrain", ucf101, *on_train, *settings, "--out", run)]
        lines += [_evaluation_command(row, roots[row.dataset], run, seed) for row in rows]
    return lines


def reproduced_rows(table: PaperTable, runs: Path) -> list[tuple[str, ...]]:
    """Return the published numbers beside those of the runs ``seed0``, ``seed1`` and so on.

    Args:
        table: A key of `PAPER_TABLES`.
        runs: Folder of the runs.

    Returns:
        Rows of a table; see `PublishedNumber.table_row`.

    Raises:
        ProtocolError: A file of scores comes from other conditions than the paper's.
        SlicError: A file of scores cannot be read.
    """
    return [
        row.table_row(
            [_read_percent(f, row) for f in sorted(runs.glob(f"seed*/{row.scores_file}"))]
        )
        for row in PAPER_TABLES[table]
    ]


def markdown_table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    """Return rows as a Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _evaluation_command(row: PublishedNumber, root: str, run: str, seed: int) -> str:
    words = ["evaluate", row.kind, root, "--labels", f"{row.dataset}:1"]
    words += ["--encoder", f"{run}/encoder", "--json", f"{run}/{row.scores_file}"]
    if row.kind == "finetune":
        words += ["--out", f"{run}/{row.kind}-{row.dataset}", "--seed", str(seed)]
    return _command_line(*words)


def _command_line(*words: str) -> str:
    return shlex.join(("slic", *words))


def _read_percent(file: Path, row: PublishedNumber) -> float:
    try:
        scores: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        share = scores["recall"]["1"] if "recall" in scores else scores["top_1"]
        percent = 100 * float(share)
        protocol = scores["protocol"].split(":")[0]
        found = scores | scores.get("settings", {}) | {"protocol": protocol}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SlicError(
            f"{file}: no scores of `slic evaluate` ({type(error).__name__}: {error}). Run it again."
        ) from error
    for name, wanted in {**row.conditions, "labels": f"{row.dataset}:1"}.items():
        if found.get(name) != wanted:
            raise ProtocolError(
                f"{file}: its {name} is {found.get(name)!r}, but the paper's number needs "
                f"{wanted!r}. Run the command of `slic reproduce` again, or move the file away."
            )
    return percent
