"""Training samples are a function of (seed, epoch, video), whoever makes them and when."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from slic.clips.augmentation import (
    Augmentation,
    around,
    centre_crop,
    draw_parameters,
    render_flow,
    render_rgb,
)
from slic.clips.datasets import (
    ClipDataset,
    SampleIndex,
    TripletDataset,
    TripletSample,
    TripletSampler,
    batch_loader,
    clip_loader,
)
from slic.clips.flow import optical_flow
from slic.clips.reader import ClipReader, Modality
from slic.clips.spans import centre_span, evenly_spaced_spans
from slic.clustering.base import PseudoLabels
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames

SHAPE: dict[str, Any] = {"frames": 4, "stride": 2}  # a clip covers 7 frames
LABELS = PseudoLabels(np.array([0, 1, 0, 2, 1, 0]))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Catalog:
    """Return six videos; the fourth is too short for two clips."""
    folder = tmp_path_factory.mktemp("clips")
    for number, frames in enumerate([20, 24, 28, 9, 32, 36]):
        make_video(folder / f"{number}.mp4", frames=frames, size=(64, 48))
    return Catalog.from_folder(folder, progress=False)


@pytest.fixture(scope="module")
def reader() -> ClipReader:
    """Return a reader of clips of 4 frames of 32 x 32 pixels."""
    return ClipReader(**SHAPE, size=32)


def triplets(catalog: Catalog, reader: ClipReader, **changed: Any) -> TripletDataset:
    settings = {"flow_probability": 0.5, "second_view": True, "seed": 3} | changed
    return TripletDataset(catalog, reader, Augmentation(), **settings)


def batches(**changed: Any) -> TripletSampler:
    settings = {"batch_size": 2, "same_video_probability": 0.3, "seed": 3} | changed
    return TripletSampler(len(LABELS.labels), **settings)


def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_draw_gives_the_same_sample_whatever_was_drawn_before(
    catalog: Catalog, reader: ClipReader
) -> None:
    fresh, used = triplets(catalog, reader), triplets(catalog, reader)
    np.random.default_rng().random()
    torch.manual_seed(1)
    for draw in (SampleIndex(0, 1, 4), SampleIndex(5, 2, 2), SampleIndex(0, 0, 2)):
        used[draw]
    torch.manual_seed(2)
    assert same(fresh[SampleIndex(1, 1, 4)], used[SampleIndex(1, 1, 4)])
    assert not torch.equal(
        fresh[SampleIndex(1, 1, 4)].clips, fresh[SampleIndex(2, 1, 4)].clips
    )  # the epoch
    other_seed = triplets(catalog, reader, seed=4)
    assert not torch.equal(
        fresh[SampleIndex(1, 1, 4)].clips, other_seed[SampleIndex(1, 1, 4)].clips
    )


def test_any_number_of_workers_gives_the_same_batches(catalog: Catalog, reader: ClipReader) -> None:
    def epochs(workers: int) -> list[TripletSample]:
        order = batches()
        loader = batch_loader(triplets(catalog, reader), order, workers=workers)
        seen = []
        for epoch in (0, 1):  # the workers live on
            order.start(epoch, LABELS)
            seen += list(loader)
        return seen

    alone = epochs(0)
    assert len(alone) == 6
    for workers in (1, 2):
        assert all(same(a, b) for a, b in zip(alone, epochs(workers), strict=True))


def test_workers_start_after_opencv_used_its_threads(catalog: Catalog, reader: ClipReader) -> None:
    cv2.setNumThreads(2)
    dataset = ClipDataset(catalog, reader, clips=3, view="flow")
    here, there = (list(clip_loader(dataset, batch_size=4, workers=w)) for w in (0, 1))
    assert same(here, there)


class Spans(ClipReader):
    """Notes which frames were asked for; every frame of the answer is its number."""

    def __init__(self) -> None:
        super().__init__(**SHAPE, size=32)
        self.asked: list[tuple[str, list[int]]] = []

    def read(self, video: Any, spans: Any) -> Any:
        self.asked += [(video.id, span.tolist()) for span in spans]
        return [np.zeros((len(span), 32, 43, 3), np.uint8) for span in spans]


def test_anchor_and_positive_of_one_video_share_no_frame(catalog: Catalog) -> None:
    for video in range(len(catalog)):
        for epoch in range(40):
            reader = Spans()
            sample = triplets(catalog, reader, flow_probability=0.0)[
                SampleIndex(epoch, video, video)
            ]
            (first, anchor), (second, positive) = reader.asked  # one decode for the second look too
            assert first == second == catalog[video].id
            together = range(max(anchor[0], positive[0]), min(anchor[-1], positive[-1]) + 1)
            too_short = catalog[video].frames < 2 * 7
            assert (len(together) > 0) == too_short == bool(sample.overlap)


def test_mutual_partners_are_decoded_once_and_their_samples_are_those_of_each_alone(
    catalog: Catalog, reader: ClipReader
) -> None:
    batch = [
        SampleIndex(0, 5, 0),
        SampleIndex(0, 1, 4),
        SampleIndex(0, 4, 1),
        SampleIndex(0, 2, 2),
        SampleIndex(0, 3, 2),
    ]
    dataset = triplets(catalog, reader)
    for together, draw in zip(dataset.__getitems__(batch), batch, strict=True):
        assert same(together, dataset[draw])
    noted = Spans()
    triplets(catalog, noted, flow_probability=0.0).__getitems__(batch)
    decoded = [name for name, _ in groupby(noted.asked, key=lambda asked: asked[0])]
    assert decoded == [f"{number}.mp4" for number in (5, 0, 1, 4, 2, 3, 2)]


def test_the_positive_comes_from_the_partner(catalog: Catalog) -> None:
    reader = Spans()
    sample = triplets(catalog, reader)[SampleIndex(0, 1, 4)]
    assert [video for video, _ in reader.asked] == ["1.mp4", "4.mp4"]
    assert (sample.video.item(), sample.overlap.item()) == (1, 0)
    assert all(span[-1] < catalog[int(name[0])].frames for name, span in reader.asked)


def expected_looks(
    catalog: Catalog, draw: SampleIndex, spans: list[list[int]], flow_probability: float
) -> list[np.ndarray]:
    """Render a sample by plain calls: docs/method.md."""
    videos = (catalog[draw.video], catalog[draw.partner])
    anchor, positive = (
        read_frames(v, s, size=(43, 32)) for v, s in zip(videos, spans, strict=True)
    )
    rng = np.random.default_rng([3, draw.epoch, draw.video, 3])

    def rendered(clip: np.ndarray, flow: bool) -> np.ndarray:
        look = draw_parameters(Augmentation(), width=43, height=32, rng=rng)
        if flow:
            near, moved = around(clip, look, margin=8)
            return render_flow(optical_flow(near), moved, size=32)
        return render_rgb(clip, look, size=32)

    return [
        rendered(anchor, False),
        rendered(positive, bool(rng.random() < flow_probability)),
        rendered(anchor, bool(rng.random() < flow_probability)),
    ]


@pytest.mark.parametrize("flow_probability", [0.0, 0.5, 1.0])
def test_samples_are_what_plain_calls_render(
    catalog: Catalog, reader: ClipReader, flow_probability: float
) -> None:
    for draw in (
        SampleIndex(0, 1, 4),
        SampleIndex(1, 2, 2),
        SampleIndex(2, 5, 0),
        SampleIndex(3, 3, 3),
    ):
        noted = Spans()
        triplets(catalog, noted, flow_probability=0.0)[draw]
        expected = expected_looks(catalog, draw, [s for _, s in noted.asked], flow_probability)
        sample = triplets(catalog, reader, flow_probability=flow_probability)[draw]
        assert np.array_equal(sample.clips.numpy(), np.stack(expected))


def test_the_anchor_is_never_flow_and_two_looks_are_two_draws(
    catalog: Catalog, reader: ClipReader
) -> None:
    rgb, flow = (triplets(catalog, reader, flow_probability=p) for p in (0.0, 1.0))
    one, other = rgb[SampleIndex(0, 1, 4)].clips, flow[SampleIndex(0, 1, 4)].clips
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[1], other[1])
    assert not torch.equal(one[2], other[2])
    assert not torch.equal(one[0], one[2])


def test_without_a_temporal_term_there_is_no_second_look(
    catalog: Catalog, reader: ClipReader
) -> None:
    with_it, without = (triplets(catalog, reader, second_view=s) for s in (True, False))
    assert torch.equal(with_it[SampleIndex(0, 1, 4)].clips[:2], without[SampleIndex(0, 1, 4)].clips)


def drawn(
    order: TripletSampler, epoch: int, labels: PseudoLabels, first_step: int = 0
) -> list[Any]:
    order.start(epoch, labels, first_step=first_step)
    assert len(order) == len(list(order))
    return list(order)


def test_an_epoch_takes_every_video_once_in_another_order() -> None:
    labels = PseudoLabels(np.arange(40) % 7)
    order = TripletSampler(40, batch_size=8, same_video_probability=0.0, seed=0)
    orders = [[d.video for batch in drawn(order, e, labels) for d in batch] for e in range(3)]
    assert all(sorted(videos) == list(range(40)) for videos in orders)
    assert orders[0] != orders[1] != orders[2]


def test_what_does_not_fill_a_batch_is_another_epochs() -> None:
    order = TripletSampler(10, batch_size=4, same_video_probability=0.0, seed=0)
    labels = PseudoLabels(np.zeros(10, int))
    seen = [[d.video for b in drawn(order, e, labels) for d in b] for e in range(20)]
    assert all(len(set(videos)) == 8 for videos in seen)
    assert set().union(*seen) == set(range(10))


def test_mutual_partners_stand_side_by_side_but_for_an_odd_one_of_each_cluster() -> None:
    labels = PseudoLabels(np.array([0] * 50 + [1] * 49 + [2]))
    order = TripletSampler(100, batch_size=10, same_video_probability=0.2, seed=0, mutual=True)
    draws, paired = [], []
    for epoch in range(60):
        of_epoch = [d for batch in drawn(order, epoch, labels) for d in batch]
        assert sorted(d.video for d in of_epoch) == list(range(100))
        paired += [
            d.partner == e.video and e.partner == d.video and d.video != e.video
            for d, e in pairwise(of_epoch)
        ]
        draws += of_epoch
    assert all(labels.labels[d.video] == labels.labels[d.partner] for d in draws)
    itself = np.mean([d.video == d.partner for d in draws if d.video != 99])
    assert itself == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / len(draws)) ** 0.5)
    others = sum(d.video != d.partner for d in draws)
    assert others - 2 * 60 <= 2 * sum(paired) <= others


def test_any_other_video_of_the_cluster_is_as_likely_a_mutual_partner() -> None:
    order = TripletSampler(7, batch_size=7, same_video_probability=0.0, seed=0, mutual=True)
    labels = PseudoLabels(np.array([0, 0, 0, 0, 0, 1, 1]))
    drawn_by = Counter(
        d.partner for e in range(4000) for d in drawn(order, e, labels)[0] if d.video == 2
    )
    assert sorted(drawn_by) == [0, 1, 3, 4]
    assert max(abs(n - 1000) for n in drawn_by.values()) < 4 * (4000 * 0.25 * 0.75) ** 0.5


def test_a_set_smaller_than_the_batch_is_one_batch() -> None:
    order = TripletSampler(3, batch_size=32, same_video_probability=0.0, seed=0)
    (batch,) = drawn(order, 0, PseudoLabels(np.zeros(3, int)))
    assert sorted(d.video for d in batch) == [0, 1, 2]


def test_partners_share_the_pseudo_label_and_the_video_itself_comes_as_often_as_asked() -> None:
    labels = PseudoLabels(np.array([0] * 50 + [1] * 49 + [2]))
    order = TripletSampler(100, batch_size=10, same_video_probability=0.2, seed=0)
    draws = [d for e in range(60) for batch in drawn(order, e, labels) for d in batch]
    assert all(labels.labels[d.video] == labels.labels[d.partner] for d in draws)
    assert all(d.partner == 99 for d in draws if d.video == 99)  # alone in its cluster
    itself = np.mean([d.video == d.partner for d in draws if d.video != 99])
    assert itself == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / len(draws)) ** 0.5)


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("world", [2, 4])
def test_the_processes_slices_are_the_batch_of_one_process(world: int, mutual: bool) -> None:
    labels = PseudoLabels(np.arange(21) % 4)
    shape: dict[str, Any] = {"batch_size": 8, "same_video_probability": 0.3, "seed": 5}
    shape["mutual"] = mutual
    alone = drawn(TripletSampler(21, **shape), 3, labels)
    parts = [
        drawn(TripletSampler(21, **shape, rank=r, world=world), 3, labels) for r in range(world)
    ]
    together = [list(chain(*slices)) for slices in zip(*parts, strict=True)]
    assert together == alone


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("first_step", [0, 1, 3, 5])
def test_a_start_amid_an_epoch_leaves_out_what_was_done(first_step: int, mutual: bool) -> None:
    labels = PseudoLabels(np.arange(20) % 4)
    order = TripletSampler(20, batch_size=4, same_video_probability=0.3, seed=5, mutual=mutual)
    whole = drawn(order, 2, labels)
    assert drawn(order, 2, labels, first_step) == whole[first_step:]


@pytest.mark.parametrize("view", ["rgb", "flow"])
@pytest.mark.parametrize("clips", [1, 3])
@pytest.mark.parametrize("workers", [0, 1])
def test_clips_to_embed_are_the_centre_squares_of_evenly_spaced_clips(
    catalog: Catalog, reader: ClipReader, view: Modality, clips: int, workers: int
) -> None:
    dataset = ClipDataset(catalog, reader, clips=clips, view=view)
    batched = clip_loader(dataset, batch_size=4, workers=workers)
    sizes, rows = zip(*((len(batch), batch) for batch in batched), strict=True)
    assert max(sizes) == 4 // clips
    for video, row in zip(catalog, torch.cat(rows), strict=True):
        spans = (
            [centre_span(video.frames, **SHAPE)]
            if clips == 1
            else evenly_spaced_spans(video.frames, clips, **SHAPE)
        )
        for span, clip in zip(spans, row, strict=True):
            frames = read_frames(video, span, size=(43, 32))
            look = centre_crop(43, 32)
            expected = (
                render_rgb(frames, look, size=32)
                if view == "rgb"
                else render_flow(optical_flow(frames), look, size=32)
            )
            assert np.array_equal(clip.numpy(), expected)


def test_official_placement_is_the_first_clip_and_a_later_one_of_the_partner(
    catalog: Catalog,
) -> None:
    for epoch in range(20):
        reader = Spans()
        dataset = triplets(catalog, reader, flow_probability=0.0, placement="official")
        dataset[SampleIndex(epoch, 0, 4)]
        (first, anchor), (second, positive) = reader.asked
        assert (first, second) == ("0.mp4", "4.mp4")
        assert anchor == [0, 2, 4, 6]
        assert 7 <= positive[0] <= catalog[4].frames - 7
