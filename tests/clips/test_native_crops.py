"""Views of frames at their own size are those of whole clips that were read at that size."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from slic.clips.augmentation import Augmentation, AugmentationParameters, draw_parameters
from slic.clips.flow_cache import FlowCache
from slic.clips.reader import ClipReader, ClipRequest
from slic.clips.rendering import render_rgb
from slic.clips.samples import SampleDataset, SampleIndex
from slic.errors import VideoError
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames, stream_frames
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

SIZE = 32
NATIVE = Augmentation(crop_from="native", blur=0.5)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Video:
    """Return a video of 9 frames of 160 x 90 pixels."""
    path = make_video(tmp_path_factory.mktemp("wide") / "wide.mp4", frames=9, size=(160, 90))
    return inspect_video(path, "wide.mp4")


def plain_view(video: Video, request: ClipRequest) -> np.ndarray:
    """Read the clip at the video's own size, whole, and render it."""
    frames = read_frames(video, request.span)
    assert frames.shape[1:3] == (video.height, video.width)
    return render_rgb(frames, request.parameters, size=SIZE)


def test_views_are_those_of_clips_that_were_read_whole(catalog: Catalog, wide: Video) -> None:
    reader, rng = ClipReader(frames=4, stride=2, size=SIZE), np.random.default_rng(0)
    spans = [np.arange(0, 8, 2), np.arange(3, 11, 2), np.arange(0, 8, 2)]  # one twice, one past 9
    videos = [wide, catalog[4], wide, catalog[3], wide, catalog[0]]  # one upright, one of 9 frames
    requests = [
        reader.draw_view(video, span, NATIVE, rng=rng) for video in videos for span in spans
    ]
    for request, view in zip(requests, reader.render(requests), strict=True):
        assert_array_equal(view, plain_view(request.video, request))


def test_parameters_are_drawn_in_pixels_of_the_video(wide: Video) -> None:
    reader = ClipReader(frames=4, stride=1, size=SIZE)
    for crop_from, size in (("native", (160, 90)), ("resized", (43, 32))):
        augmentation = Augmentation(crop_from=crop_from)  # type: ignore[arg-type]
        one, other = np.random.default_rng(5), np.random.default_rng(5)
        request = reader.draw_view(wide, np.arange(4), augmentation, rng=one)
        plain = draw_parameters(augmentation, width=size[0], height=size[1], rng=other)
        assert request == ClipRequest(wide, request.span, plain, "rgb", crop_from == "native")


def test_a_wide_video_is_not_squeezed(wide: Video) -> None:
    whole_height = AugmentationParameters(left=40, top=0, width=90, height=90)
    reader = ClipReader(frames=4, stride=1, size=SIZE)
    (view,) = reader.render([ClipRequest(wide, np.arange(4), whole_height, "rgb", True)])
    square = read_frames(wide, range(4))[:, :, 40:130]
    assert_array_equal(
        view,
        render_rgb(square, AugmentationParameters(left=0, top=0, width=90, height=90), size=SIZE),
    )


def test_at_a_fixed_rate_the_frames_are_those_of_the_rate(catalog: Catalog) -> None:
    reader, video = ClipReader(frames=4, stride=1, size=SIZE, fps=12.5), catalog[1]
    crop = AugmentationParameters(left=7, top=3, width=41, height=40, flip=True)
    (view,) = reader.render([ClipRequest(video, np.arange(4), crop, "rgb", True)])
    assert_array_equal(view, render_rgb(read_frames(video, [0, 2, 4, 6]), crop, size=SIZE))


@pytest.mark.parametrize("stored", [False, True])
def test_flow_of_a_native_crop_is_that_of_the_same_part_of_resized_frames(
    wide: Video, tmp_path: Path, stored: bool
) -> None:
    cache = FlowCache(tmp_path, method="dis", size=(43, 32), stride=1)
    if stored:
        cache.write(wide)
    reader = ClipReader(frames=4, stride=1, size=SIZE, store=cache)
    native = AugmentationParameters(left=40, top=45, width=80, height=45, flip=True, hue=0.2)
    same = AugmentationParameters(left=11, top=16, width=21, height=16, flip=True, hue=0.2)
    requests = [
        ClipRequest(wide, np.arange(4), native, "flow", True),
        ClipRequest(wide, np.arange(4), same, "flow"),
    ]
    one, other = reader.render(requests)
    if stored:
        assert_array_equal(one, other)
    else:  # halved in another order, by one level here and there
        assert np.abs(one.astype(int) - other).mean() < 1


def test_rgb_and_flow_of_one_span_are_cut_in_one_pass(
    wide: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, rng = ClipReader(frames=4, stride=1, size=SIZE), np.random.default_rng(0)
    rgb = reader.draw_view(wide, np.arange(4), NATIVE, rng=rng)
    requests = [rgb, rgb._replace(modality="flow"), rgb._replace(span=np.arange(2, 6))]
    alone = [reader.render([request])[0] for request in requests]
    passes: list[Sequence[int]] = []

    def noted(video: Video, places: Sequence[int], *, size: tuple[int, int]) -> Iterator[Any]:
        passes.append(places)
        return stream_frames(video, places, size=size)

    monkeypatch.setattr("slic.clips.native_crops.stream_frames", noted)
    assert_array_equal(reader.render(requests), alone)
    assert passes == [[0, 1, 2, 3, 4, 5]]


def test_a_sample_has_native_views(catalog: Catalog) -> None:
    reader = ClipReader(frames=4, stride=2, size=SIZE)
    dataset = SampleDataset(catalog, reader, NATIVE, flow_probability=0.0, second_view=True, seed=3)
    resized = SampleDataset(
        catalog, reader, Augmentation(), flow_probability=0.0, second_view=True, seed=3
    )
    index = SampleIndex(0, 5, 4)
    requests, _ = dataset._draw_sample(index)
    assert [request.native for request in requests] == [True] * 3
    for request, view in zip(requests, dataset[index].clips.numpy(), strict=True):
        assert_array_equal(view, plain_view(request.video, request))
    assert [request.span.tolist() for request in requests] == [
        request.span.tolist() for request in resized._draw_sample(index)[0]
    ]


def test_few_frames_are_held(wide: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Any]] = []

    def counting(video: Video, places: Sequence[int], *, size: tuple[int, int]) -> Iterator[Any]:
        for frame in stream_frames(video, places, size=size):
            own = frame.copy()
            held.append(weakref.ref(own))
            yield own
            del own
            assert sum(reference() is not None for reference in held) <= 1

    monkeypatch.setattr("slic.clips.native_crops.stream_frames", counting)
    reader, rng = ClipReader(frames=8, stride=1, size=SIZE), np.random.default_rng(0)
    reader.render([reader.draw_view(wide, np.arange(8), NATIVE, rng=rng) for _ in range(3)])
    assert len(held) == 8


def test_a_video_that_does_not_decode_is_an_error_or_grey(
    wide: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Iterator[Any]:
        raise VideoError("wide.mp4: frame 0 does not decode")

    monkeypatch.setattr("slic.clips.native_crops.stream_frames", broken)
    reader = ClipReader(frames=4, stride=1, size=SIZE)
    crop = AugmentationParameters(left=0, top=0, width=90, height=90)
    request = ClipRequest(wide, np.arange(4), crop, "rgb", True)
    with pytest.raises(VideoError, match="frame 0 does not decode"):
        reader.render([request])
    (view,) = reader.with_grey_stand_ins().render([request])
    assert (view == 128).all()
