"""Filters find what plain Python finds, and cannot reach anything but their columns."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import Index, Moment, set_label
from slic.search.repository import filters

Rows = Callable[..., np.ndarray]


@pytest.fixture
def index(fill: Callable[..., Index], rows: Rows) -> Index:
    return fill({"a/one.mp4": rows(4), "a/two's.mp4": rows(2, seed=1), "b/ü.mp4": rows(6, seed=2)})


def test_filters_find_what_python_finds(index: Index) -> None:
    ids = index.ids()
    set_label(index, ids[:2].tolist(), "wave")
    duration = {video.id: video.duration_seconds for video in index.videos()}
    moments = index.moments(ids)
    cases: dict[str, Callable[[Moment], bool]] = {
        "path like 'a/%'": lambda m: m.path.startswith("a/"),
        "path = 'a/two''s.mp4'": lambda m: m.path == "a/two's.mp4",
        "path glob 'b/*' and start_seconds >= 2": lambda m: m.path[0] == "b" and m.number >= 2,
        "duration > 4 or end_seconds = 3": lambda m: duration[m.video_id] > 4 or m.end_seconds == 3,
        "label = 'wave' and confidence = 1": lambda m: m.id in ids[:2],
        "source = 'given'": lambda m: m.id in ids[:2],
        "source = 'spread' or confidence < 1": lambda m: m.id < 0,
        "label is null": lambda m: m.id not in ids[:2],
        "upper(path) like 'B/%' -- and a comment": lambda m: m.path[0] == "b",
        "cluster is null": lambda m: m.id > 0,
        "1) or (1": lambda m: m.id > 0,
    }
    for where, wanted in cases.items():
        assert index.matching(where).tolist() == [m.id for m in moments if wanted(m)], where


@pytest.mark.parametrize(
    "where",
    [
        "",
        "nonsense",
        "1; DROP TABLE videos",
        "1) UNION SELECT id FROM videos --",
        "path IN (SELECT root FROM videos)",
        "EXISTS (SELECT vector FROM moments)",
        "EXISTS (SELECT 1 FROM about)",
        "EXISTS (SELECT 1 FROM sqlite_master)",
        "EXISTS (SELECT 1 FROM pragma_database_list)",
        "1 IN (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)",
        "load_extension('evil')",
        "randomblob(1000000000) IS NULL",
        "writefile('x', 'y')",
        "fts3_tokenizer('x')",
        "path = char(0)",
        "path = 'a\0b'",
        "path = ?",
        "x" * 2001,
    ],
)
def test_everything_else_is_refused_in_one_line(index: Index, where: str) -> None:
    before = index.count
    with pytest.raises(SearchError) as refusal:
        index.matching(where)
    assert "\n" not in str(refusal.value).replace(where[:57], "")
    assert "give an expression like" in str(refusal.value)
    assert index.count == before


def test_what_takes_too_long_is_broken_off(
    fill: Callable[..., Index], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = fill({"a.mp4": rows(300)})
    monkeypatch.setattr(filters, "MAX_FILTER_SECONDS", 0.05)
    cross = "id IN (SELECT a.id FROM moments a, moments b, moments c WHERE a.id + b.id + c.id = -1)"
    with pytest.raises(SearchError, match=r"it takes more than 0\.05 s"):
        index.matching(cross)
