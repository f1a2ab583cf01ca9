"""Tables of embeddings are read by pandas, PyArrow and NumPy, with the times of the clips."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from slic.embeddings import Embeddings
from slic.embeddings.tables import (
    EmbeddingRows,
    clip_seconds,
    is_table,
    write_clip_table,
    write_table,
)
from slic.errors import WriteError
from slic.models.backbones import ClipSpec
from slic.videos.catalog import Catalog

CLIP = ClipSpec(frames=4, stride=2, size=16)


def some_rows(count: int, *, first: int = 0) -> EmbeddingRows:
    number = np.arange(first, first + count, dtype=np.float64)
    ids = [f"ü {int(i)}.mp4" for i in number]
    vectors = (number[:, None] + [0.0, 0.25, 0.5]).astype(np.float32)
    return EmbeddingRows(ids, number / 2, number / 2 + 2, vectors)


@pytest.mark.parametrize("name", ["moments.parquet", "MOMENTS.PQ"])
def test_pandas_and_pyarrow_read_a_parquet_table(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / name
    blocks = [some_rows(3), some_rows(0), some_rows(2, first=3)]
    assert write_table(path, blocks, size=3, about={"encoder": "0123"}) == 5
    frame = pd.read_parquet(path)
    assert list(frame) == ["id", "start_seconds", "end_seconds", "embedding"]
    rows = some_rows(5)
    assert frame["id"].tolist() == rows.id
    assert frame["start_seconds"].tolist() == rows.start_seconds.tolist()
    assert frame["end_seconds"].tolist() == rows.end_seconds.tolist()
    assert np.array_equal(np.stack(frame["embedding"]), rows.embedding)
    about = json.loads(pq.read_schema(path).metadata[b"slic"])
    assert about == {"format": 1, "encoder": "0123"}


def test_numpy_reads_arrays_of_the_same_names(tmp_path: Path) -> None:
    path = tmp_path / "moments.npz"
    write_table(path, iter([some_rows(2), some_rows(3, first=2)]), size=3, about={})
    with np.load(path, allow_pickle=False) as arrays:
        for name, expected in some_rows(5)._asdict().items():
            assert np.array_equal(arrays[name], expected)
        assert json.loads(str(arrays["slic"])) == {"format": 1}


@pytest.mark.parametrize("name", ["none.parquet", "none.npz"])
def test_no_rows_are_a_table_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert write_table(path, [], size=3, about={}) == 0
    if is_table(path):
        assert len(pd.read_parquet(path)) == 0
    else:
        with np.load(path) as arrays:
            assert arrays["embedding"].shape == (0, 3)


def test_many_small_blocks_are_few_groups_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    blocks = (some_rows(10, first=10 * i) for i in range(1000))
    assert write_table(path, blocks, size=3, about={}) == 10_000
    assert pq.ParquetFile(path).num_row_groups == 2
    assert pd.read_parquet(path)["id"].tolist() == some_rows(10_000).id


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"x\.parquet: could not be written"):
        write_table(tmp_path / "file" / "x.parquet", [some_rows(1)], size=3, about={})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("fps", [None, 12.5])
def test_clips_have_the_times_of_their_frames(
    tmp_path: Path, make_video: Callable[..., Path], fps: float | None
) -> None:
    make_video(tmp_path / "a.mp4", frames=50, size=(64, 48))
    make_video(tmp_path / "short.mp4", frames=4, size=(64, 48))
    catalog = Catalog.from_folder(tmp_path, workers=1, cache=False, progress=False)
    clip = ClipSpec(frames=4, stride=2, size=16) if fps is None else ClipSpec(frames=7, fps=fps)
    first, short = (clip_seconds(video, 3, clip) for video in catalog)
    length = 7 / 25 if fps is None else 7 / 12.5  # 7 frames from the first to the last
    starts = np.array([0, 21, 43]) / 25 if fps is None else np.array([0, 9, 18]) / 12.5
    np.testing.assert_allclose(first[:, 0], starts, atol=1e-6)
    np.testing.assert_allclose(first[:, 1] - first[:, 0], length, atol=1e-6)
    np.testing.assert_allclose(short, [[0, 4 / 25]] * 3, atol=1e-6)


def test_embeddings_of_clips_become_a_row_each(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_video(tmp_path / name, frames=50, size=(64, 48))
    catalog = Catalog.from_folder(tmp_path, workers=1, cache=False, progress=False)
    clips = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    embeddings = Embeddings(
        ids=("a.mp4", "b.mp4"), clips=clips, encoder="0123", layer="head", modality="rgb"
    )
    path = tmp_path / "clips.parquet"
    assert write_clip_table(path, embeddings, catalog, CLIP, backbone="slic/r3d18") == 6
    frame = pd.read_parquet(path)
    assert frame["id"].tolist() == ["a.mp4"] * 3 + ["b.mp4"] * 3
    assert np.array_equal(np.stack(frame["embedding"]), clips.reshape(6, 4))
    expected = np.concatenate([clip_seconds(video, 3, CLIP) for video in catalog])
    assert np.array_equal(frame[["start_seconds", "end_seconds"]], expected)
    about = json.loads(pq.read_schema(path).metadata[b"slic"])
    assert about["layer"] == "head"
    assert about["backbone"] == "slic/r3d18"
