"""A run's whole state, written as one file that is whole at any moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from slic.errors import CheckpointError
from slic.runs import load_checkpoint, save_checkpoint


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands. Randomness is stateless, so this is all that a resumed run needs.

    Attributes:
        epoch: The epoch to go on with.
        batch: How many batches of that epoch are done.
        step: How many batches are done in all.
        pseudo_labels: Of the round in force, in catalog order; None before the first round.
        encoder: State dict of the encoder, head and running statistics included.
        optimizer: State dict of the optimizer.
        videos: Digest of the training videos' ids; another set of videos is another run.
        processes: How many processes took part; another number is another run.
        failures: Steps in a row, up to here, that were left out.
        spread: Of the last batch's embeddings; the next round may have to warn of it.
    """

    epoch: int
    batch: int
    step: int
    pseudo_labels: Tensor | None
    encoder: dict[str, Any]
    optimizer: dict[str, Any]
    videos: str
    processes: int
    failures: int = 0
    spread: float = 1.0


def videos_digest(ids: Sequence[str]) -> str:
    """Return a short digest of the list of video ids."""
    return sha256("\n".join(ids).encode()).hexdigest()[:16]


def save_state(state: RunState, path: Path) -> None:
    """Write the state; raises CheckpointError (the old file is kept) when the disk is full."""
    save_checkpoint(vars(state), path)


def load_state(path: Path, *, ids: Sequence[str], processes: int) -> RunState:
    """Read a state and check that it belongs to these videos and this number of processes."""
    try:
        state = RunState(**load_checkpoint(path))
    except TypeError as error:
        raise CheckpointError(f"{path}: not a checkpoint of a run ({error}).") from error
    if state.videos != videos_digest(ids):
        raise CheckpointError(
            f"{path}: the run was trained on another set of videos than the {len(ids)} found now; "
            "restore them, or start anew with another --out."
        )
    if state.processes != processes:
        raise CheckpointError(
            f"{path}: the run used {state.processes} processes, not {processes}; "
            "resume it with the same number, so that it stays the same run."
        )
    return state
