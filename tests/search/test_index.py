"""Moments and videos are found by id and by place; what does not exist is one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from slic.errors import SearchError
from slic.models.encoder import VideoEncoder
from slic.search import Index, Query, create_index, search

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def test_a_path_that_two_folders_have_is_refused_and_absolute_in_results(
    fill: Fill, rows: Rows, add: Callable[..., list[int]]
) -> None:
    index = fill({"x.mp4": rows(3), "y.mp4": rows(3, seed=1)})
    (twin, *_) = add(index, "x.mp4", rows(3, seed=2), root="/w")
    message = "x.mp4: 2 videos of .* have this path, among them /v/x.mp4 and /w/x.mp4; give an abs"
    with pytest.raises(SearchError, match=message):
        index.moment_at("x.mp4", 1.0)
    assert index.moment_at("/w/x.mp4", 1.0) == twin
    assert index.moment_at("/v/x.mp4", 1.0) == 1
    assert index.moment_at("/v/y.mp4", 1.0) == index.moment_at("y.mp4", 1.0) == 4
    paths = {hit.path for hit in search(index, Query(rows(1)), k=9)}
    assert paths == {"/v/x.mp4", "/w/x.mp4", "y.mp4"}


def test_the_moment_whose_middle_is_nearest(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(4), "b": rows(0)})
    assert [index.moment_at("a", seconds) for seconds in (0.0, 1.4, 1.6, 3.9, 99.0)] == [
        1,
        1,
        2,
        4,
        4,
    ]
    for path in ("nowhere", "b"):
        with pytest.raises(SearchError, match=f"{path}: not a video of"):
            index.moment_at(path, 1.0)


def test_what_does_not_exist_is_one_line(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(2)})
    with pytest.raises(SearchError, match="there is no video 5"):
        index.video(5)
    with pytest.raises(SearchError, match="there is no moment 9"):
        index.moments([1, 9])
    with pytest.raises(SearchError, match="there is no moment 9"):
        index.vectors([9, 1])
    with pytest.raises(SearchError, match="cannot hold this number"):
        index.video(10**30)


def test_an_encoder_that_did_not_embed_the_moments_is_refused(
    tmp_path: Path, encoder: VideoEncoder
) -> None:
    index = create_index(tmp_path / "index", encoder)
    assert index.encoder.fingerprint() == encoder.fingerprint()
    assert index.clip == encoder.clip
    torch.manual_seed(1)
    VideoEncoder(encoder.config).save_pretrained(index.path / "encoder")
    with pytest.raises(SearchError, match="restore the right one"):
        _ = Index.open(index.path).encoder


def test_all_vectors_are_in_the_order_of_ids(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(3), "b": rows(2, seed=1)})
    ids, x = index.all_vectors()
    assert ids.tolist() == index.ids().tolist() == [1, 2, 3, 4, 5]
    assert x == pytest.approx(np.concatenate([rows(3), rows(2, seed=1)]))
    empty = fill({"a": rows(0)}, name="empty")
    assert empty.all_vectors()[1].shape == (0, 8)
