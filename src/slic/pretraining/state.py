"""Where a run stands, and the checkpoint that holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from slic.clustering.base import Partitions, PseudoLabels
from slic.errors import CheckpointError
from slic.models.encoder import VideoEncoder
from slic.models.weights import load_exactly
from slic.runs import (
    load_checkpoint,
    refusing_other_content,
    require_counter,
    save_checkpoint,
)

CHECKPOINT_FORMAT = 3
"""Version of a checkpoint. Raise it when the meaning of a field changes (see formats.md)."""
_FIELDS = {
    "epoch", "batch", "step", "pseudo_labels", "encoder", "optimizer", "videos",
    "processes", "skipped_in_a_row", "spread",
}  # fmt: skip


@dataclass
class TrainingState:
    """Where a run stands: its counters and pseudo-labels.

    A checkpoint has these, the weights and the state of the optimizer. It needs no random state,
    because randomness depends on seed and counters only.

    Attributes:
        epochs: Number of epochs of the run.
        epoch: Number of finished epochs.
        batch: Number of finished batches of the current epoch.
        step: Number of finished batches in all.
        pseudo_labels: Those of the last round, in catalog order, by each vector of the embeddings;
            None before the first round.
        skipped_in_a_row: Number of steps up to here that were skipped in a row.
        spread: Spread of the embeddings of the last batch, see `LossTerms`.
    """

    epochs: int
    epoch: int = 0
    batch: int = 0
    step: int = 0
    pseudo_labels: Partitions | None = None
    skipped_in_a_row: int = 0
    spread: float = 1.0

    def remaining_epochs(self) -> range:
        """Return the epochs that are not finished."""
        return range(self.epoch, self.epochs)

    def count_step(self) -> None:
        """Count a finished step."""
        self.batch, self.step = self.batch + 1, self.step + 1

    def count_epoch(self) -> None:
        """Count a finished epoch."""
        self.epoch, self.batch = self.epoch + 1, 0


def videos_digest(ids: Sequence[str]) -> str:
    """Return a short digest of the ids of the training videos."""
    return sha256("\n".join(ids).encode()).hexdigest()[:16]


def save_state(
    path: Path,
    state: TrainingState,
    *,
    encoder: VideoEncoder,
    optimizer: torch.optim.Optimizer,
    ids: Sequence[str],
    processes: int,
) -> None:
    """Write a checkpoint. The former one stays until the new one is complete.

    Args:
        path: The file.
        state: Where the run stands, after its first round.
        encoder: The encoder, with head and running statistics.
        optimizer: The optimizer.
        ids: The training videos.
        processes: Number of processes of the run.

    Raises:
        WriteError: The file cannot be written.
    """
    assert state.pseudo_labels, "checkpoints are written after the first round"
    save_checkpoint(
        {
            "epoch": state.epoch,
            "batch": state.batch,
            "step": state.step,
            "pseudo_labels": {
                name: torch.as_tensor(found.labels) for name, found in state.pseudo_labels.items()
            },
            "encoder": encoder.state_dict(),
            "optimizer": optimizer.state_dict(),
            "videos": videos_digest(ids),
            "processes": processes,
            "skipped_in_a_row": state.skipped_in_a_row,
            "spread": state.spread,
        },
        path,
        version=CHECKPOINT_FORMAT,
    )


def load_state(
    path: Path,
    state: TrainingState,
    *,
    encoder: VideoEncoder,
    optimizer: torch.optim.Optimizer,
    ids: Sequence[str],
) -> int:
    """Read a checkpoint into the state, the encoder and the optimizer of a run.

    Returns:
        Number of processes that wrote it.

    Raises:
        CheckpointError: The file is missing or damaged, or belongs to another set of videos.
        FormatError: The file has another format version.
    """
    saved = load_checkpoint(path, version=CHECKPOINT_FORMAT)
    _check(saved, path, ids=ids)
    with refusing_other_content(path):
        load_exactly(encoder, saved["encoder"], source=path)
        optimizer.load_state_dict(saved["optimizer"])
        state.epoch, state.batch, state.step, state.skipped_in_a_row = (
            require_counter(saved[name]) for name in ("epoch", "batch", "step", "skipped_in_a_row")
        )
        state.pseudo_labels = {
            name: PseudoLabels(_labels(labels, len(ids)))
            for name, labels in saved["pseudo_labels"].items()
        }
        state.spread = float(saved["spread"])
    return _processes(saved, path)


def saved_processes(path: Path) -> int:
    """Return the number of processes that wrote a checkpoint.

    Raises:
        CheckpointError: The file is missing or damaged.
        FormatError: The file has another format version.
    """
    return _processes(load_checkpoint(path, version=CHECKPOINT_FORMAT), path)


def _processes(saved: dict[str, Any], path: Path) -> int:
    with refusing_other_content(path):
        return max(1, require_counter(saved["processes"]))


def _labels(labels: Any, count: int) -> Int64[np.ndarray, " n"]:
    """Return the pseudo-labels of a vector, one for each video."""
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(f"the pseudo-labels are not those of {count} videos")
    return np.asarray(labels.numpy())


def _check(saved: dict[str, Any], path: Path, *, ids: Sequence[str]) -> None:
    """See that a checkpoint is complete and belongs to this run."""
    if missing := _FIELDS - set(saved):
        raise CheckpointError(
            f"{path}: not a checkpoint of a run (no {', '.join(sorted(missing))})."
        )
    if saved["videos"] != videos_digest(ids):
        raise CheckpointError(
            f"{path}: the run was trained on another set of videos than the {len(ids)} found now. "
            "Restore them, or start a new run in another folder."
        )
