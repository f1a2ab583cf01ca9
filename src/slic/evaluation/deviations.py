"""What makes a run of ours another one than the paper's: its settings, and absent videos."""

import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from slic.arguments import one_line
from slic.errors import SlicError
from slic.evaluation.reproduction import (
    PAPER_TABLES,
    PRETRAINING_SETS,
    PaperRow,
    PaperTable,
    scores_files,
)
from slic.files import read_json_object, read_yaml_mapping
from slic.recipe import load_recipe

WITHOUT_INFLUENCE = frozenset(
    {"train.seed", "train.workers", "train.precision", "train.snapshot_every_epochs", "flow.folder"}
)
"""Settings in which a run may differ from its recipe and still be the paper's."""


def deviations(table: PaperTable, runs: Path) -> dict[str, list[str]]:
    """Return what was not as in the paper, in lines, by the name of the row.

    Args:
        table: A key of `PAPER_TABLES`.
        runs: Folder of the runs, as for `slic.evaluation.reproduction.reproduced_rows`.
    """
    found = {row.name: list(_of_row(table, runs, row)) for row in PAPER_TABLES[table]}
    return {name: lines for name, lines in found.items() if lines}


def _of_row(table: PaperTable, runs: Path, row: PaperRow) -> Iterator[str]:
    recipe = PRETRAINING_SETS[table].recipe
    for file in scores_files(table, runs, row):
        if settings := other_settings(file.parent, recipe):
            yield f"{file.parent} is not a run of the recipe {recipe}: {settings}"
        if absent := _absent_videos(file):
            yield f"{file}: {absent:,} listed videos were absent."


def _absent_videos(scores: Path) -> int:
    try:
        return operator.index(read_json_object(scores).get("absent_videos") or 0)
    except (OSError, ValueError, TypeError) as error:
        raise SlicError(f"{scores}: no scores of `slic evaluate` ({one_line(error)}).") from error


def other_settings(run: Path, recipe: str) -> str:
    """Return in words how the settings of a run differ from a recipe; empty if they do not."""
    try:
        ours = _flat(read_yaml_mapping(run / "recipe.yaml"))
    except (OSError, ValueError, SlicError):
        return "it has no recipe.yaml that can be read."
    theirs = _flat(load_recipe(recipe).to_dict())
    names = [name for name in theirs | ours if ours.get(name) != theirs.get(name)]
    texts = [
        f"{name} is {ours.get(name)}, not {theirs.get(name)}"
        for name in names
        if name not in WITHOUT_INFLUENCE
    ]
    return f"{'; '.join(texts)}." if texts else ""


def _flat(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by names such as ``train.epochs``."""
    flat: dict[str, Any] = {}
    for section, values in sections.items():
        inner = values if isinstance(values, Mapping) else {None: values}
        flat |= {f"{section}.{key}" if key else section: value for key, value in inner.items()}
    return flat
