"""A classified video has a label, and segments that cover it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slic.models.encoder import VideoEncoder
from slic.search import (
    MomentClassifier,
    VideoPrediction,
    classify_videos,
    create_index,
    set_label,
    update_index,
)
from slic.search.classifier import Prediction
from slic.search.classifying import _summarise
from slic.videos.catalog import Catalog
from slic.videos.video import Refused


def test_a_video_is_classified_and_a_broken_one_refused(
    tmp_path: Path, encoder: VideoEncoder, make_video: Callable[..., Path]
) -> None:
    make_video(tmp_path / "videos" / "a.mp4", frames=120, size=(64, 48))
    catalog = Catalog.from_folder(tmp_path / "videos", workers=1, cache=False, progress=False)
    index = create_index(tmp_path / "index", encoder, window_seconds=1.0, stride_seconds=1.0)
    update_index(index, catalog, workers=0, progress=False)
    ids = index.ids().tolist()
    set_label(index, ids[:2], "start")
    set_label(index, ids[2:], "end")
    videos = [*catalog, *[replace(video, frames=999, timeline=b"", id="b") for video in catalog]]
    prediction, refused = classify_videos(
        index, MomentClassifier.from_index(index), videos, workers=0, progress=False
    )
    assert isinstance(refused, Refused)
    assert isinstance(prediction, VideoPrediction)
    assert prediction.path == "a.mp4"
    assert prediction.segments[0].start_seconds == 0.0
    assert prediction.segments[-1].end_seconds == pytest.approx(4.8)
    labels = {segment.label for segment in prediction.segments}
    assert labels <= {"start", "end", None}
    assert prediction.label in labels


def test_moments_of_one_label_are_one_segment() -> None:
    seconds = [(float(start), start + 2.0) for start in range(5)]
    labels = [("wave", 0.9), ("wave", 0.7), (None, 0.4), ("kick", 0.6), ("wave", 0.5)]
    prediction = _summarise(
        "a", seconds, [Prediction(name, c, 0.5, name or "x") for name, c in labels]
    )
    assert prediction.label == "wave"
    assert prediction.confidence == pytest.approx(0.7)
    found = [(s.start_seconds, s.end_seconds, s.label, s.confidence) for s in prediction.segments]
    assert found == [
        (0.0, 3.0, "wave", pytest.approx(0.8)),
        (2.0, 4.0, None, 0.4),
        (3.0, 5.0, "kick", 0.6),
        (4.0, 6.0, "wave", 0.5),
    ]
