"""A known motion is read back from the rendered clip, whatever its flow comes from."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from jaxtyping import Float64, UInt8
from numpy.testing import assert_allclose, assert_array_equal

from slic.clips.augmentation import Augmentation, AugmentationParameters, centre_crop
from slic.clips.clip_dataset import ClipDataset
from slic.clips.extracted_flow import ExtractedFlow
from slic.clips.flow import FlowComponents, FlowMethod, FlowOptions, flow_image, optical_flow
from slic.clips.flow_cache import FlowCache
from slic.clips.reader import ClipReader, ClipRequest, Modality
from slic.clips.rendering import render_rgb
from slic.clips.samples import SampleDataset, SampleIndex
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

FRAMES, SIZE = 4, 48
WIDTH, HEIGHT = 64, 48  # frames are read at
BOUND = 0.1  # a full strength of 4.8 pixels
U, V = 1.5, -1.0  # pixels a frame, right and up
SPAN = np.arange(3, 3 + FRAMES)
PARAMETERS = {
    "centre": AugmentationParameters(left=8, top=0, width=48, height=48),
    "crop": AugmentationParameters(left=20, top=12, width=30, height=30),
    "wide crop": AugmentationParameters(left=12, top=14, width=40, height=30),
    "coloured": AugmentationParameters(
        left=10, top=6, width=36, height=36, brightness=1.4, contrast=0.7, hue=0.2, blur_sigma=1.0
    ),
    "grey": AugmentationParameters(left=10, top=6, width=36, height=36, grey=True, saturation=1.5),
}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Return frames, without loss, of a texture that moves by (U, V), twice as large as read."""
    folder = tmp_path_factory.mktemp("moving") / "texture"
    folder.mkdir()
    w, h, rng = 2 * WIDTH, 2 * HEIGHT, np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.uniform(-1, 1, (2 * h, 2 * w, 3)), (0, 0), 3)
    ground = np.clip(127 + 50 * ground / ground.std(), 0, 255)
    for k in range(12):
        shift = np.array([[1, 0, 2 * U * k - w / 2], [0, 1, 2 * V * k - h / 2]])
        frame = cv2.warpAffine(ground, shift, (w, h), flags=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{k + 1:04d}.png"), np.clip(np.rint(frame), 0, 255))
    return inspect_video(folder, "texture")


@pytest.fixture(scope="module")
def reader(video: Video, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ClipReader]:
    """Return a function that makes a reader whose flow comes in one of three ways."""
    folder = tmp_path_factory.mktemp("flow")
    write_pictures(folder, video)

    def make(source: str, **options: Any) -> ClipReader:
        settings: dict[str, Any] = {"bound": BOUND, "method": "tv-l1"} | options
        flow = FlowOptions(**settings)
        store: Any = None
        if source == "cache":
            store = FlowCache(folder, method=flow.method, size=(WIDTH, HEIGHT), stride=1)
            if not store.holds(video):
                store.write(video)
        elif source == "pictures":
            store = ExtractedFlow(folder, size=(WIDTH, HEIGHT), vertical=flow.components == "all")
        return ClipReader(frames=FRAMES, stride=1, size=SIZE, flow=flow, store=store)

    return make


def write_pictures(folder: Path, video: Video) -> None:
    """Write true flow as the authors' tools lay it out, at the full size of the frames."""
    for component, pixels in (("u", 2 * U), ("v", 2 * V)):
        (folder / component / video.id).mkdir(parents=True)
        level = round(127.5 + 127.5 * pixels / 20)
        for k in range(1, video.frames):
            picture = np.full((2 * HEIGHT, 2 * WIDTH), level, np.uint8)
            cv2.imwrite(str(folder / component / video.id / f"frame{k:06d}.jpg"), picture)


def seen(clip: UInt8[np.ndarray, "t s s 3"]) -> Float64[np.ndarray, "3"]:
    """Return the median of each channel, away from the borders."""
    inner = clip[:, SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4]
    return np.asarray(np.median(inner, axis=(0, 1, 2)), np.float64)


def plain_channels(parameters: AugmentationParameters, components: FlowComponents) -> list[float]:
    """Return how (U, V) is drawn under the parameters, by the definition."""
    u = U * SIZE / parameters.width * (-1 if parameters.flip else 1) / (BOUND * SIZE)
    v = V * SIZE / parameters.height / (BOUND * SIZE)
    if components == "horizontal":
        return [127.5 + 127.5 * min(1, max(-1, u))] * 3
    drawn = [127.5 + 127.5 * min(1, max(-1, x)) for x in (u, v)]
    return [*drawn, 255 * min(1, math.hypot(u, v))]


@pytest.mark.parametrize("components", get_args(FlowComponents))
@pytest.mark.parametrize(
    ("method", "source", "names"),
    [
        ("dis", "video", PARAMETERS),
        ("dis", "cache", PARAMETERS),
        ("tv-l1", "video", ["crop"]),  # slow
        ("tv-l1", "cache", PARAMETERS),
        ("tv-l1", "pictures", PARAMETERS),
    ],
)
def test_a_known_motion_is_read_back_after_every_augmentation(
    reader: Callable[..., ClipReader],
    video: Video,
    method: FlowMethod,
    source: str,
    names: Iterable[str],
    components: FlowComponents,
) -> None:
    views = [replace(PARAMETERS[name], flip=flip) for name in names for flip in (False, True)]
    clips = reader(source, method=method, components=components).render(
        [ClipRequest(video, SPAN, parameters, "flow") for parameters in views]
    )
    for clip, parameters in zip(clips, views, strict=True):
        expected = plain_channels(parameters, components)
        assert_allclose(seen(clip), expected, atol=8)  # 0.2 to 0.3 pixels


@pytest.mark.parametrize("options", [{}, {"method": "dis", "remove_camera": True}])
def test_prepared_flow_is_the_computed_one_up_to_its_rounding(
    reader: Callable[..., ClipReader], video: Video, options: dict[str, Any]
) -> None:
    requests = [
        ClipRequest(video, SPAN + k, PARAMETERS["crop"], "flow") for k in (0, 7)
    ]  # one past the end
    for one, other in zip(
        reader("cache", **options).render(requests),
        reader("video", **options).render(requests),
        strict=True,
    ):
        level = 0.125 * HEIGHT / 127  # of the cache, in pixels
        zoomed = 0.5 * level * SIZE / 30 * 255 / (BOUND * SIZE)
        assert np.abs(one.astype(int) - other).max() <= math.ceil(2 * zoomed)  # length: of u and v


def test_as_a_picture_flow_is_drawn_first_and_then_coloured_and_mirrored(
    reader: Callable[..., ClipReader], video: Video
) -> None:
    parameters = replace(PARAMETERS["coloured"], flip=True)
    wrong = reader("video", components="horizontal", as_picture=True)
    (clip,) = wrong.render([ClipRequest(video, SPAN, parameters, "flow")])
    (pictures,) = wrong.read(video, [SPAN])
    drawn = flow_image(optical_flow(pictures, method="tv-l1"), bound=BOUND, components="horizontal")
    assert_array_equal(clip, render_rgb(drawn, parameters, size=SIZE))
    plain = replace(PARAMETERS["crop"], flip=True)
    (clip,) = wrong.render([ClipRequest(video, SPAN, plain, "flow")])
    assert_allclose(seen(clip), 127.5 + 127.5 * U / (BOUND * HEIGHT), atol=5)  # no sign, no zoom


def test_flow_around_a_crop_is_nearly_that_of_the_whole_picture(
    reader: Callable[..., ClipReader], video: Video
) -> None:
    request = ClipRequest(video, SPAN, PARAMETERS["crop"], "flow")
    near = reader("video", method="dis").render([request])[0]
    whole = reader("cache", method="dis").render([request])[0]
    assert np.abs(near.astype(int) - whole).mean() < 4


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(("flow_probability", "partner"), [*product([0.0, 1.0], [0, 1])])
def test_only_spans_that_are_rendered_from_frames_are_decoded(
    catalog: Catalog,
    tmp_path: Path,
    recording_reader: Callable[..., Any],
    flow_probability: float,
    partner: int,
    cached: bool,
) -> None:
    cache = FlowCache(tmp_path, method="dis", size=(43, 32), stride=2)
    for video in catalog[:2]:
        cache.write(video)
    reader = recording_reader(black=False, store=cache if cached else None)
    dataset = SampleDataset(
        catalog, reader, Augmentation(), flow_probability=flow_probability, second_view=True, seed=0
    )
    assert len(dataset[SampleIndex(0, 0, partner)].clips) == 3
    counts = [(video_id, len(spans)) for video_id, spans in reader.reads]
    if cached and flow_probability == 1.0:
        assert counts == [("0.mp4", 1)]  # the anchor alone
    else:
        assert counts == ([("0.mp4", 2)] if partner == 0 else [("0.mp4", 1), ("1.mp4", 1)])


@pytest.mark.parametrize(("modality", "reads"), [("rgb", 2), ("flow", 0)])
def test_clips_to_embed_are_not_decoded_if_their_flow_is_cached(
    catalog: Catalog,
    tmp_path: Path,
    recording_reader: Callable[..., Any],
    modality: Modality,
    reads: int,
) -> None:
    cache = FlowCache(tmp_path, method="dis", size=(43, 32), stride=2)
    for video in catalog[:2]:
        cache.write(video)
    reader = recording_reader(black=False, store=cache)
    dataset = ClipDataset(catalog, reader, clips=3, modality=modality)
    assert all(dataset[k].shape == (3, 4, 32, 32, 3) for k in range(2))
    assert len(reader.reads) == reads


def test_at_a_fixed_rate_flow_is_that_between_the_frames_of_the_rate(
    catalog: Catalog, tmp_path: Path, recording_reader: Callable[..., Any]
) -> None:
    cache = FlowCache(tmp_path, method="dis", size=(43, 32), stride=1)
    cache.write(video := catalog[1])
    reader = recording_reader(black=False, stride=1, fps=12.5, store=cache)
    crop = centre_crop(43, 32)
    (clip,) = reader.render([ClipRequest(video, np.arange(4), crop, "flow")])
    frames = read_frames(video, [0, 2, 4, 6], size=(43, 32))
    assert np.array_equal(clip, ClipReader(frames=4, stride=1, size=32).centred(frames, "flow"))
    assert "fps" not in ClipReader(frames=4, stride=1, size=32).settings()  # as before
    assert reader.settings()["fps"] == 12.5


def test_flow_of_a_changed_video_is_computed_again(
    tmp_path: Path, make_video: Callable[..., Path], recording_reader: Callable[..., Any]
) -> None:
    cache = FlowCache(tmp_path, method="dis", size=(43, 32), stride=1)
    path = make_video(tmp_path / "video.mp4", frames=20, size=(64, 48))
    before = inspect_video(path, "video.mp4")
    cache.write(before)
    assert cache.holds(before)
    make_video(path, frames=20, size=(64, 48), options={"crf": "40"})
    reader = recording_reader(black=False, stride=1, store=cache)
    parameters = AugmentationParameters(left=0, top=0, width=32, height=32)
    reader.render([ClipRequest(inspect_video(path, "video.mp4"), SPAN, parameters, "flow")])
    assert reader.reads == [("video.mp4", [SPAN.tolist()])]
