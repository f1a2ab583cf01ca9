"""A pattern that moves by a known amount is read back from the clip, whatever way its flow came."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from jaxtyping import Float64, UInt8
from numpy.testing import assert_allclose, assert_array_equal

from slic.clips.augmentation import Augmentation, AugmentationParameters, render_rgb
from slic.clips.datasets import ClipDataset, SampleIndex, TripletDataset
from slic.clips.flow import Components, FlowMethod, FlowOptions, flow_image, optical_flow
from slic.clips.flow_cache import FlowCache
from slic.clips.flow_pictures import ExtractedFlow
from slic.clips.reader import ClipReader, Modality, Shown
from slic.videos.catalog import Catalog
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

FRAMES, SIZE = 4, 48
WIDTH, HEIGHT = 64, 48  # frames are read at
BOUND = 0.1  # a full strength of 4.8 pixels
U, V = 1.5, -1.0  # pixels a frame, right and up
SPAN = np.arange(3, 3 + FRAMES)
LOOKS = {
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

    def make(source: str, **view: Any) -> ClipReader:
        settings: dict[str, Any] = {"bound": BOUND, "method": "tv-l1"} | view
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


def plain_channels(look: AugmentationParameters, components: Components) -> list[float]:
    """Return what a look shows of (U, V), by the definition."""
    u = U * SIZE / look.width * (-1 if look.flip else 1) / (BOUND * SIZE)
    v = V * SIZE / look.height / (BOUND * SIZE)
    if components == "horizontal":
        return [127.5 + 127.5 * min(1, max(-1, u))] * 3
    drawn = [127.5 + 127.5 * min(1, max(-1, x)) for x in (u, v)]
    return [*drawn, 255 * min(1, math.hypot(u, v))]


@pytest.mark.parametrize("components", get_args(Components))
@pytest.mark.parametrize(
    ("method", "source", "names"),
    [
        ("dis", "video", LOOKS),
        ("dis", "cache", LOOKS),
        ("tv-l1", "video", ["crop"]),  # slow
        ("tv-l1", "cache", LOOKS),
        ("tv-l1", "pictures", LOOKS),
    ],
)
def test_a_known_motion_is_read_back_after_every_augmentation(
    reader: Callable[..., ClipReader],
    video: Video,
    method: FlowMethod,
    source: str,
    names: Iterable[str],
    components: Components,
) -> None:
    looks = [replace(LOOKS[name], flip=flip) for name in names for flip in (False, True)]
    clips = reader(source, method=method, components=components).show(
        [Shown(video, SPAN, look, "flow") for look in looks]
    )
    for clip, look in zip(clips, looks, strict=True):
        expected = plain_channels(look, components)
        assert_allclose(seen(clip), expected, atol=8)  # 0.2 to 0.3 pixels


@pytest.mark.parametrize("view", [{}, {"method": "dis", "remove_camera": True}])
def test_prepared_flow_is_the_computed_one_up_to_its_rounding(
    reader: Callable[..., ClipReader], video: Video, view: dict[str, Any]
) -> None:
    shown = [Shown(video, SPAN + k, LOOKS["crop"], "flow") for k in (0, 7)]  # one past the end
    for one, other in zip(
        reader("cache", **view).show(shown), reader("video", **view).show(shown), strict=True
    ):
        level = 0.125 * HEIGHT / 127  # of the cache, in pixels
        zoomed = 0.5 * level * SIZE / 30 * 255 / (BOUND * SIZE)
        assert np.abs(one.astype(int) - other).max() <= math.ceil(2 * zoomed)  # length: of u and v


def test_as_a_picture_flow_is_drawn_first_and_then_coloured_and_mirrored(
    reader: Callable[..., ClipReader], video: Video
) -> None:
    look = replace(LOOKS["coloured"], flip=True)
    wrong = reader("video", components="horizontal", as_picture=True)
    (clip,) = wrong.show([Shown(video, SPAN, look, "flow")])
    (pictures,) = wrong.read(video, [SPAN])
    drawn = flow_image(optical_flow(pictures, method="tv-l1"), bound=BOUND, components="horizontal")
    assert_array_equal(clip, render_rgb(drawn, look, size=SIZE))
    plain = replace(LOOKS["crop"], flip=True)
    (clip,) = wrong.show([Shown(video, SPAN, plain, "flow")])
    assert_allclose(seen(clip), 127.5 + 127.5 * U / (BOUND * HEIGHT), atol=5)  # no sign, no zoom


def test_flow_around_a_crop_is_nearly_that_of_the_whole_picture(
    reader: Callable[..., ClipReader], video: Video
) -> None:
    shown = Shown(video, SPAN, LOOKS["crop"], "flow")
    near = reader("video", method="dis").show([shown])[0]
    whole = reader("cache", method="dis").show([shown])[0]
    assert np.abs(near.astype(int) - whole).mean() < 4


class Counting(ClipReader):
    """Notes the spans that were decoded."""

    def __init__(self, store: Any, **shape: Any) -> None:
        super().__init__(**shape, store=store)
        self.asked: list[list[tuple[str, int]]] = []

    def read(self, video: Video, spans: Sequence[Any]) -> Any:
        self.asked.append([(video.id, int(span[0])) for span in spans])
        return super().read(video, spans)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Catalog:
    """Return two videos."""
    folder = tmp_path_factory.mktemp("two")
    for number, frames in enumerate([24, 30]):
        make_video(folder / f"{number}.mp4", frames=frames, size=(64, 48))
    return Catalog.from_folder(folder, progress=False)


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(("flow_probability", "partner"), [*product([0.0, 1.0], [0, 1])])
def test_pictures_are_decoded_only_where_they_are_shown(
    catalog: Catalog, tmp_path: Path, flow_probability: float, partner: int, prepared: bool
) -> None:
    shape = {"frames": FRAMES, "stride": 2, "size": 32}
    cache = FlowCache(tmp_path, method="dis", size=(43, 32), stride=2)
    for video in catalog:
        cache.write(video)
    reader = Counting(cache if prepared else None, **shape)
    dataset = TripletDataset(
        catalog, reader, Augmentation(), flow_probability=flow_probability, second_view=True, seed=0
    )
    clips = dataset[SampleIndex(0, 0, partner)].clips
    assert len(clips) == 3
    saved = prepared and flow_probability == 1.0  # then the anchor alone is read
    if partner == 0:
        (asked,) = reader.asked
        assert len(asked) == (1 if saved else 2)
    else:
        assert [len(spans) for spans in reader.asked] == ([1] if saved else [1, 1])
    assert reader.asked[0][0][0] == "0.mp4"


@pytest.mark.parametrize(("view", "reads"), [("rgb", 2), ("flow", 0)])
def test_a_round_reads_prepared_flow_only(
    catalog: Catalog, tmp_path: Path, view: Modality, reads: int
) -> None:
    cache = FlowCache(tmp_path, method="dis", size=(43, 32), stride=1)
    for video in catalog:
        cache.write(video)
    reader = Counting(cache, frames=FRAMES, stride=1, size=32)
    dataset = ClipDataset(catalog, reader, clips=3, view=view)
    assert all(dataset[k].shape == (3, FRAMES, 32, 32, 3) for k in range(2))
    assert len(reader.asked) == reads


def test_a_changed_video_is_computed_anew(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    cache = FlowCache(tmp_path, method="dis", size=(43, 32), stride=1)
    path = make_video(tmp_path / "video.mp4", frames=20, size=(64, 48))
    before = inspect_video(path, "video.mp4")
    cache.write(before)
    assert cache.holds(before)
    make_video(path, frames=20, size=(64, 48), options={"crf": "40"})
    reader = Counting(cache, frames=FRAMES, stride=1, size=32)
    look = AugmentationParameters(left=0, top=0, width=32, height=32)
    reader.show([Shown(inspect_video(path, "video.mp4"), SPAN, look, "flow")])
    assert reader.asked == [[("video.mp4", 3)]]
