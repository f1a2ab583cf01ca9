"""Windows read in one pass are those read one by one, and no frame is decoded twice or early."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from slic.clips import windows
from slic.clips.reader import ClipReader
from slic.clips.spans import sliding_spans
from slic.clips.windows import stream_clips, window_loader
from slic.models.backbones.base import Resize
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames, stream_frames

SIZE = (48, 36)


@pytest.fixture(scope="module")
def catalog(
    tmp_path_factory: pytest.TempPathFactory,
    make_video: Callable[..., Path],
    make_frames: Callable[..., Path],
) -> Catalog:
    """Return a long video, one shorter than a clip, one that cannot seek, and a folder."""
    folder = tmp_path_factory.mktemp("windows")
    make_video(folder / "long.mp4", frames=45, size=(64, 48))
    make_video(folder / "short.mp4", frames=5, size=(48, 64))
    make_video(folder / "xvid.avi", frames=30, size=(64, 48), codec="mpeg4")
    make_frames(folder / "pictures", frames=19)
    return Catalog.from_folder(folder, progress=False)


@pytest.mark.parametrize("stride", [1, 3])
def test_one_pass_gives_the_clips_that_are_read_one_by_one(catalog: Catalog, stride: int) -> None:
    for video in catalog:
        spans = sliding_spans(video.frames, frames=8, stride=stride)
        clips = list(stream_clips(video, spans, size=SIZE))
        assert len(clips) == len(spans)
        for clip, span in zip(clips, spans, strict=True):
            alone = read_frames(video, span, size=SIZE)
            assert np.array_equal(clip, alone)


def test_every_frame_is_decoded_once_and_not_before_it_is_needed(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def recorded(video: object, indices: list[int], **options: object) -> Iterator[np.ndarray]:
        for index, frame in zip(indices, stream_frames(video, indices, **options), strict=True):  # type: ignore[arg-type]
            decoded.append(index)
            yield frame

    monkeypatch.setattr(windows, "stream_frames", recorded)
    video = next(video for video in catalog if video.id == "long.mp4")
    spans = sliding_spans(video.frames, frames=8, stride=1)
    for span, _ in zip(spans, stream_clips(video, spans, size=SIZE), strict=True):
        assert decoded == list(range(span[-1] + 1))


@pytest.mark.parametrize(("workers", "resize"), [(0, None), (2, None), (2, 40)])
def test_the_loader_gives_every_window_once_and_in_order(
    catalog: Catalog, workers: int, resize: Resize
) -> None:
    reader = ClipReader(frames=8, stride=1, size=32, resize=resize)
    windows_of: dict[int, list[np.ndarray]] = {}
    ended: list[int] = []
    loader = window_loader(
        catalog,
        partial(sliding_spans, frames=8, stride=1),
        size=reader.frame_size,
        windows_per_batch=2,
        transform=partial(reader.centred, modality="rgb"),
        workers=workers,
    )
    for batch in loader:
        assert 1 <= len(batch.clips) <= 2
        assert batch.video not in ended
        windows_of.setdefault(batch.video, []).extend(batch.clips.numpy())
        ended += [batch.video] * batch.last
    assert sorted(ended) == list(range(len(catalog)))
    for index, clips in windows_of.items():
        video = catalog[index]
        spans = sliding_spans(video.frames, frames=8, stride=1)
        assert len(clips) == len(spans)
        for clip, span in zip(clips, spans, strict=True):
            pictures = read_frames(video, span, size=reader.frame_size(video))
            assert np.array_equal(clip, reader.centred(pictures, "rgb"))
