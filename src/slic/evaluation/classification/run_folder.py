"""The folder of a classification run: settings, checkpoint, log and predictions."""

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from jaxtyping import Float64

from slic.embeddings.cache import video_state
from slic.errors import CheckpointError, FormatError, WriteError
from slic.files import read_json_object, reason_of, write_atomically
from slic.runs import lock_folder, read_log
from slic.videos.video import Video

CLASSIFICATION_RUN_FORMAT = 1
PROBABILITY_DIGITS = 6  # significant ones; more make the file larger and no decision better


class ClassificationFolder:
    """The files of a classification run. As a context, the folder is locked for one writer.

    Attributes:
        path: The folder.
        settings_file: ``settings.json``: the settings of the run, to check a resumed run against.
        checkpoint: The state of the training.
        encoder: The fine-tuned backbone, an encoder without a head.
        log_file: ``log.jsonl``: one record per epoch.
        predictions_file: ``predictions.jsonl``: one record per test video.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "settings.json"
        self.checkpoint = path / "checkpoints" / "last.pt"
        self.encoder = path / "encoder"
        self.log_file = path / "log.jsonl"
        self.predictions_file = path / "predictions.jsonl"

    def __enter__(self) -> "ClassificationFolder":
        self._lock = lock_folder(self.path)
        for leftover in self.checkpoint.parent.glob(".*.tmp"):  # of a run killed while saving
            leftover.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def start_or_resume(self, settings: Mapping[str, Any], *, resume: bool) -> None:
        """Write the settings of a new run, or check that they are those of the run to resume.

        Raises:
            CheckpointError: The folder holds a run although none is to be resumed, holds a run with
                other settings, holds no run to resume, or holds files of something else.
            FormatError: The run is of another version of the format.
        """
        as_json = json.dumps({"format": CLASSIFICATION_RUN_FORMAT, **settings}, indent=2)
        wanted: dict[str, Any] = json.loads(as_json)  # JSON has lists for tuples
        if resume:
            stored = self.read_settings()
            if other := [k for k in wanted | stored if wanted.get(k) != stored.get(k)]:
                raise CheckpointError(
                    f"{self.settings_file}: the run to resume has another {other[0]}. Resume it "
                    "with its own settings, or start a new run in another folder."
                )
            return
        if self.settings_file.exists():
            raise CheckpointError(
                f"{self.path}: there is a run already. Resume it, or choose another folder."
            )
        if any(not entry.name.startswith(".") for entry in self.path.iterdir()):
            raise CheckpointError(
                f"{self.path}: the folder holds other files; choose another folder."
            )
        write_atomically(self.settings_file, as_json.encode())

    def read_settings(self) -> dict[str, Any]:
        """Return the contents of ``settings.json``.

        Raises:
            CheckpointError: There is no run, or the file cannot be read.
            FormatError: The run is of another version of the format.
        """
        try:
            settings = read_json_object(self.settings_file)
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{self.path}: there is no run to resume; start a new one."
            ) from error
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.settings_file}: cannot be read ({error}).") from error
        version = settings.get("format")
        if version != CLASSIFICATION_RUN_FORMAT:
            raise FormatError(
                f"{self.settings_file}: not a classification run of format "
                f"{CLASSIFICATION_RUN_FORMAT} (found {version!r:.40}). "
                "Train again in another folder with `slic evaluate finetune` or `linear`."
            )
        return _completed(settings)

    def log_epoch(self, epoch: int, **values: float) -> None:
        """Append the record of an epoch to ``log.jsonl``; it replaces those from there on."""
        records = [r for r in read_log(self.log_file) if _is_before(r.get("epoch"), epoch)]
        records.append({"epoch": epoch, "time": round(time.time(), 3), **values})
        _write_records(self.log_file, records)

    def add_prediction(self, video: Video, probabilities: Float64[np.ndarray, " k"]) -> None:
        """Append the class probabilities of a video to ``predictions.jsonl``.

        Raises:
            WriteError: The file cannot be written.
        """
        rounded = [float(f"{p:.{PROBABILITY_DIGITS}g}") for p in probabilities.tolist()]
        line: dict[str, Any]
        line = {"video": video.id, "state": video_state(video), "probabilities": rounded}
        line["check"] = _checksum(line)
        try:
            with self.predictions_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise WriteError(
                f"{self.predictions_file}: could not be written ({reason_of(error)})."
            ) from error

    def read_predictions(self, videos: Iterable[Video]) -> dict[str, list[float]]:
        """Return the stored probabilities by video id, and remove outdated lines from the file.

        A line is outdated if its file has changed since, if a kill cut the line short, or if its
        checksum shows damage.
        """
        state = {video.id: video_state(video) for video in videos}
        kept = [
            line
            for line in read_log(self.predictions_file)
            if line.get("check") == _checksum(line) and line["state"] == state.get(line["video"])
        ]
        _write_records(self.predictions_file, kept)
        return {line["video"]: line["probabilities"] for line in kept}


def _is_before(logged: object, epoch: int) -> bool:
    return isinstance(logged, int) and logged < epoch


def _checksum(line: Mapping[str, Any]) -> int:
    """Return a CRC-32 of a prediction."""
    content = [line.get(name) for name in ("video", "state", "probabilities")]
    return crc32(json.dumps(content).encode())


def _completed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run, with those that had one value and were not stored before."""
    augmentation = settings.get("augmentation")
    if not isinstance(augmentation, dict):
        return dict(settings)
    augmentation = {"crop_from": "resized", "blur_kernel": None} | augmentation
    return {"test_aspect": "4:3", **settings, "augmentation": augmentation}


def _write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    write_atomically(path, "".join(json.dumps(record) + "\n" for record in records).encode())
