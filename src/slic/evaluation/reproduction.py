"""The paper's published numbers: the commands that reproduce them, and our runs beside them.

Khorasgani, Chen and Shkurti, *SLIC*, CVPR 2022 (arXiv 2206.12534). Only the four numbers whose
protocol the paper names are quoted.
"""

import json
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from slic.errors import ProtocolError, SlicError

PaperTable = Literal["retrieval", "classification"]


@dataclass(frozen=True, kw_only=True)
class PublishedNumber:
    """One number of the paper, and where a run of ours leaves the same number.

    Attributes:
        name: What was measured.
        percent: The published value, in percent.
        dataset: Name of the data set of the test, as in a source of labels.
        kind: The name after ``slic evaluate``.
        protocol: The conditions in words.
        conditions: What a file of scores must contain to be comparable.
    """

    name: str
    percent: float
    dataset: Literal["ucf101", "hmdb51"]
    kind: Literal["retrieval", "finetune"]
    protocol: str
    conditions: Mapping[str, object]

    @property
    def scores_file(self) -> str:
        """Name of the JSON file in a run's folder."""
        return f"{self.kind}-{self.dataset}.json"


_RETRIEVAL_PROTOCOL = "protocol `paper`: head output, 10 clips, cosine, any match, test among train"
_RETRIEVAL_CONDITIONS = {"protocol": "paper", "splits": "queries test, gallery train"}
_FINETUNE_PROTOCOL = "150 epochs, Adam, all weights; ten-crop over half-overlapping windows"
_FINETUNE_CONDITIONS = {
    "protocol": "finetune",
    "from_scratch": False,
    "splits": "train train, test test",
    "epochs": 150,
}
PAPER_TABLES: dict[PaperTable, tuple[PublishedNumber, ...]] = {
    "retrieval": (
        PublishedNumber(
            name="UCF101 split 1, R@1",
            percent=71.6,
            dataset="ucf101",
            kind="retrieval",
            protocol=_RETRIEVAL_PROTOCOL,
            conditions=_RETRIEVAL_CONDITIONS,
        ),
        PublishedNumber(
            name="HMDB51 split 1, R@1, without training on it",
            percent=28.9,
            dataset="hmdb51",
            kind="retrieval",
            protocol=_RETRIEVAL_PROTOCOL,
            conditions=_RETRIEVAL_CONDITIONS,
        ),
    ),
    "classification": (
        PublishedNumber(
            name="UCF101 split 1, fine-tuned top-1",
            percent=83.2,
            dataset="ucf101",
            kind="finetune",
            protocol=_FINETUNE_PROTOCOL,
            conditions=_FINETUNE_CONDITIONS,
        ),
        PublishedNumber(
            name="HMDB51 split 1, fine-tuned top-1",
            percent=54.5,
            dataset="hmdb51",
            kind="finetune",
            protocol=_FINETUNE_PROTOCOL,
            conditions=_FINETUNE_CONDITIONS,
        ),
    ),
}


@dataclass(frozen=True, kw_only=True)
class ReproducedNumber:
    """Our runs for one published number.

    Attributes:
        published: The published number.
        percents: Our values in percent, one per seed.
    """

    published: PublishedNumber
    percents: tuple[float, ...]

    def table_row(self) -> tuple[str, ...]:
        """Return name, published value, our mean and deviation, number of seeds, and protocol."""
        n = len(self.percents)
        deviation = f" ± {statistics.stdev(self.percents):.1f}" if n > 1 else ""
        ours = f"{statistics.mean(self.percents):.1f}{deviation}" if n else "not run"
        published = self.published
        return (published.name, f"{published.percent:.1f}", ours, str(n), published.protocol)


def reproduction_commands(
    table: PaperTable, *, roots: Mapping[str, str], runs: str, seeds: Iterable[int]
) -> list[str]:
    """Return the commands that reproduce a table, in the order to run them.

    Args:
        table: A key of `PAPER_TABLES`.
        roots: Folder of each data set, ``ucf101`` and ``hmdb51``.
        runs: Folder of the runs; `read_reproduced` reads the numbers from there.
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


def read_reproduced(table: PaperTable, runs: Path) -> list[ReproducedNumber]:
    """Return the numbers of the runs ``seed0``, ``seed1`` and so on below a folder.

    Args:
        table: A key of `PAPER_TABLES`.
        runs: The folder.

    Raises:
        ProtocolError: A file of scores comes from other conditions than the paper's.
        SlicError: A file of scores cannot be read.
    """
    return [
        ReproducedNumber(
            published=row,
            percents=tuple(
                _read_percent(file, row) for file in sorted(runs.glob(f"seed*/{row.scores_file}"))
            ),
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
