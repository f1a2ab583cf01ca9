"""The ten-crop test against plain loops over its definition: windows, crops, softmax, mean."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slic.clips import windows as clip_windows
from slic.clips.spans import half_overlapping_spans
from slic.clips.windows import WindowBatch, stream_clips, window_loader
from slic.evaluation.classification import ClassificationTask
from slic.evaluation.classification.classifier import VideoClassifier
from slic.evaluation.classification.run_folder import ClassificationFolder
from slic.evaluation.classification.ten_crop import (
    FrameAspect,
    five_crop_corners,
    predict_videos,
    ten_crop_frame_size,
    ten_crops,
)
from slic.models.encoder import VideoEncoder
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames, stream_frames
from slic.videos.video import Video

CPU = torch.device("cpu")


@given(st.integers(4, 9), st.integers(0, 5), st.integers(0, 5))
def test_ten_crops_are_plain_slices_and_their_mirrors(size: int, more: int, wider: int) -> None:
    height, width = size + more, size + wider
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, height, width, 3), dtype=np.uint8)
    crops = ten_crops(torch.from_numpy(clips), size=size).numpy()
    assert crops.shape == (2, 10, 3, size, size, 3)
    for b in range(2):
        slices = [
            clips[b, :, :size, :size],
            clips[b, :, :size, width - size :],
            clips[b, :, height - size :, :size],
            clips[b, :, height - size :, width - size :],
            clips[b, :, more // 2 : more // 2 + size, wider // 2 : wider // 2 + size],
        ]
        for place, expected in enumerate(slices):
            assert np.array_equal(crops[b, place], expected)
            assert np.array_equal(crops[b, 5 + place], expected[:, :, ::-1])


@pytest.mark.parametrize(
    ("video", "size", "kept", "squeezed"),
    [
        ((360, 640), 224, (256, 455), (341, 256)),
        ((320, 240), 224, (341, 256), (341, 256)),  # UCF101
        ((320, 240), 128, (194, 146), (195, 146)),
        ((560, 240), 128, (340, 146), (195, 146)),  # HMDB51 has such
    ],
)
def test_frames_leave_a_border_of_a_seventh_and_keep_the_shape_of_the_video(
    video: tuple[int, int], size: int, kept: tuple[int, int], squeezed: tuple[int, int]
) -> None:
    width, height = video
    film = Video(id="a.mp4", path=Path("a.mp4"), frames=9, fps=25.0, width=width, height=height)
    assert ten_crop_frame_size(film, size=size, resize=None) == kept
    assert ten_crop_frame_size(film, size=size, resize=None, aspect="4:3") == squeezed
    assert ten_crop_frame_size(film, size=224, resize=(256, 256)) == (256, 256)


def test_crops_lie_at_the_corners_and_in_the_middle() -> None:
    corners = five_crop_corners(width=195, height=146, size=128)
    assert corners == [(0, 0), (67, 0), (0, 18), (67, 18), (33, 9)]


def test_a_crop_larger_than_the_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="a crop of 9 pixels in frames of 8x9"):
        five_crop_corners(width=8, height=9, size=9)


def slow_windows(total: int, *, frames: int, stride: int) -> list[list[int]]:
    """Return the windows of a video, one after another, half a window on, and one at the end."""
    windows, start = [], 0
    step = max(1, frames // 2) * stride
    while start + (frames - 1) * stride < total:
        windows.append([start + i * stride for i in range(frames)])
        start += step
    if not windows:
        return [[i * stride for i in range(frames)]]
    if windows[-1][-1] != total - 1:
        windows.append([total - 1 - (frames - 1 - i) * stride for i in range(frames)])
    return windows


@given(st.integers(1, 120), st.integers(1, 16), st.integers(1, 4))
def test_windows_match_plain_loops(total: int, frames: int, stride: int) -> None:
    spans = half_overlapping_spans(total, frames=frames, stride=stride)
    assert spans.tolist() == slow_windows(total, frames=frames, stride=stride)


def slow_probabilities(model: VideoClassifier, video: Video, *, aspect: str) -> np.ndarray:
    """Decode, cut, mirror and name clip by clip, as the protocol says it."""
    shape = model.encoder.clip
    side = round(shape.size * 8 / 7)
    width, height = round(side * 4 / 3), side
    if aspect == "kept":
        shorter = min(video.width, video.height)
        width, height = (side * edge // shorter for edge in (video.width, video.height))
    frames = read_frames(video, range(video.frames), size=(width, height))
    shares = []
    for window in slow_windows(video.frames, frames=shape.frames, stride=shape.stride):
        clip = np.stack([frames[min(place, video.frames - 1)] for place in window])
        rest_x, rest_y = width - shape.size, height - shape.size
        corners = [(x, y) for y in (0, rest_y) for x in (0, rest_x)] + [(rest_x // 2, rest_y // 2)]
        for x, y in corners:
            crop = clip[:, y : y + shape.size, x : x + shape.size]
            for view in (crop, crop[:, :, ::-1]):
                pixels = torch.tensor(view.transpose(3, 0, 1, 2) / 127.5 - 1, dtype=torch.float32)
                with torch.no_grad():
                    scores = model.linear(model.encoder.features(pixels[None]))[0].double().numpy()
                shares.append(np.exp(scores) / np.exp(scores).sum())
    return np.asarray(np.mean(shares, axis=0))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stride", [1, 3])
def test_a_video_is_the_mean_softmax_of_all_its_windows_and_crops(
    make_encoder: Callable[..., VideoEncoder],
    task: ClassificationTask,
    tmp_path: Path,
    stride: int,
    workers: int,
) -> None:
    model = VideoClassifier(make_encoder(stride=stride), 3, frozen=False, dropout=0.9, seed=0)
    torch.nn.init.normal_(model.linear.weight, generator=torch.Generator().manual_seed(0))
    videos = Catalog(task.test.root, task.test.videos[:4])
    with ClassificationFolder(tmp_path) as folder:
        found = predict_videos(
            model, videos, folder, device=CPU, precision="fp32", workers=workers, progress=False
        )
    expected = [slow_probabilities(model, video, aspect="kept") for video in videos]
    assert np.abs(found - expected).max() < 2e-6
    assert np.ptp(found, axis=0).max() > 1e-4  # the videos do differ


@pytest.mark.parametrize("aspect", get_args(FrameAspect))
def test_a_wide_video_is_cropped_from_its_own_shape_or_from_4_to_3(
    encoder: VideoEncoder, make_video: Callable[..., Path], tmp_path: Path, aspect: FrameAspect
) -> None:
    model = VideoClassifier(encoder, 3, frozen=False, dropout=0.9, seed=0)
    torch.nn.init.normal_(model.linear.weight, generator=torch.Generator().manual_seed(0))
    make_video(tmp_path / "videos" / "wide.mp4", frames=10, size=(96, 40))
    videos = Catalog.from_folder(tmp_path / "videos", progress=False)
    with ClassificationFolder(tmp_path / aspect.replace(":", "-")) as folder:
        (found,) = predict_videos(
            model, videos, folder, device=CPU, precision="fp32", aspect=aspect, workers=0,
            progress=False,
        )  # fmt: skip
    assert np.abs(found - slow_probabilities(model, videos[0], aspect=aspect)).max() < 2e-6


def test_blocks_are_all_windows_of_each_video_in_order(task: ClassificationTask) -> None:
    spans = partial(half_overlapping_spans, frames=4, stride=1)
    loader = window_loader(
        task.test, spans, size=lambda _: (49, 37), windows_per_batch=4, workers=0
    )
    blocks: dict[int, list[WindowBatch]] = {}
    for block in loader:
        blocks.setdefault(block.video, []).append(block)
    assert sorted(blocks) == list(range(len(task.test)))
    for index, of_video in blocks.items():
        video = task.test[index]
        windows = slow_windows(video.frames, frames=4, stride=1)
        frames = read_frames(video, range(video.frames), size=(49, 37))
        assert np.array_equal(np.concatenate([b.clips for b in of_video]), frames[windows])
        assert [b.last for b in of_video] == [False] * (len(of_video) - 1) + [True]
        assert max(len(b.clips) for b in of_video) <= 4


def test_each_video_is_read_once_and_each_frame_given_once(
    encoder: VideoEncoder, task: ClassificationTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed: dict[Path, list[int]] = {}

    def counting(video: Video, places: Sequence[int], *, size: tuple[int, int]) -> Any:
        assert video.path not in streamed
        streamed[video.path] = []
        for place, frame in zip(places, stream_frames(video, places, size=size), strict=True):
            streamed[video.path].append(place)
            yield frame

    monkeypatch.setattr("slic.clips.windows.stream_frames", counting)
    model = VideoClassifier(encoder, 2, frozen=True, dropout=0.9, seed=0)
    with ClassificationFolder(tmp_path) as folder:
        predict_videos(
            model, task.test, folder, device=CPU, precision="fp32", workers=0, progress=False
        )
    assert streamed == {video.path: [*range(video.frames)] for video in task.test}


def test_predictions_that_are_kept_are_not_made_again(
    encoder: VideoEncoder, task: ClassificationTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = VideoClassifier(encoder, 2, frozen=True, dropout=0.9, seed=0)

    def all_of_them() -> np.ndarray:
        with ClassificationFolder(tmp_path) as folder:
            return predict_videos(
                model,
                task.test,
                folder,
                device=CPU,
                precision="fp32",
                workers=0,
                progress=False,
            )

    first, path = all_of_them(), tmp_path / "predictions.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:20])  # killed while the fourth was written
    read: list[str] = []

    def spy(video: Video, *arguments: Any, **shape: Any) -> Any:
        read.append(video.id)
        return stream_clips(video, *arguments, **shape)

    monkeypatch.setattr(clip_windows, "stream_clips", spy)
    assert np.array_equal(all_of_them(), first)
    assert read == [video.id for video in task.test][3:]
    assert path.read_text() == "".join(lines)
    os.utime(task.test[1].path, ns=(0, 0))  # another file now, for all that is known
    read.clear()
    all_of_them()
    assert read == [task.test[1].id]
