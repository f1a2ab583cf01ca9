"""The paper's published numbers: the commands that give ours, what they cost, how they compare.

Khorasgani, Chen and Shkurti, *SLIC*, CVPR 2022 (arXiv 2206.12534). Only the four numbers of its
abstract and tables that name one protocol are quoted; nothing is filled in.
"""

import json
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from slic.errors import SlicError

Table = Literal["retrieval", "classification"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One number of the paper, in percent, and where a run of ours leaves the same.

    Attributes:
        name: What was measured.
        percent: The published value.
        dataset: Of the test, as ``--labels`` names it.
        kind: What follows ``slic evaluate``.
        protocol: Its conditions in words.
        conditions: What a file of scores must say, so that the numbers can be compared.
    """

    name: str
    percent: float
    dataset: Literal["ucf101", "hmdb51"]
    kind: Literal["retrieval", "finetune"]
    protocol: str
    conditions: Mapping[str, object]

    @property
    def file(self) -> str:
        """Name of the JSON file in a run's folder."""
        return f"{self.kind}-{self.dataset}.json"


_RETRIEVAL = "protocol `paper`: head output, 10 clips, cosine, any match, test among train"
_AS_RETRIEVAL = {"protocol": "paper", "splits": "queries test, gallery train"}
_FINETUNE = "150 epochs, Adam, all weights; ten-crop over half-overlapping windows"
_AS_FINETUNE = {
    "protocol": "finetune",
    "from_scratch": False,
    "splits": "train train, test test",
    "epochs": 150,
}
TABLES: dict[Table, tuple[Published, ...]] = {
    "retrieval": (
        Published(
            name="UCF101 split 1, R@1",
            percent=71.6,
            dataset="ucf101",
            kind="retrieval",
            protocol=_RETRIEVAL,
            conditions=_AS_RETRIEVAL,
        ),
        Published(
            name="HMDB51 split 1, R@1, without training on it",
            percent=28.9,
            dataset="hmdb51",
            kind="retrieval",
            protocol=_RETRIEVAL,
            conditions=_AS_RETRIEVAL,
        ),
    ),
    "classification": (
        Published(
            name="UCF101 split 1, fine-tuned top-1",
            percent=83.2,
            dataset="ucf101",
            kind="finetune",
            protocol=_FINETUNE,
            conditions=_AS_FINETUNE,
        ),
        Published(
            name="HMDB51 split 1, fine-tuned top-1",
            percent=54.5,
            dataset="hmdb51",
            kind="finetune",
            protocol=_FINETUNE,
            conditions=_AS_FINETUNE,
        ),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Our runs of one published number, in percent, one a seed."""

    published: Published
    percents: tuple[float, ...]

    def cells(self) -> tuple[str, ...]:
        """Return name, published value, ours with its spread, seeds and protocol."""
        n = len(self.percents)
        spread = f" ± {statistics.stdev(self.percents):.1f}" if n > 1 else ""
        ours = f"{statistics.mean(self.percents):.1f}{spread}" if n else "not run"
        about = self.published
        return (about.name, f"{about.percent:.1f}", ours, str(n), about.protocol)


def commands(
    table: Table, *, roots: Mapping[str, str], runs: str, seeds: Iterable[int]
) -> list[str]:
    """Return the commands for a table, in the order to run them; each can go on after a kill.

    Args:
        table: Which one.
        roots: Folder of each data set, ``ucf101`` and ``hmdb51``.
        runs: Folder of the runs; `outcomes` looks for the numbers there.
        seeds: One run each.
    """
    ucf101, rows = roots["ucf101"], TABLES[table]
    lines = [_line("data", "check", row.dataset, roots[row.dataset]) for row in rows]
    lines += [_line("prepare", ucf101, "--flow", "--recipe", "paper-ucf101")]
    for seed in seeds:
        run = f"{runs}/seed{seed}"
        on_train = ("--labels", "ucf101:1", "--split", "train")
        settings = ("--recipe", "paper-ucf101", f"--train.seed={seed}")
        lines += [_line("pretrain", ucf101, *on_train, *settings, "--out", run)]
        lines += [_evaluation(row, roots[row.dataset], run, seed) for row in rows]
    return lines


def outcomes(table: Table, runs: Path) -> list[Outcome]:
    """Return what the runs below a folder reached: ``seed0``, ``seed1``, and so on.

    Raises:
        SlicError: A file of scores cannot be read, or was made in another way than the paper's.
    """
    return [
        Outcome(
            published=row,
            percents=tuple(_percent(file, row) for file in sorted(runs.glob(f"seed*/{row.file}"))),
        )
        for row in TABLES[table]
    ]


def as_table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    """Return rows as a Markdown table, which a terminal shows well too."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _evaluation(row: Published, root: str, run: str, seed: int) -> str:
    words = ["evaluate", row.kind, root, "--labels", f"{row.dataset}:1"]
    words += ["--encoder", f"{run}/encoder", "--json", f"{run}/{row.file}"]
    if row.kind == "finetune":
        words += ["--out", f"{run}/{row.kind}-{row.dataset}", "--seed", str(seed)]
    return _line(*words)


def _line(*words: str) -> str:
    return shlex.join(("slic", *words))


def _percent(file: Path, row: Published) -> float:
    try:
        scores: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        share = scores["recall"]["1"] if "recall" in scores else scores["top_1"]
        percent = 100 * float(share)
        told = scores | scores.get("settings", {}) | {"protocol": scores["protocol"].split(":")[0]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SlicError(
            f"{file}: no scores of `slic evaluate` ({type(error).__name__}: {error}). Run it again."
        ) from error
    for name, wanted in {**row.conditions, "labels": f"{row.dataset}:1"}.items():
        if told.get(name) != wanted:
            raise SlicError(
                f"{file}: its {name} is {told.get(name)!r}, and the paper's number is one of "
                f"{wanted!r}. Run the command of `slic reproduce` again, or move the file away."
            )
    return percent
