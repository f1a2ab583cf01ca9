"""What several routes share: the studio of a request, and the description of a moment."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from slic.search import Hit, IndexedVideo, Moment
from slic.studio import previews
from slic.studio.state import Studio


async def _studio_of_request(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


CurrentStudio = Annotated[Studio, Depends(_studio_of_request)]
OptionalLevel = Annotated[int | None, Query(ge=0)]


def describe_moments(studio: Studio, moments: Sequence[Moment | Hit]) -> list[dict[str, Any]]:
    """Return moments as the page receives them.

    Returns:
        For each moment: ids, path, label, score (None outside a search), times in seconds, and how
        to play it. ``content`` identifies the video's content. ``plays`` tells that the browser
        plays the file itself, ``plays_in_grid`` that a grid plays the file too and not a preview.
    """
    video_ids = sorted({moment.video_id for moment in moments})
    videos = studio.index.videos(video_ids)
    types = studio.media.media_types(videos)
    known = {video.id: (video, kind) for video, kind in zip(videos, types, strict=True)}
    return [_describe_moment(moment, *known[moment.video_id]) for moment in moments]


def _describe_moment(
    moment: Moment | Hit, video: IndexedVideo, media_type: str | None
) -> dict[str, Any]:
    hit = moment if isinstance(moment, Hit) else None
    playable = media_type is not None
    return {
        "moment": moment.moment_id if isinstance(moment, Hit) else moment.id,
        "video": video.id,
        "content": video.content_id[:12],
        "path": video.path,
        "start": hit.best_start_seconds if hit else moment.start_seconds,
        "end": hit.best_end_seconds if hit else moment.end_seconds,
        "score": hit.score if hit else None,
        "label": moment.label,
        "plays": playable,
        "plays_in_grid": playable and video.size <= previews.MAX_GRID_FILE_BYTES,
        "seconds": video.duration_seconds,
        "width": video.video.width,
        "height": video.video.height,
    }
