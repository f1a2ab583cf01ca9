"""Queries are cut like the index, and likes and unlikes are added by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SearchError, VideoError
from slic.models.encoder import VideoEncoder
from slic.search import (
    Index,
    Query,
    create_index,
    query_from_clip,
    query_from_moments,
    query_from_text,
    refine,
    search,
    update_index,
)
from slic.search import query as query_module
from slic.search.query import text_query
from slic.videos.catalog import Catalog

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def test_likes_and_unlikes_by_hand(fill: Fill) -> None:
    e = np.eye(3, dtype=np.float32)
    fill({"a": e})
    like, unlike = [Query(e[:1]), Query(e[1:2])], [Query(e[2:])]
    wanted = np.array([0.5, 0.5, -0.5])
    refined = refine(like, unlike, unlike_weight=0.5)
    assert refined.vectors[0] == pytest.approx(wanted / np.linalg.norm(wanted))
    assert refine(like[:1], []) is like[0]
    with pytest.raises(SearchError, match="at least one clip or moment that is liked"):
        refine([], unlike)
    with pytest.raises(SearchError, match="cancel each other"):
        refine(like[:1], like[:1], unlike_weight=1.0)


def test_a_query_without_a_part_has_no_influence_on_it() -> None:
    parts = {"motion": 2, "text": 2}
    clip = Query(np.array([[1, 0, 0, 1]], np.float32), parts=parts)
    text = text_query(parts, np.array([1, 0], np.float32))
    both = refine([clip, text], [])
    assert both.vectors[0] == pytest.approx(np.array([1, 0, 0.5**0.5, 0.5**0.5]))
    assert text.scaled().tolist() == [[0, 0, 1, 0]]
    assert both.scaled({"motion": 1.0}).tolist() == [[1, 0, 0, 0]]
    less = refine([clip], [text], unlike_weight=1.0)
    assert less.vectors[0] == pytest.approx(np.array([1, 0, -(0.5**0.5), 0.5**0.5]))


def test_a_query_of_moments_is_their_mean_direction(fill: Fill) -> None:
    e = np.eye(3, dtype=np.float32)
    index = fill({"a": e})
    query = query_from_moments(index, [1, 3])
    assert query.vectors[0] == pytest.approx(np.array([0.5, 0.0, 0.5]) * 2**0.5)
    assert query.moments == (1, 3)
    with pytest.raises(SearchError, match="at least one moment"):
        query_from_moments(index, [])
    with pytest.raises(SearchError, match="there is no moment 7"):
        query_from_moments(index, [7])


@pytest.fixture
def clip(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """Return a video of 4.4 s."""
    return make_video(tmp_path / "videos" / "a.mp4", frames=110, size=(64, 48))


@pytest.fixture
def index(tmp_path: Path, encoder: VideoEncoder, clip: Path) -> Index:
    """Return an index of the clip: moments of 1 s every 0.5 s, and a last one from 3.4 s on."""
    made = create_index(tmp_path / "index", encoder, window_seconds=1.0)
    catalog = Catalog.from_folder(clip.parent, workers=1, cache=False, progress=False)
    update_index(made, catalog, workers=0, progress=False)
    return made


def test_a_clip_is_cut_like_the_index(index: Index, clip: Path) -> None:
    moments = index.vectors(index.ids())
    assert [m.start_seconds for m in index.moments(index.ids())][-2:] == [3.0, 3.4]
    whole = query_from_clip(index, clip)
    assert whole.vectors == pytest.approx(moments[:-1], abs=1e-4)  # the last is not on the grid
    part = query_from_clip(index, clip, start_seconds=1.0, end_seconds=3.0)
    assert part.vectors == pytest.approx(moments[2:5], abs=1e-4)
    assert part.moments == ()


def test_a_part_of_a_still_picture_can_be_searched(
    tmp_path: Path, encoder: VideoEncoder, make_video: Callable[..., Path]
) -> None:
    times = [40 * i + 5000 * (i >= 20) for i in range(40)]  # frame 19 is on display for 5 s
    still = make_video(tmp_path / "videos" / "a.mkv", frames=40, size=(64, 48), times=times)
    index = create_index(tmp_path / "index", encoder, window_seconds=1.0)
    catalog = Catalog.from_folder(still.parent, workers=1, cache=False, progress=False)
    update_index(index, catalog, workers=0, progress=False)
    query = query_from_clip(index, still, start_seconds=3.0, end_seconds=4.0)
    moment = index.moment_at("a.mkv", 3.5)
    assert query.vectors == pytest.approx(index.vectors([moment]), abs=1e-4)


def test_a_part_that_cannot_be_searched_is_one_line(
    index: Index, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start, end in ((90.0, None), (2.0, 1.0), (-1.0, None)):
        with pytest.raises(SearchError, match=r"there are no frames from .*the video has 4\.40 s"):
            query_from_clip(index, clip, start_seconds=start, end_seconds=end)
    with pytest.raises(VideoError):
        query_from_clip(index, clip.with_name("none.mp4"))
    monkeypatch.setattr(query_module, "MAX_QUERY_WINDOWS", 3)
    with pytest.raises(SearchError, match=r"4 s are too long for a query; .* at most 2 s"):
        query_from_clip(index, clip)


def test_a_text_finds_what_it_names_in_the_order_of_the_cosines(colour_index: Index) -> None:
    texts = colour_index.encoder.encode_text(["something red"]).numpy()
    ids, x = colour_index.all_vectors()
    cosines = x[:, 3:] @ texts[0] / np.linalg.norm(texts[0])
    best: dict[str, float] = {}
    for moment, cosine in zip(colour_index.moments(ids), cosines.tolist(), strict=True):
        best[moment.path] = max(cosine, best.get(moment.path, -1.0))
    hits = search(colour_index, query_from_text(colour_index, "something red"), k=len(ids))
    assert [hit.path for hit in hits] == sorted(best, key=lambda path: -best[path])
    assert hits[0].path == "red.mp4"
    assert [hit.score for hit in hits] == pytest.approx(sorted(best.values(), reverse=True))


def test_a_text_and_a_like_are_combined_and_filtered(colour_index: Index) -> None:
    flickers = query_from_moments(colour_index, [colour_index.moment_at("green.mp4", 1.0)])
    query = refine([query_from_text(colour_index, "blue"), flickers], [])
    by_text = search(colour_index, query, weights={"text": 1.0})
    assert by_text[0].path == "blue.mp4"
    assert [h.path for h in search(colour_index, query, where="path = 'red.mp4'")] == ["red.mp4"]


def test_texts_that_cannot_be_searched_are_one_line(colour_index: Index, index: Index) -> None:
    with pytest.raises(SearchError, match="The text is empty"):
        query_from_text(colour_index, " ")
    with pytest.raises(SearchError, match=r"no text search.*such as X-CLIP, into another folder"):
        query_from_text(index, "a person falls")
