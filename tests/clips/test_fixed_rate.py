"""Frames at a fixed rate are those that a plain loop over presentation times finds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.clips.clip_dataset import ClipDataset
from slic.clips.fixed_rate import frame_count, frame_edges, to_video_frames
from slic.clips.reader import ClipReader
from slic.clips.spans import evenly_spaced_spans, sliding_spans
from slic.clips.windows import window_loader
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames
from slic.videos.video import Video

TOLERANCE = 1e-6


class TimedVideo(Video):
    """A video with given presentation times, without a file."""

    given: tuple[float, ...] = ()

    @property
    def edge_seconds(self) -> np.ndarray:
        """The given times."""
        return np.array(self.given)


def timed_video(edges: list[float]) -> Video:
    video = TimedVideo(id="a", path=Path("a"), frames=len(edges) - 1, fps=25.0, width=64, height=48)
    object.__setattr__(video, "given", tuple(edges))
    return video


def slow_frames(edges: list[float], fps: float) -> list[int]:
    """Return the frame on display at every time of the rate, until the video ends."""
    frames, k = [], 0
    while k == 0 or k / fps < edges[-1] - edges[0] - TOLERANCE:
        now = edges[0] + k / fps + TOLERANCE
        frames.append(max(i for i, start in enumerate(edges[:-1]) if start <= now))
        k += 1
    return frames


@given(
    steps=st.lists(
        st.sampled_from([0.01, 1 / 60, 1 / 30, 0.04, 0.1, 0.7]), min_size=1, max_size=80
    ),
    start=st.sampled_from([0.0, 1.48]),
    fps=st.sampled_from([0.3, 8.0, 25.0, 30000 / 1001, 50.0]),
)
def test_frames_are_those_on_display(steps: list[float], start: float, fps: float) -> None:
    edges = (start + np.cumsum([0.0, *steps])).tolist()
    video = timed_video(edges)
    expected = slow_frames(edges, fps)
    assert frame_count(video, fps) == len(expected)
    indices = np.arange(len(expected) + 5)
    found = to_video_frames(video, indices, fps).tolist()
    assert found[: len(expected)] == expected
    assert found[-1] == len(edges) - 2  # past the end it is the last frame
    assert np.diff(frame_edges(video, fps)) == pytest.approx(1 / fps)
    assert len(frame_edges(video, fps)) == len(expected) + 1
    assert frame_edges(video, fps)[0] == start


@pytest.mark.parametrize("fps", [24.0, 25.0, 30000 / 1001, 50.0])
def test_the_rate_of_a_video_takes_every_frame_once(fps: float) -> None:
    video = timed_video((np.arange(1001) / fps).tolist())
    assert frame_count(video, fps) == 1000
    assert to_video_frames(video, np.arange(1000), fps).tolist() == list(range(1000))


def test_half_the_rate_takes_every_second_frame_and_none_takes_all() -> None:
    video = timed_video((np.arange(101) / 60).tolist())
    spans = np.array([[0, 1, 2], [3, 4, 5]])
    assert to_video_frames(video, spans, 30.0).tolist() == [[0, 2, 4], [6, 8, 10]]
    assert to_video_frames(video, spans, None) is spans
    assert frame_count(video, None) == 100
    assert np.array_equal(frame_edges(video, None), video.edge_seconds)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Catalog:
    """Return the same 2 s at 25 and at 50 frames per second, and a video shorter than a clip."""
    folder = tmp_path_factory.mktemp("rates")
    make_video(folder / "25.mp4", frames=50, size=(64, 48), fps=25)
    make_video(folder / "50.mp4", frames=100, size=(64, 48), fps=50)
    make_video(folder / "short.mp4", frames=3, size=(64, 48), fps=25)
    return Catalog.from_folder(folder, progress=False)


def test_evenly_spaced_clips_and_windows_are_cut_at_the_rate(catalog: Catalog) -> None:
    reader = ClipReader(frames=4, stride=1, fps=12.5, size=32)
    dataset = ClipDataset(catalog, reader, clips=3)
    loader = window_loader(
        catalog,
        lambda total: sliding_spans(total, frames=4, stride=1),
        size=reader.frame_size,
        windows_per_batch=100,
        fps=12.5,
        workers=0,
    )
    for position, (video, windows) in enumerate(zip(catalog, loader, strict=True)):
        total = len(slow := slow_frames(video.edge_seconds.tolist(), 12.5))
        padded = np.array(slow + [video.frames - 1] * 4)
        spans = evenly_spaced_spans(total, 3, frames=4, stride=1)
        size = reader.frame_size(video)
        expected = [read_frames(video, padded[span], size=size) for span in spans]
        centred = [reader.centred(frames, "rgb") for frames in expected]
        assert np.array_equal(dataset[position].numpy(), np.stack(centred))
        spans = sliding_spans(total, frames=4, stride=1)
        for window, span in zip(windows.clips.numpy(), spans, strict=True):
            assert np.array_equal(window, read_frames(video, padded[span], size=size))
