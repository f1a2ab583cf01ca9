"""The mean frame finds a copy of a video, and its vectors are cached."""

from pathlib import Path

import pytest

from slic.evaluation import mean_frame
from slic.evaluation.base import LabelledSplit
from slic.evaluation.mean_frame import score_mean_frames
from slic.videos.catalog import Catalog


def test_the_mean_frame_finds_the_copy_of_a_video(
    six_videos: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [video.id for video in six_videos]
    split = LabelledSplit(train=six_videos, train_labels=ids, test=six_videos, test_labels=ids)
    scores = score_mean_frames(split, cache=tmp_path, progress=False)
    assert scores.recall[1] == 1.0
    monkeypatch.setattr(mean_frame, "standardised_mean_frame", None)  # nothing is computed again
    assert score_mean_frames(split, cache=tmp_path, progress=False) == scores
