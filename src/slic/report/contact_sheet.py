"""A page with the results of searches as moving thumbnails."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slic.errors import VideoError
from slic.report.pages import write_page
from slic.search.index import Index
from slic.search.results import Hit
from slic.videos.thumbnails import Filmstrip, filmstrip
from slic.videos.video import Video

THUMBNAIL_FRAMES = 16  # 2 s at the 8 frames per second of a filmstrip
THUMBNAIL_SIZE = (240, 180)


@dataclass(frozen=True, kw_only=True)
class ContactSheetSearch:
    """One search and its results.

    Attributes:
        title: The query in words.
        hits: The results, best first.
        query: The video of the query, if there is one.
        between_seconds: Start and end of the query in its video; None for the whole video.
    """

    title: str
    hits: Sequence[Hit]
    query: Video | None = None
    between_seconds: tuple[float, float] | None = None


def write_contact_sheet(path: Path, index: Index, searches: Sequence[ContactSheetSearch]) -> None:
    """Write a page that opens offline and loads nothing from other machines.

    A video that cannot be decoded any more gets an empty thumbnail.

    Args:
        path: The HTML file.
        index: The index that was searched.
        searches: The searches, in the order of the page.

    Raises:
        WriteError: The file cannot be written.
    """
    ids = {hit.video_id for search in searches for hit in search.hits}
    videos = {video.id: video.video for video in index.videos(sorted(ids))}
    with ThreadPoolExecutor() as pool:  # decoding releases the global interpreter lock
        sections = [_search_values(search, videos, pool) for search in searches]
    write_page(path, "contact_sheet.html", index=index.path, searches=sections)


def format_clock(seconds: float) -> str:
    """Return a time as ``0:12.5`` or ``1:02:03.0``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02d}.{rest % 10}"


def _search_values(
    search: ContactSheetSearch, videos: dict[int, Video], pool: ThreadPoolExecutor
) -> dict[str, Any]:
    """Return title, thumbnail of the query, and tiles of a search for the template."""
    strips = pool.map(
        _thumbnail,
        [videos[hit.video_id] for hit in search.hits],
        [(hit.best_start_seconds, hit.best_end_seconds) for hit in search.hits],
    )
    tiles = [
        {
            "hit": hit,
            "strip": strip,
            "times": f"{format_clock(hit.start_seconds)} to {format_clock(hit.end_seconds)}",
        }
        for hit, strip in zip(search.hits, strips, strict=True)
    ]
    query = None
    if search.query is not None:
        query = {"strip": _thumbnail(search.query, search.between_seconds)}
    return {"title": search.title, "query": query, "tiles": tiles}


def _thumbnail(video: Video, between_seconds: tuple[float, float] | None) -> Filmstrip | None:
    """Return a moving thumbnail, or None if the video cannot be decoded."""
    try:
        return filmstrip(
            video, frames=THUMBNAIL_FRAMES, size=THUMBNAIL_SIZE, between_seconds=between_seconds
        )
    except (VideoError, OSError):
        return None
