"""The linear probe finds the optimum of its objective, and its features are plain means."""

from pathlib import Path

import numpy as np
import pytest
import torch

from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader
from slic.errors import ProtocolError
from slic.evaluation.base import LabelledSplit
from slic.evaluation.classification import LinearProbe, linear_probe
from slic.evaluation.classification.linear_probe import INVERSE_STRENGTHS, fit_logistic_regression
from slic.models.encoder import VideoEncoder, to_input


def blobs(*, each: int, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return overlapping clouds of points of very different scales."""
    rng = np.random.default_rng(seed)
    centres, targets = rng.normal(size=(classes, 5)), np.repeat(np.arange(classes), each)
    x = (centres[targets] + rng.normal(size=(len(targets), 5))) * [1, 100, 1, 0.01, 1] + 7
    return x.astype(np.float32), targets


def test_the_fit_is_where_the_gradient_of_the_objective_vanishes() -> None:
    x, y = blobs(each=30)
    found = fit_logistic_regression(x, y, seed=0)
    z = (x.astype(np.float64) - x.mean(0, dtype=np.float64)) / x.std(0, dtype=np.float64)
    p = found.model.predict_proba(x.astype(np.float64))
    weight = found.model[-1].coef_
    gradient = weight / found.inverse_strength + (p - np.eye(3)[y]).T @ z  # of C * loss + L2 / 2
    assert np.abs(gradient).max() < 1e-3 * np.abs(np.eye(3)[y].T @ z).max()
    assert found.inverse_strength in INVERSE_STRENGTHS
    assert found.folds == 5
    assert "by 5-fold cross-validation on the training split" in str(found)


def test_few_videos_of_a_class_make_fewer_folds() -> None:
    x, y = blobs(each=2)
    assert fit_logistic_regression(x, y, seed=0).folds == 2
    x, y = blobs(each=1)
    alone = fit_logistic_regression(x, y, seed=0)
    assert (alone.folds, alone.inverse_strength) == (0, 1.0)
    assert "not cross-validated" in str(alone)


def test_features_are_the_mean_over_evenly_spaced_clips(
    encoder: VideoEncoder, split: LabelledSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[np.ndarray] = []

    def spy(x: np.ndarray, targets: np.ndarray, *, seed: int) -> object:
        given.append(x)
        return fit_logistic_regression(x, targets, seed=seed)

    monkeypatch.setattr(linear_probe, "fit_logistic_regression", spy)
    before = encoder.fingerprint()
    scores = [
        LinearProbe(clips=3).score(encoder, split, cache=tmp_path, workers=0, progress=False)
        for _ in range(2)
    ]
    assert scores[0] == scores[1]  # the second time from the cache
    assert np.array_equal(given[0], given[1])
    assert encoder.fingerprint() == before
    reader = ClipReader(frames=8, stride=1, size=32)
    dataset = ClipDataset(split.train, reader, clips=3)
    for index, row in enumerate(given[0]):
        with torch.no_grad():
            each = [encoder.features(to_input(clip[None]))[0].numpy() for clip in dataset[index]]
        assert np.abs(row - np.mean(each, axis=0)).max() < 1e-5


def test_the_protocol_says_that_it_is_another(encoder: VideoEncoder, split: LabelledSplit) -> None:
    scores = LinearProbe(clips=2).score(encoder, split, workers=0, progress=False)
    assert scores.protocol.startswith("probe: L2 logistic regression (C = ")
    assert scores.protocol.endswith("another protocol than linear")
    assert scores.videos == 8


def test_at_least_one_clip_is_needed() -> None:
    with pytest.raises(ProtocolError, match="clips is 0, but it must be at least 1"):
        LinearProbe(clips=0)
