"""The folder of one classification: what it is, where it stands, and what it has found out."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float64

from slic.clips.augmentation import Augmentation
from slic.embeddings.cache import video_state
from slic.errors import CheckpointError
from slic.evaluation.classification.settings import ClassifierSettings
from slic.files import atomic_path, write_atomically
from slic.runs import lock_folder, read_log
from slic.videos.video import Video

SETTINGS_FILE = "settings.json"
DIGITS = 6  # of a predicted probability, in the file and hence everywhere


class ClassificationFolder:
    """A classification's files; used as a context, it is locked against a second writer.

    Attributes:
        about: ``settings.json``: what was asked for, to tell whether a run to resume is this one.
        checkpoint: Where the training stands.
        encoder: The fine-tuned backbone, an encoder without a head.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about = path / SETTINGS_FILE
        self.checkpoint = path / "checkpoints" / "last.pt"
        self.encoder = path / "encoder"
        self.log_file = path / "log.jsonl"
        self.predictions_file = path / "predictions.jsonl"

    def __enter__(self) -> "ClassificationFolder":
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
        self._lock.close()

    def claim(self, about: Mapping[str, Any], *, resume: bool) -> None:
        """See that the folder is free, or holds the very run to resume.

        Raises:
            CheckpointError: It holds a run and none is to be resumed, another run than this, or
                something else, such as the run of a pretraining.
        """
        now: dict[str, Any] = json.loads(json.dumps(about))  # with lists for tuples, as it is read
        if not self.about.exists():
            if resume:
                raise CheckpointError(
                    f"{self.path}: there is no run to resume; leave --resume out."
                )
            if any(not entry.name.startswith(".") for entry in self.path.iterdir()):
                raise CheckpointError(
                    f"{self.path}: holds files of something else; choose another folder with --out."
                )
            write_atomically(self.about, json.dumps(now, indent=2).encode())
            return
        if not resume:
            raise CheckpointError(
                f"{self.path}: a run is already here; go on with it by --resume, "
                "or start anew with another --out."
            )
        before = read_about(self.about)
        if other := [name for name in now | before if now.get(name) != before.get(name)]:
            raise CheckpointError(
                f"{self.about}: the run to resume has another {other[0]}; "
                "resume without settings of your own, or start anew with another --out."
            )

    def log_epoch(self, epoch: int, **values: float) -> None:
        """Append the record of an epoch to ``log.jsonl``, instead of any that was there."""
        records = [record for record in read_log(self.log_file) if record["epoch"] < epoch]
        records.append({"epoch": epoch, "time": round(time.time(), 3), **values})
        with atomic_path(self.log_file) as temporary:
            temporary.write_text("".join(json.dumps(record) + "\n" for record in records))

    def keep_prediction(self, video: Video, probabilities: Float64[np.ndarray, " k"]) -> None:
        """Append the class probabilities of one video to ``predictions.jsonl``."""
        rounded = [float(f"{p:.{DIGITS}g}") for p in probabilities.tolist()]  # small ones differ
        line = {"video": video.id, "state": video_state(video), "probabilities": rounded}
        try:
            with self.predictions_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise CheckpointError(
                f"{self.predictions_file}: could not be written ({error.strerror})."
            ) from error

    def predictions(self, videos: Iterable[Video]) -> dict[str, list[float]]:
        """Return what is kept of these videos, of files that are as they were; mends the file.

        Gone from it are a last line that a kill cut short, and those of files that changed.
        """
        state = {video.id: video_state(video) for video in videos}
        kept = [
            line
            for line in read_log(self.predictions_file)
            if "state" in line and line["state"] == state.get(line["video"])
        ]
        with atomic_path(self.predictions_file) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        return {line["video"]: line["probabilities"] for line in kept}


def stored_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of the run in a folder as `ClassifierSettings` takes them.

    Raises:
        CheckpointError: There is no run, or its settings are not such.
    """
    path = folder / SETTINGS_FILE
    about = read_about(path)
    try:
        values = {field.name: about[field.name] for field in fields(ClassifierSettings)}
        looks: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values["augmentation"].items()
        }
        return values | {"augmentation": Augmentation(**looks)}
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not the settings of a classification ({error}).") from error


def read_about(path: Path) -> dict[str, Any]:
    """Return what a ``settings.json`` says; raises CheckpointError when it says nothing."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent}: there is no run to resume; leave --resume out."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}).") from error
    if not isinstance(about, dict):
        raise CheckpointError(f"{path}: not the settings of a classification.")
    return about
