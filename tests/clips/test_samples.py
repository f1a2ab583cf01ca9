"""Training samples are a function of seed, epoch and videos, whoever makes them and when."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from slic.clips.augmentation import Augmentation, centre_crop, draw_parameters
from slic.clips.flow import optical_flow
from slic.clips.flow_cache import FlowCache
from slic.clips.reader import ClipReader, ClipRequest
from slic.clips.rendering import crop_with_margin, render_flow, render_rgb
from slic.clips.samples import MAX_REDRAWS, SampleDataset, SampleIndex
from slic.clips.spans import SpanPair, official_placement
from slic.errors import VideoError
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames
from slic.videos.segments import file_id
from slic.videos.video import Video

RecordingReader = Callable[..., Any]


def triplets(catalog: Catalog, reader: ClipReader, **changed: Any) -> SampleDataset:
    settings = {"flow_probability": 0.5, "second_view": True, "seed": 3} | changed
    return SampleDataset(catalog, reader, Augmentation(), **settings)


def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_sample_does_not_depend_on_what_was_drawn_before(
    catalog: Catalog, reader: ClipReader
) -> None:
    fresh, used = triplets(catalog, reader), triplets(catalog, reader)
    np.random.default_rng().random()
    torch.manual_seed(1)
    for index in (SampleIndex(0, 1, 4), SampleIndex(5, 2, 2), SampleIndex(0, 0, 2)):
        used[index]
    torch.manual_seed(2)
    index = SampleIndex(1, 1, 4)
    assert same(fresh[index], used[index])
    assert not torch.equal(fresh[index].clips, fresh[index._replace(epoch=2)].clips)
    assert not torch.equal(fresh[index].clips, triplets(catalog, reader, seed=4)[index].clips)


def test_anchor_and_positive_of_one_video_share_no_frame(
    catalog: Catalog, recording_reader: RecordingReader
) -> None:
    for video in range(len(catalog)):
        for epoch in range(40):
            reader = recording_reader()
            dataset = triplets(catalog, reader, flow_probability=0.0)
            sample = dataset[SampleIndex(epoch, video, video)]
            (first, anchor), (second, positive) = reader.spans  # the second view needs no other
            assert first == second == catalog[video].id
            common = range(max(anchor[0], positive[0]), min(anchor[-1], positive[-1]) + 1)
            too_short = catalog[video].frames < 2 * 7
            assert (len(common) > 0) == too_short == bool(sample.overlap)


def test_reciprocal_positives_are_decoded_once_and_their_samples_are_those_of_each_alone(
    catalog: Catalog, reader: ClipReader, recording_reader: RecordingReader
) -> None:
    pairs = [(5, 0), (1, 4), (4, 1), (2, 2), (3, 2)]
    batch = [SampleIndex(0, *pair) for pair in pairs]
    dataset = triplets(catalog, reader)
    for together, index in zip(dataset.__getitems__(batch), batch, strict=True):
        assert same(together, dataset[index])
    recorder = recording_reader()
    triplets(catalog, recorder, flow_probability=0.0).__getitems__(batch)
    decoded = [name for name, _ in groupby(recorder.reads, key=lambda read: read[0])]
    assert decoded == [f"{number}.mp4" for number in (5, 0, 1, 4, 2, 3, 2)]


def test_the_positive_comes_from_the_partner(
    catalog: Catalog, recording_reader: RecordingReader
) -> None:
    reader = recording_reader()
    sample = triplets(catalog, reader)[SampleIndex(0, 1, 4)]
    assert [video for video, _ in reader.spans] == ["1.mp4", "4.mp4"]
    assert (sample.video.item(), sample.overlap.item()) == (1, 0)
    assert all(span[-1] < catalog[int(name[0])].frames for name, span in reader.spans)


def size_of(video: Video, resize: int | None) -> tuple[int, int]:
    """Return what frames of 64 x 48 pixels, or the reverse, are resized to."""
    if resize is None:
        return 43, 32
    assert resize == 40
    return (53, 40) if video.width > video.height else (40, 53)


def expected_views(
    catalog: Catalog,
    index: SampleIndex,
    spans: list[list[int]],
    flow_probability: float,
    resize: int | None,
) -> list[np.ndarray]:
    """Render a sample by plain calls (docs/explanation/method.md)."""
    videos = (catalog[index.video], catalog[index.partner])
    anchor, positive = (
        read_frames(v, s, size=size_of(v, resize)) for v, s in zip(videos, spans, strict=True)
    )
    rng = np.random.default_rng([3, index.epoch, index.video, 3])

    def render(clip: np.ndarray, flow: bool) -> np.ndarray:
        _, height, width, _ = clip.shape
        parameters = draw_parameters(Augmentation(), width=width, height=height, rng=rng)
        if flow:
            near, moved = crop_with_margin(clip, parameters, margin=8)
            return render_flow(optical_flow(near), moved, size=32)
        return render_rgb(clip, parameters, size=32)

    return [
        render(anchor, False),
        render(positive, bool(rng.random() < flow_probability)),
        render(anchor, bool(rng.random() < flow_probability)),
    ]


@pytest.mark.parametrize(
    ("flow_probability", "resize"), [(0.0, None), (0.5, None), (1.0, None), (0.5, 40)]
)
def test_samples_are_what_plain_calls_render(
    catalog: Catalog,
    recording_reader: RecordingReader,
    flow_probability: float,
    resize: int | None,
) -> None:
    reader = ClipReader(frames=4, stride=2, size=32, resize=resize)
    for numbers in ((0, 1, 4), (1, 2, 2), (2, 5, 0), (3, 3, 3), (4, 4, 4)):
        index, recorder = SampleIndex(*numbers), recording_reader()
        triplets(catalog, recorder, flow_probability=0.0)[index]
        spans = [span for _, span in recorder.spans]
        expected = expected_views(catalog, index, spans, flow_probability, resize)
        sample = triplets(catalog, reader, flow_probability=flow_probability)[index]
        assert np.array_equal(sample.clips.numpy(), np.stack(expected))


def test_the_anchor_is_never_flow_and_the_second_view_is_another_draw(
    catalog: Catalog, reader: ClipReader
) -> None:
    rgb, flow = (triplets(catalog, reader, flow_probability=p) for p in (0.0, 1.0))
    one, other = rgb[SampleIndex(0, 1, 4)].clips, flow[SampleIndex(0, 1, 4)].clips
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[1], other[1])
    assert not torch.equal(one[2], other[2])
    assert not torch.equal(one[0], one[2])


def test_the_second_view_can_be_left_out(catalog: Catalog, reader: ClipReader) -> None:
    index = SampleIndex(0, 1, 4)
    with_it, without = (triplets(catalog, reader, second_view=s)[index] for s in (True, False))
    assert torch.equal(with_it.clips[:2], without.clips)


def test_official_placement_is_the_first_clip_and_a_later_one_of_the_partner(
    catalog: Catalog, recording_reader: RecordingReader
) -> None:
    for epoch in range(20):
        reader = recording_reader()
        dataset = triplets(catalog, reader, flow_probability=0.0, place_pair=official_placement)
        dataset[SampleIndex(epoch, 0, 4)]
        (first, anchor), (second, positive) = reader.spans
        assert (first, second) == ("0.mp4", "4.mp4")
        assert anchor == [0, 2, 4, 6]
        assert 7 <= positive[0] <= catalog[4].frames - 7


def test_pairs_at_a_fixed_rate_are_placed_among_the_frames_of_that_rate(
    catalog: Catalog, recording_reader: RecordingReader
) -> None:
    for video in catalog:
        total = max(1, math.ceil(video.frames / 25 * 10 - 1e-4))  # 25 frames per second, 10 taken
        firsts = set()
        for epoch in range(40):
            reader = recording_reader(stride=1, fps=10.0)
            index = catalog.videos.index(video)
            triplets(catalog, reader, flow_probability=0.0)[SampleIndex(epoch, index, index)]
            (_, anchor), (_, positive) = reader.spans[0], reader.spans[-1]
            assert max(anchor[-1], positive[-1]) < max(total, 4)
            assert (len({*anchor, *positive}) < 8) == (total < 8)
            firsts.add(anchor[0])
        assert len(firsts) > 1 or total <= 4


def test_a_placement_from_elsewhere_is_told_all_it_needs(
    catalog: Catalog, recording_reader: RecordingReader
) -> None:
    calls: list[dict[str, Any]] = []

    def first_frames(**arguments: Any) -> SpanPair:
        calls.append(arguments)
        return SpanPair(np.arange(4), np.arange(1, 5), overlap=True)

    reader = recording_reader()
    dataset = triplets(catalog, reader, flow_probability=0.0, place_pair=first_frames)
    samples = dataset.__getitems__([SampleIndex(0, 1, 4), SampleIndex(0, 2, 2)])
    assert [sample.overlap.item() for sample in samples] == [1, 1]
    assert [span for _, span in reader.spans[:2]] == [[0, 1, 2, 3], [1, 2, 3, 4]]
    rngs = [call.pop("rng") for call in calls]
    shape = {"frames": 4, "stride": 2}
    assert calls == [
        shape | {"anchor_video_frames": 24, "positive_video_frames": 32, "same_video": False},
        shape | {"anchor_video_frames": 28, "positive_video_frames": 28, "same_video": True},
    ]
    expected = [np.random.default_rng([3, 0, video, 2]).random() for video in (1, 2)]
    assert [rng.random() for rng in rngs] == expected


def test_a_video_that_does_not_decode_is_replaced_by_a_fixed_rule(
    catalog: Catalog, reader: ClipReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = triplets(catalog, reader)
    expected = {
        (0, 4): sound[SampleIndex(0, 0, 0)],  # the partner is broken: the anchor's own video
        (4, 0): sound[SampleIndex(0, 5, 5)],  # the anchor is broken: the next video
        (1, 2): sound[SampleIndex(0, 1, 2)],
    }
    read = ClipReader.read

    def broken(self: ClipReader, video: Any, spans: Any) -> Any:
        if video.id == "4.mp4":
            raise VideoError("4.mp4: the decoder crashed")
        return read(self, video, spans)

    monkeypatch.setattr(ClipReader, "read", broken)
    batch = [SampleIndex(0, *pair) for pair in expected]  # two are reciprocal
    for sample, pair in zip(triplets(catalog, reader).__getitems__(batch), expected, strict=True):
        assert same(sample, expected[pair])


def test_a_video_that_cannot_be_reached_is_an_error(
    catalog: Catalog, reader: ClipReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> Any:
        raise VideoError("0.mp4: no such file or directory") from FileNotFoundError()

    monkeypatch.setattr(ClipReader, "read", gone)
    with pytest.raises(VideoError, match="no such file"):
        triplets(catalog, reader)[SampleIndex(0, 0, 1)]


def test_a_video_that_cannot_be_reached_is_an_error_also_among_the_stand_ins(
    catalog: Catalog, reader: ClipReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ClipReader.read

    def broken_or_gone(self: ClipReader, video: Any, spans: Any) -> Any:
        if video.id == "4.mp4":
            raise VideoError("4.mp4: the decoder crashed")
        if video.id == "5.mp4":
            raise VideoError("5.mp4: no such file or directory") from FileNotFoundError()
        return read(self, video, spans)

    monkeypatch.setattr(ClipReader, "read", broken_or_gone)
    with pytest.raises(VideoError, match="no such file"):
        triplets(catalog, reader)[SampleIndex(0, 4, 4)]


def test_the_last_error_is_raised_if_no_video_decodes(
    catalog: Catalog, reader: ClipReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def broken(_: ClipReader, video: Any, *__: Any) -> Any:
        tried.append(video.id)
        raise VideoError(f"{video.id}: the decoder crashed")

    monkeypatch.setattr(ClipReader, "read", broken)
    with pytest.raises(VideoError, match=r"^3\.mp4: the decoder crashed"):
        triplets(catalog, reader)[SampleIndex(0, 4, 4)]
    # the sample is drawn once more, then each video of the catalog, from the anchor's own on
    assert tried == [f"{number}.mp4" for number in (4, 4, 4, 5, 0, 1, 2, 3)]


def test_the_stand_ins_of_segments_are_spread_over_the_recordings(
    catalog: Catalog, reader: ClipReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = catalog.segments(0.1)
    files = [file_id(video.id) for video in segments]
    broken = files[0]
    sound = triplets(segments, reader)
    read = ClipReader.read

    def crashing(self: ClipReader, video: Any, spans: Any) -> Any:
        if file_id(video.id) == broken:
            raise VideoError(f"{broken}: the decoder crashed")
        return read(self, video, spans)

    monkeypatch.setattr(ClipReader, "read", crashing)
    spacing = len(segments) // MAX_REDRAWS
    other = next(n for n in range(0, len(segments), spacing) if files[n] != broken)
    found = triplets(segments, reader)[SampleIndex(0, 0, 1)]
    assert same(found, sound[SampleIndex(0, other, other)])


def test_stored_flow_of_a_segment_is_that_of_its_place_in_the_recording(
    catalog: Catalog, reader: ClipReader, tmp_path: Path
) -> None:
    segment = catalog.segments(0.4)[1]
    recording, (first,) = segment.whole, segment.in_whole([0])
    size = reader.frame_size(recording)
    store = FlowCache(tmp_path, method="dis", size=size, stride=reader.stride)
    store.write(recording)
    crop = centre_crop(*size, side=reader.size)
    span = np.arange(4) * reader.stride
    pair = [(segment, span), (recording, first + span)]
    stored = replace(reader, store=store)
    views = [stored.render([ClipRequest(*place, crop, "flow")])[0] for place in pair]
    assert np.array_equal(views[0], views[1])
    elsewhere = stored.render([ClipRequest(recording, span, crop, "flow")])[0]
    assert not np.array_equal(views[0], elsewhere)
