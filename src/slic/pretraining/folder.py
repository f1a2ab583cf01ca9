"""The folder of one run: who may write to it, its log, and where its files lie."""

import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from slic.errors import CheckpointError
from slic.files import atomic_path
from slic.runs import lock_folder, read_log


class RunFolder:
    """A run's files; used as a context, it is locked against a second writer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.catalog = path / "catalog.txt"
        self.checkpoint = path / "checkpoints" / "last.pt"
        self.encoder = path / "encoder"
        self.log_file = path / "log.jsonl"
        self._lock: IO[str] | None = None
        self._log: IO[str] | None = None

    def snapshot(self, step: int) -> Path:
        """Return the folder of the encoder kept after so many steps."""
        return self.path / "snapshots" / f"step-{step:06d}"

    @property
    def has_run(self) -> bool:
        """Whether a run was started here."""
        return self.recipe.exists()

    def __enter__(self) -> "RunFolder":
        self._lock = lock_folder(self.path)
        for leftover in self.checkpoint.parent.glob(".*.tmp"):  # of a run killed while saving
            leftover.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in (self._log, self._lock):
            if file:
                with suppress(OSError):  # a full disk was named when a line could not be written
                    file.close()

    def log(self, kind: str, **values: object) -> None:
        """Append one record to ``log.jsonl``; a number that is not finite is null, as in JSON."""
        finite = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
        record = json.dumps({"kind": kind, "time": round(time.time(), 3), **finite})
        try:
            if self._log is None:
                self._log = self.log_file.open("a", encoding="utf-8", buffering=1)
            self._log.write(record + "\n")
        except OSError as error:
            raise CheckpointError(
                f"{self.log_file}: could not be written ({error.strerror})."
            ) from error

    def rewind_log(self, *, epoch: int, step: int, mid_epoch: bool) -> None:
        """Drop the records of work that a resumed run is going to do again."""
        records = read_log(self.log_file)
        kept = [
            record
            for record in records
            if record["epoch"] < epoch or (mid_epoch and record["step"] <= step)
        ]
        with atomic_path(self.log_file) as temporary:
            temporary.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")

    def save_clusters(self, epoch: int, ids: Sequence[str], labels: Sequence[int]) -> None:
        """Write the pseudo-labels of a round as ``clusters/epoch-0000.jsonl``."""
        with atomic_path(self.path / "clusters" / f"epoch-{epoch:04d}.jsonl") as temporary:
            lines = (
                json.dumps({"video": video, "pseudo_label": int(label)})
                for video, label in zip(ids, labels, strict=True)
            )
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
