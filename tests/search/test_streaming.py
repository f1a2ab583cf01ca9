"""What is streamed is what reading every clip on its own gives, once and in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from slic.clips import windows as clip_windows
from slic.clips.reader import ClipReader
from slic.models.backbones import ClipSpec
from slic.models.backbones.base import Resize
from slic.search.moments import video_windows
from slic.search.streaming import EmbeddingJob, moment_loader, read_moments
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

SHAPE = ClipSpec(frames=4, stride=2, size=32)


def job(video: Video, *, numbers: Sequence[int] | None = None) -> EmbeddingJob:
    cut = partial(video_windows, video, SHAPE, window_seconds=1.0, stride_seconds=0.4)
    return EmbeddingJob(
        1, video, cut, np.array(numbers if numbers is not None else range(len(cut().seconds)))
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Video:
    path = make_video(tmp_path_factory.mktemp("streamed") / "a.mp4", frames=90, size=(64, 48))
    return inspect_video(path, "a.mp4")


@pytest.mark.parametrize(
    ("numbers", "resize"), [(None, None), ([1], None), ([0, 3, 7], None), (None, 40)]
)
def test_streamed_clips_are_those_read_one_by_one(
    video: Video, numbers: Sequence[int] | None, resize: Resize
) -> None:
    wanted = job(video, numbers=numbers)
    reader = ClipReader(frames=4, stride=2, size=32, resize=resize)
    windows = wanted.windows()
    streamed = list(read_moments(wanted, replace(SHAPE, resize=resize)))
    assert [moment.number for moment in streamed] == wanted.numbers.tolist()
    assert [moment.last for moment in streamed] == [False] * (len(streamed) - 1) + [True]
    so_far = np.empty((0, 4, 32, 32, 3), np.uint8)
    for moment in streamed:
        so_far = np.concatenate([so_far, moment.clips.numpy()])
        spans = windows.spans[windows.first[moment.number] : windows.end[moment.number]]
        slow = [reader.centred(reader.read(video, [span])[0], "rgb") for span in spans]
        covered = so_far[len(so_far) - len(moment.weights) :]
        assert np.array_equal(covered, np.stack(slow))
        assert moment.seconds == tuple(windows.seconds[moment.number].tolist())
        assert moment.weights.tolist() == windows.weights[moment.number].tolist()
    covers = [range(windows.first[n], windows.end[n]) for n in wanted.numbers]
    assert len(so_far) == len(set().union(*covers))  # each clip once


def test_a_video_shorter_than_a_clip_repeats_its_last_frame(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    short = inspect_video(make_video(tmp_path / "short.mp4", frames=3, size=(64, 48)), "short.mp4")
    (moment,) = read_moments(job(short), SHAPE)
    assert (moment.number, moment.clips.shape) == (0, (1, 4, 32, 32, 3))
    assert (moment.clips[0, 1] == moment.clips[0, 3]).all()


def test_only_the_frames_of_one_window_are_held(
    video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = 0

    def counted(_: Video, places: Sequence[int], *, size: tuple[int, int]) -> Iterator[object]:
        nonlocal given
        for count in range(1, len(places) + 1):
            given = count
            yield np.zeros((size[1], size[0], 3), np.uint8)

    monkeypatch.setattr(clip_windows, "stream_frames", counted)
    long = replace(video, frames=3000, timeline=b"")
    work = job(long)
    windows = work.windows()
    for moment in read_moments(work, SHAPE):
        assert given <= windows.spans[windows.end[moment.number] - 1, -1] + 1


def test_workers_share_the_videos_and_name_the_one_that_breaks_off(video: Video) -> None:
    broken = replace(video, id="b.mp4", frames=200, timeline=b"")  # says more frames than there are
    jobs = [job(video), job(broken), job(replace(video, id="c.mp4"), numbers=[2])]
    for workers in (0, 2):
        items = list(moment_loader(jobs, SHAPE, workers=workers))
        got = sorted((item.job, item.number) for item in items if not item.problem)
        assert [number for j, number in got if j == 0] == jobs[0].numbers.tolist()
        assert [number for j, number in got if j == 2] == [2]
        assert [number for j, number in got if j == 1] == list(
            range(len(got) - len(jobs[0].numbers) - 1)
        )
        (problem,) = [item for item in items if item.problem]
        assert problem.job == 1
        assert "does not decode" in problem.problem
