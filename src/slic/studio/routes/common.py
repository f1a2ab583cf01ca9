"""What several routes share: the studio of a request, and what is told of a moment."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request

from slic.files import is_file
from slic.search import Hit, IndexedVideo, Moment
from slic.studio.playable import is_light, media_type
from slic.studio.state import Studio


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


Here = Annotated[Studio, Depends(_studio)]


def plays(studio: Studio, video: IndexedVideo) -> str | None:
    """Return the type of a file that the browser plays as it is, or None; looked up once."""
    if not is_file(video.file):  # gone, or out of reach; it may come back
        return None
    if video.id not in studio.media_types:
        studio.media_types[video.id] = media_type(video.file)
    return studio.media_types[video.id]


def tiles(studio: Studio, moments: Sequence[Moment | Hit]) -> list[dict[str, Any]]:
    """Return what the page shows of moments."""
    wanted = sorted({moment.video_id for moment in moments})
    videos = {video.id: video for video in studio.index.videos(wanted)}
    return [_tile(studio, moment, videos[moment.video_id]) for moment in moments]


def _tile(studio: Studio, moment: Moment | Hit, video: IndexedVideo) -> dict[str, Any]:
    hit = moment if isinstance(moment, Hit) else None
    return {
        "moment": moment.moment_id if isinstance(moment, Hit) else moment.id,
        "video": video.id,
        "mark": video.fingerprint[:12],
        "path": video.path,
        "start": hit.best_start_seconds if hit else moment.start_seconds,
        "end": hit.best_end_seconds if hit else moment.end_seconds,
        "score": hit.score if hit else None,
        "name": moment.name,
        "native": (native := plays(studio, video) is not None),
        "light": native and is_light(video.file),
        "seconds": video.duration_seconds,
        "width": video.width,
        "height": video.height,
    }
