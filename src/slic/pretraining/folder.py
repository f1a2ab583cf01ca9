"""The folder of a run: its files, its log, and its lock (see formats.md)."""

import json
import math
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from slic.errors import CheckpointError, FormatError, WriteError
from slic.files import atomic_path, read_json_object, reason_of, write_atomically
from slic.runs import lock_folder, read_log

RUN_FORMAT = 1
"""Version of the files of a run. Raise it when the meaning of one changes (see formats.md)."""


class RunFolder:
    """The files of a run. Used as a context, it is locked against a second writer.

    Args:
        path: The folder.

    Attributes:
        about: Version of the format.
        recipe: All settings of the run.
        checkpoint: Where the run stands.
        encoder: The encoder of a finished run.
        views: Stored views of a run that is not finished.
        log_file: One JSON object per round, step and warning.

    Raises:
        WriteError: On entry, if the folder cannot be written or is in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.about = path / "run.json"
        self.checkpoint = path / "checkpoints" / "last.pt"
        self.encoder = path / "encoder"
        self.views = path / "views"
        self.log_file = path / "log.jsonl"
        self._lock: IO[str] | None = None
        self._log: IO[str] | None = None

    def snapshot(self, step: int) -> Path:
        """Return the folder of the encoder that is kept at a step."""
        return self.path / "snapshots" / f"step-{step:06d}"

    @property
    def has_run(self) -> bool:
        """Whether a run was started in this folder."""
        return self.recipe.exists()

    def start(
        self, set_aside: Mapping[str, str] | None = None, still: Collection[str] = ()
    ) -> None:
        """Note the version of the format, and what was found of the videos, in a new run folder.

        Args:
            set_aside: Reasons by id. A resumed run uses the same, whatever failed since.
            still: Ids of the segments in which nothing moves.
        """
        about: dict[str, object] = {"format": RUN_FORMAT, "set_aside": dict(set_aside or {})}
        if still:
            about["still"] = sorted(still)
        write_atomically(self.about, json.dumps(about).encode() + b"\n")

    def read_set_aside(self) -> dict[str, str]:
        """Return the videos that were set aside when the run began, with their reasons."""
        reasons: dict[str, str] = self._read_about().get("set_aside", {})
        return reasons

    def read_still(self) -> frozenset[str]:
        """Return the ids of the segments in which nothing moved when the run began."""
        return frozenset(map(str, self._read_about().get("still", ())))

    def require_format(self) -> None:
        """Check the version of the format of a run to resume.

        Raises:
            CheckpointError: The file that says so is missing or damaged.
            FormatError: It is another one.
        """
        version = self._read_about().get("format")
        if version != RUN_FORMAT:
            raise FormatError(
                f"{self.path}: a run of format {version!r:.40}, but this package reads "
                f"{RUN_FORMAT}. Start it again in another folder."
            )

    def _read_about(self) -> dict[str, Any]:
        """Return what ``run.json`` tells."""
        try:
            about = read_json_object(self.about)
            for name, kind in (("set_aside", dict), ("still", list)):
                values = about.get(name, kind())
                if not isinstance(values, kind):
                    raise ValueError(f"{name} is no {kind.__name__}")
                texts = values.values() if isinstance(values, dict) else values
                if not all(isinstance(text, str) for text in texts):
                    raise ValueError(f"{name} has a value that is no text")
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{self.about}: not the description of a run ({error}). Start the run again in "
                "another folder."
            ) from error
        return about

    def __enter__(self) -> "RunFolder":
        self._lock = lock_folder(self.path)
        for leftover in self.checkpoint.parent.glob(".*.tmp"):  # left by a kill
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
                with suppress(OSError):  # a full disk was reported when a record was written
                    file.close()

    def log(self, kind: str, **values: object) -> None:
        """Append a record to ``log.jsonl``. JSON has no NaN and infinity; they become null.

        Raises:
            WriteError: The record cannot be written.
        """
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
            raise WriteError(
                f"{self.log_file}: could not be written ({reason_of(error)})."
            ) from error

    def rewind_log(self, *, epoch: int, step: int, mid_epoch: bool) -> None:
        """Drop the records after a checkpoint; a resumed run repeats that work.

        Args:
            epoch: Finished epochs at the checkpoint.
            step: Finished steps at the checkpoint.
            mid_epoch: Whether the checkpoint lies within an epoch.
        """
        records = read_log(self.log_file)
        kept = [
            record
            for record in records
            if _is_before(record, epoch=epoch, step=step if mid_epoch else -1)
        ]
        with atomic_path(self.log_file) as temporary:
            temporary.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")

    def save_clusters(
        self, epoch: int, ids: Sequence[str], labels: Sequence[int], *, vector: str = ""
    ) -> None:
        """Write the pseudo-labels of a round as ``clusters/epoch-0000.jsonl``.

        Where an encoder has several vectors, the name of the file ends with the vector's.
        """
        suffix = f"-{vector}" if vector else ""
        with atomic_path(self.path / "clusters" / f"epoch-{epoch:04d}{suffix}.jsonl") as temporary:
            lines = (
                json.dumps({"video": video, "pseudo_label": int(label)})
                for video, label in zip(ids, labels, strict=True)
            )
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _is_before(record: Mapping[str, Any], *, epoch: int, step: int) -> bool:
    """Return whether a record lies before an epoch, or up to a step in it."""
    at_epoch, at_step = record.get("epoch"), record.get("step")
    if not isinstance(at_epoch, int):
        return False
    return at_epoch < epoch or (isinstance(at_step, int) and at_step <= step)
