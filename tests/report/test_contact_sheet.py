"""The page has every hit, escapes file names, and loads nothing from the net."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from slic.report.contact_sheet import ContactSheetSearch, format_clock, write_contact_sheet
from slic.search import Index, Query, search
from slic.videos.inspection import inspect_video


def test_the_page(
    tmp_path: Path, fill: Callable[..., Index], rows: Callable[..., np.ndarray],
    make_video: Callable[..., Path],
) -> None:  # fmt: skip
    hostile = "<script>alert(1)</script> \"'&.mp4"
    index = fill({hostile: rows(3), "gone.mp4": rows(3, seed=1)})
    video = inspect_video(make_video(tmp_path / "q.mp4", frames=100, size=(64, 48)), "q.mp4")
    with index.database.transaction() as connection:
        connection.execute(
            "UPDATE videos SET root = ?, path = ? WHERE path = ?",
            (str(tmp_path), "q.mp4", "gone.mp4"),
        )
    query = Query(index.vectors([1]))
    hits = search(index, query, k=5)
    page = tmp_path / "page.html"
    searches = [
        ContactSheetSearch(title=hostile, hits=hits, query=video, between_seconds=(0.5, 1.5)),
        ContactSheetSearch(title="nothing", hits=[]),
    ]
    write_contact_sheet(page, index, searches)
    text = page.read_text("utf-8")
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 3
    assert text.count("<figure") == len(hits) + 1 == 3
    assert text.count("background-image:url(data:image/webp") == 2
    assert text.count('class="strip gone"') == 1  # its file is not there
    assert "Nothing was found." in text
    assert re.findall(r"(?:https?:)?//[a-z]", re.sub(r"base64,[^)]*", "", text)) == []
    assert "default-src 'none'" in text


def test_times() -> None:
    assert [format_clock(s) for s in (0.0, 9.96, 75.25, 3661.04)] == [
        "0:00.0",
        "0:10.0",
        "1:15.2",
        "1:01:01.0",
    ]
