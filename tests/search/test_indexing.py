"""An index has the embeddings of its videos, and continues where it was stopped."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.clips.reader import ClipReader
from slic.errors import SearchError
from slic.models.backbones import ClipSpec
from slic.models.encoder import HeadSpec, VideoEncoder, to_input
from slic.search import (
    Index,
    IndexReport,
    create_index,
    indexing,
    query_from_clip,
    search,
    update_index,
)
from slic.search.moments import mean_direction
from slic.signals import StopRequested
from slic.videos.catalog import Catalog

MakeVideo = Callable[..., Path]
Updated = Callable[[Index, Path], IndexReport]
Contents = Callable[[Index], dict[str, list[tuple[float, float, bytes]]]]


def test_the_vectors_are_those_of_the_clips(index_of_videos: Index) -> None:
    for video in index_of_videos.videos():
        cut, clip = index_of_videos.windows(video.video), index_of_videos.clip
        reader = ClipReader(frames=clip.frames, stride=clip.stride, size=clip.size)
        ids = index_of_videos.moment_numbers([video.id])[video.id]
        for number, (first, end) in enumerate(zip(cut.first, cut.end, strict=True)):
            frames = reader.read(video.video, [*cut.spans[first:end]])
            clips = np.stack([reader.centred(one, "rgb") for one in frames])
            with torch.no_grad():
                z = index_of_videos.encoder(to_input(torch.from_numpy(clips))).numpy()
            assert index_of_videos.vectors([ids[number]])[0] == pytest.approx(
                mean_direction(z, cut.weights[number], index_of_videos.parts), abs=1e-5
            )
    assert [video.path for video in index_of_videos.videos()] == ["a.mp4", "b.mp4", "sub/c.avi"]
    assert (
        index_of_videos.count
        == sum(video.moments for video in index_of_videos.videos())
        == 4 + 5 + 6
    )


def test_at_a_fixed_rate_a_video_of_twice_the_rate_has_the_same_moments(
    updated: Updated, tmp_path: Path, encoder: VideoEncoder, make_video: MakeVideo
) -> None:
    make_video(tmp_path / "videos" / "25.mp4", frames=60, size=(64, 48), options={"crf": "0"})
    numbered = make_video(
        tmp_path / "videos" / "variable.mkv",
        frames=60,
        size=(64, 48),
        options={"crf": "0"},
        times=[40 * i + 15 * (i % 2) for i in range(60)],  # the frames on display at 12.5 are equal
    )
    clip = ClipSpec(frames=4, fps=12.5, size=32)
    at_rate = VideoEncoder(replace(encoder.config, clip=clip)).eval()
    at_rate.load_state_dict(encoder.state_dict())
    index = create_index(tmp_path / "index", at_rate, window_seconds=1.0)
    updated(index, numbered.parent)
    one, other = (
        index.vectors([*index.moment_numbers([video.id])[video.id].values()])
        for video in index.videos()
    )
    assert len(one) == len(other) == 4
    assert one[:3] == pytest.approx(other[:3], abs=1e-4)
    query = query_from_clip(index, numbered, start_seconds=0.5, end_seconds=1.5)
    assert query.vectors == pytest.approx(one[1:2], abs=1e-4)


def test_an_encoder_without_a_head_is_indexed_by_its_features(
    updated: Updated, tmp_path: Path, encoder: VideoEncoder, videos: Path
) -> None:
    headless = VideoEncoder(replace(encoder.config, head=HeadSpec(hidden=0, embedding=0))).eval()
    index = create_index(tmp_path / "index", headless)
    updated(index, videos)
    assert index.settings.dimension == headless.feature_size
    (hit,) = search(index, query_from_clip(index, videos / "b.mp4"), k=1)
    assert hit.score == pytest.approx(1.0, abs=1e-5)


def test_a_video_that_breaks_off_is_refused_and_the_others_are_indexed(
    contents: Contents, tmp_path: Path, encoder: VideoEncoder, videos: Path
) -> None:
    catalog = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
    shutil.copy(videos / "a.mp4", tmp_path / "kept.mp4")
    data = (videos / "b.mp4").read_bytes()
    (videos / "b.mp4").write_bytes(data[: len(data) // 2])  # after the scan
    index = create_index(tmp_path / "index", encoder, window_seconds=1.0)
    report = update_index(index, catalog, workers=0, progress=False)
    assert [refused.id for refused in report.changes.refused] == ["b.mp4"]
    assert list(contents(index)) == ["a.mp4", "sub/c.avi"]


def test_of_two_files_with_the_same_content_one_is_embedded(
    updated: Updated, contents: Contents, index_of_videos: Index, tmp_path: Path, videos: Path
) -> None:
    before = contents(index_of_videos)
    (tmp_path / "more").mkdir()
    for name in ("one.avi", "two.avi"):
        shutil.copy(videos / "sub" / "c.avi", tmp_path / "more" / name)
    index = create_index(tmp_path / "other", index_of_videos.encoder, window_seconds=1.0)
    report = updated(index, tmp_path / "more")
    assert report.embedded == len(before["sub/c.avi"])
    assert report.moments == 2 * report.embedded
    after = contents(index)
    assert after["one.avi"] == after["two.avi"]


def test_stopped_and_gone_on_is_the_index_made_in_one_go(
    updated: Updated,
    contents: Contents,
    tmp_path: Path,
    encoder: VideoEncoder,
    videos: Path,
    index_of_videos: Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(indexing, "CLIPS_PER_BATCH", 8)
    stopped = create_index(tmp_path / "stopped", encoder, window_seconds=1.0)
    commit, calls = indexing._commit, 0

    def commit_some(*words: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            raise StopRequested
        commit(*words)

    monkeypatch.setattr(indexing, "_commit", commit_some)
    stops = 0
    for _ in range(20):
        try:
            updated(stopped, videos)
            break
        except StopRequested:
            stops += 1
    assert stops > 2
    whole, resumed = contents(index_of_videos), contents(stopped)
    assert resumed.keys() == whole.keys()
    for path in whole:
        assert [row[:2] for row in resumed[path]] == [row[:2] for row in whole[path]]
        for (*_, one), (*_, other) in zip(resumed[path], whole[path], strict=True):
            vectors = np.frombuffer(one, "<f4"), np.frombuffer(other, "<f4")
            assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)


def test_an_index_refuses_what_does_not_fit(index_of_videos: Index, encoder: VideoEncoder) -> None:
    assert create_index(index_of_videos.path, encoder).count == index_of_videos.count
    assert create_index(index_of_videos.path, encoder, window_seconds=1.0, stride_seconds=0.5)
    with pytest.raises(SearchError, match=r"made with window_seconds 1\.0, not 3\.0"):
        create_index(index_of_videos.path, encoder, window_seconds=3.0)
    with pytest.raises(SearchError, match="made with store embedded, not http"):
        create_index(index_of_videos.path, encoder, store="http://localhost:1")
    torch.manual_seed(1)
    other = VideoEncoder(encoder.config)
    with pytest.raises(SearchError, match=f"made with encoder {encoder.fingerprint()}, not with"):
        create_index(index_of_videos.path, other)
    other.save_pretrained(index_of_videos.path / "encoder")
    with pytest.raises(SearchError, match="restore the right one"):
        _ = Index.open(index_of_videos.path).encoder


def test_a_missing_package_is_found_before_anything_is_embedded(
    updated: Updated,
    contents: Contents,
    tmp_path: Path,
    encoder: VideoEncoder,
    videos: Path,
    index_of_videos: Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "slic.search.stores.embedded", raising=False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(SearchError, match=r"pip install 'slic-video\[search\]'"):
        create_index(tmp_path / "new", encoder)
    assert not (tmp_path / "new").exists()
    before = contents(index_of_videos)
    (videos / "a.mp4").unlink()
    with pytest.raises(SearchError, match=r"pip install 'slic-video\[search\]'"):
        updated(Index.open(index_of_videos.path), videos)
    assert contents(index_of_videos) == before


def test_what_cannot_be_leaves_no_index_behind(tmp_path: Path, encoder: VideoEncoder) -> None:
    pytest.importorskip("pymilvus")
    wrong: list[tuple[dict[str, Any], str]] = [
        (
            {"window_seconds": 0.0},
            "window_seconds 0, stride_seconds 0: both must be at least 0.001",
        ),
        (
            {"stride_seconds": 0.0},
            "window_seconds 2, stride_seconds 0: both must be at least 0.001",
        ),
        ({"store": "foo"}, "unknown vector store 'foo'"),
        (
            {"store": "http://127.0.0.1:9"},
            "http://127.0.0.1:9: the Milvus server .* as http://host:19530",
        ),
    ]
    for words, message in wrong:
        with pytest.raises(SearchError, match=message):
            create_index(tmp_path / "index", encoder, **words)
    assert not (tmp_path / "index").exists()
