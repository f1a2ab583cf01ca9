"""The results of searches as one HTML file with moving thumbnails, to look at and to mail."""

import html
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from slic.errors import VideoError
from slic.files import write_atomically
from slic.search.index import Index
from slic.search.results import Hit
from slic.videos.thumbnails import Filmstrip, filmstrip
from slic.videos.video import Video

FRAMES = 16  # 2 s at the 8 frames a second of a filmstrip
SIZE = (240, 180)


@dataclass(frozen=True, kw_only=True)
class Results:
    """One search: what was looked for, in words and as a part of a video, and what was found."""

    title: str
    hits: Sequence[Hit]
    query: Video | None = None
    between_seconds: tuple[float, float] | None = None


def write_contact_sheet(path: Path, index: Index, searches: Sequence[Results]) -> None:
    """Write the page, whole or not at all; it opens offline and asks nothing of other machines.

    A video that is gone or does not decode any more has an empty thumbnail.

    Raises:
        CheckpointError: The file cannot be written.
    """
    ids = {hit.video_id for results in searches for hit in results.hits}
    videos = {video.id: video.as_video() for video in index.videos(sorted(ids))}
    page = resources.files("slic.report").joinpath("contact_sheet.html").read_text("utf-8")
    with ThreadPoolExecutor() as pool:  # decoding leaves Python's lock
        sections = [_section(results, videos, pool) for results in searches]
    page = page.replace("{{index}}", html.escape(str(index.path)))
    page = page.replace("{{sections}}", "\n".join(sections))
    write_atomically(path, page.encode(errors="replace"))  # names of folders need not be Unicode


def clock(seconds: float) -> str:
    """Return a time as ``0:12.5`` or ``1:02:03.0``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02d}.{rest % 10}"


def _section(results: Results, videos: dict[int, Video], pool: ThreadPoolExecutor) -> str:
    parts = [
        (videos[hit.video_id], (hit.best_start_seconds, hit.best_end_seconds))
        for hit in results.hits
    ]
    strips = list(pool.map(lambda part: _strip(*part), parts))
    tiles = [_tile(hit, strip) for hit, strip in zip(results.hits, strips, strict=True)]
    if results.query is not None:
        shown = _strip(results.query, results.between_seconds)
        tiles.insert(0, f"<figure class=query>{shown}<figcaption>looked for</figcaption></figure>")
    found = "".join(tiles) or "<p>Nothing was found.</p>"
    return f"<section><h2>{html.escape(results.title)}</h2><div class=grid>{found}</div></section>"


def _tile(hit: Hit, strip: str) -> str:
    times = f"{clock(hit.start_seconds)} to {clock(hit.end_seconds)}"
    name = f"<b>{html.escape(hit.label)}</b> " if hit.label else ""
    return (
        f'<figure title="{html.escape(hit.path, quote=True)}">{strip}'
        f"<figcaption><i>{hit.score:.3f}</i><span>{html.escape(hit.path)}</span>"
        f"{name}{times}</figcaption></figure>"
    )


def _strip(video: Video, between_seconds: tuple[float, float] | None) -> str:
    try:
        strip: Filmstrip = filmstrip(
            video, frames=FRAMES, size=SIZE, between_seconds=between_seconds
        )
    except (VideoError, OSError):
        return '<div class="strip gone">not readable any more</div>'
    return (
        f'<div class=strip style="--frames:{strip.frames};--seconds:{strip.seconds:.3f}s;'
        f'background-image:url({strip.uri})"></div>'
    )
