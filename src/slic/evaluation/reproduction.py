"""The paper's published numbers: the commands that reproduce them, and our runs beside them.

Khorasgani, Chen and Shkurti, *SLIC*, CVPR 2022 (arXiv 2206.12534). Only the four numbers whose
protocol the paper names are quoted. The other rows have their commands, and our numbers alone.
"""

import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from slic.arguments import one_line
from slic.errors import ProtocolError, SlicError
from slic.files import read_json_object

PaperTable = Literal["retrieval", "classification", "kinetics"]
NOT_QUOTED = "not quoted"


@dataclass(frozen=True)
class PretrainingSet:
    """What the runs of a table are pretrained on.

    Attributes:
        dataset: Name of the data set.
        labels: Source of the labels that name its training split.
        recipe: Name of the recipe.
        runs: Folder of a run, without the number of its seed.
    """

    dataset: Literal["ucf101", "kinetics400"]
    labels: str
    recipe: str
    runs: str


_ON_UCF101 = PretrainingSet("ucf101", "ucf101:1", "paper-ucf101", "seed")
PRETRAINING_SETS: dict[PaperTable, PretrainingSet] = {
    "retrieval": _ON_UCF101,
    "classification": _ON_UCF101,
    "kinetics": PretrainingSet(
        "kinetics400", "kinetics400", "paper-kinetics400", "kinetics400-seed"
    ),
}


@dataclass(frozen=True)
class PaperRow:
    """One number of a table of the paper, and where a run of ours leaves the same number.

    Attributes:
        dataset: Name of the data set of the test, as in a source of labels.
        name: What was measured.
        percent: The published value, in percent; None if we do not quote it.
        kind: The name after ``slic evaluate``.
        protocol: The conditions in words.
        conditions: What a file of scores must contain to be comparable.
    """

    dataset: Literal["ucf101", "hmdb51"]
    name: str
    percent: float | None
    kind: Literal["retrieval", "finetune", "linear"]
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
        published = NOT_QUOTED if self.percent is None else f"{self.percent:.1f}"
        return (self.name, published, ours, str(n), self.protocol)


_retrieval_row = partial(
    PaperRow,
    kind="retrieval",
    protocol="protocol `paper`: head output, 10 clips, cosine, any match, test among train",
    conditions={"protocol": "paper", "splits": "queries test, gallery train"},
)
_AFTER_TRAINING = {
    "from_scratch": False,
    "splits": "train train, test test",
    "epochs": 150,
    "test_aspect": "kept",  # older runs had another augmentation, too
}
_finetune_row = partial(
    PaperRow,
    kind="finetune",
    protocol="150 epochs, Adam, all weights; ten-crop over half-overlapping windows",
    conditions={"protocol": "finetune", **_AFTER_TRAINING},
)
_linear_row = partial(
    PaperRow,
    percent=None,
    kind="linear",
    protocol="150 epochs, Adam, linear layer; ten-crop over half-overlapping windows",
    conditions={"protocol": "linear", **_AFTER_TRAINING},
)
_LINEAR_ROWS = (
    _linear_row("ucf101", "UCF101 split 1, linear top-1"),
    _linear_row("hmdb51", "HMDB51 split 1, linear top-1"),
)
PAPER_TABLES: dict[PaperTable, tuple[PaperRow, ...]] = {
    "retrieval": (
        _retrieval_row("ucf101", "UCF101 split 1, R@1", 71.6),
        _retrieval_row("hmdb51", "HMDB51 split 1, R@1, without training on it", 28.9),
    ),
    "classification": (
        _finetune_row("ucf101", "UCF101 split 1, fine-tuned top-1", 83.2),
        _finetune_row("hmdb51", "HMDB51 split 1, fine-tuned top-1", 54.5),
        *_LINEAR_ROWS,
    ),
    "kinetics": (
        _finetune_row("ucf101", "UCF101 split 1, fine-tuned top-1", None),
        _finetune_row("hmdb51", "HMDB51 split 1, fine-tuned top-1", None),
        *_LINEAR_ROWS,
    ),
}


def reproduction_commands(
    table: PaperTable, *, roots: Mapping[str, str], runs: str, seeds: Iterable[int]
) -> list[str]:
    """Return the commands that reproduce a table, in the order to run them.

    Args:
        table: A key of `PAPER_TABLES`.
        roots: Folder of each data set: ``ucf101``, ``hmdb51`` and ``kinetics400``.
        runs: Folder of the runs; `reproduced_rows` reads the numbers from there.
        seeds: Seeds of the runs.
    """
    on, rows = PRETRAINING_SETS[table], PAPER_TABLES[table]
    videos, recipe = roots[on.dataset], ("--recipe", on.recipe)
    datasets = dict.fromkeys((on.dataset, *(row.dataset for row in rows)))
    lines = [_command_line("data", "check", name, roots[name]) for name in datasets]
    lines += [_command_line("prepare", videos, "--flow", *recipe)]
    for seed in seeds:
        run = f"{runs}/{on.runs}{seed}"
        words = ("--labels", on.labels, "--split", "train", *recipe, f"--train.seed={seed}")
        lines += [_command_line("pretrain", videos, *words, "--out", run)]
        lines += [_evaluation_command(row, roots[row.dataset], run, seed) for row in rows]
    return lines


def reproduced_rows(table: PaperTable, runs: Path) -> list[tuple[str, ...]]:
    """Return the published numbers beside those of the runs.

    Args:
        table: A key of `PAPER_TABLES`.
        runs: Folder of the runs ``seed0``, ``seed1`` and so on; of the table of Kinetics,
            ``kinetics400-seed0`` and so on.

    Returns:
        Rows of a table; see `PaperRow.table_row`.

    Raises:
        ProtocolError: A file of scores comes from other conditions than the paper's.
        SlicError: A file of scores cannot be read.
    """
    return [
        row.table_row([_read_percent(file, row) for file in scores_files(table, runs, row)])
        for row in PAPER_TABLES[table]
    ]


def scores_files(table: PaperTable, runs: Path, row: PaperRow) -> list[Path]:
    """Return the files of scores of a row, one for each run that has it."""
    return sorted(runs.glob(f"{PRETRAINING_SETS[table].runs}*/{row.scores_file}"))


def markdown_table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    """Return rows as a Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _evaluation_command(row: PaperRow, root: str, run: str, seed: int) -> str:
    words = ["evaluate", row.kind, root, "--labels", f"{row.dataset}:1"]
    words += ["--encoder", f"{run}/encoder", "--json", f"{run}/{row.scores_file}"]
    if row.kind != "retrieval":
        words += ["--out", f"{run}/{row.kind}-{row.dataset}", "--seed", str(seed)]
    return _command_line(*words)


def _command_line(*words: str) -> str:
    return shlex.join(("slic", *words))


def _read_percent(file: Path, row: PaperRow) -> float:
    try:
        scores = read_json_object(file)
        share = scores["recall"]["1"] if "recall" in scores else scores["top_1"]
        percent = 100 * float(share)
        if not 0 <= percent <= 100:
            raise ValueError(f"a share of {share!r:.40}")
        protocol = scores["protocol"].split(":")[0]
        found = scores | scores.get("settings", {}) | {"protocol": protocol}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        reason = one_line(error)[:200]
        raise SlicError(
            f"{file}: no scores of `slic evaluate` ({type(error).__name__}: {reason}). Run it "
            "again."
        ) from error
    for name, wanted in {**row.conditions, "labels": f"{row.dataset}:1"}.items():
        if found.get(name) != wanted:
            raise ProtocolError(
                f"{file}: its {name} is {found.get(name)!r:.200}, but the paper's number needs "
                f"{wanted!r}. Run the command of `slic reproduce` again, or move the file away."
            )
    return percent
