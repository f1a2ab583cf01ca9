"""A run folder has one run of one format, one log and the predictions of unchanged files."""

import json
from pathlib import Path

import numpy as np
import pytest

from slic.errors import CheckpointError, FormatError, WriteError
from slic.evaluation.classification import ClassificationTask
from slic.evaluation.classification.run_folder import ClassificationFolder
from slic.runs import read_log


def test_settings_carry_their_format_and_another_format_is_refused(tmp_path: Path) -> None:
    with ClassificationFolder(tmp_path) as folder:
        folder.start_or_resume({"epochs": 3, "classes": ("a", "b")}, resume=False)
        settings = {"format": 1, "epochs": 3, "classes": ["a", "b"]}
        assert folder.read_settings() == settings
        folder.start_or_resume({"epochs": 3, "classes": ("a", "b")}, resume=True)
        with pytest.raises(CheckpointError, match="has another epochs"):
            folder.start_or_resume({"epochs": 4, "classes": ("a", "b")}, resume=True)
        folder.settings_file.write_text(json.dumps(settings | {"format": 2}))
        with pytest.raises(FormatError, match=r"of format 1 \(found 2\)"):
            folder.start_or_resume({"epochs": 3}, resume=True)


def test_an_epoch_that_is_trained_again_is_logged_once(tmp_path: Path) -> None:
    with ClassificationFolder(tmp_path) as folder:
        for epoch, loss in ((0, 3.0), (1, 2.0), (1, 1.0)):
            folder.log_epoch(epoch, loss=loss)
    records = read_log(tmp_path / "log.jsonl")
    assert [(record["epoch"], record["loss"]) for record in records] == [(0, 3.0), (1, 1.0)]


def test_small_probabilities_keep_their_order(task: ClassificationTask, tmp_path: Path) -> None:
    video = task.test[0]
    with ClassificationFolder(tmp_path) as folder:
        folder.add_prediction(video, np.array([1 - 3e-9, 1e-9, 2e-9]))
        _, second, third = folder.read_predictions([video])[video.id]
    assert (second, third) == (1e-9, 2e-9)


def test_a_prediction_that_cannot_be_written_is_an_error(
    task: ClassificationTask, tmp_path: Path
) -> None:
    with ClassificationFolder(tmp_path) as folder:
        folder.predictions_file.mkdir()
        with pytest.raises(WriteError, match=r"predictions.jsonl: could not be written \(is a dir"):
            folder.add_prediction(task.test[0], np.array([0.5, 0.5]))
