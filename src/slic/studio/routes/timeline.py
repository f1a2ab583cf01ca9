"""Routes for the timeline of one video: its moments with scores, its labels, and ranges of it."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from slic.search import Query
from slic.search.timeline import label_range, video_timeline
from slic.studio.requests import RequestModel, RowId, SearchRequest
from slic.studio.routes.common import CurrentStudio
from slic.studio.selection import ask, scale_of
from slic.studio.state import Studio

router = APIRouter(prefix="/api/videos")
Seconds = Annotated[float, Field(ge=0, le=1e7)]


class TimelineRequest(RequestModel):
    """The search whose scores the moments get; None for no scores."""

    search: SearchRequest | None = None


class RangeLabelRequest(RequestModel):
    """A label for a time range of a video; None removes the labels that lie in it."""

    start: Seconds
    end: Seconds
    label: str | None = Field(default=None, max_length=400)


@router.post("/{video_id}/timeline")
def post_timeline(
    video_id: RowId, request: TimelineRequest, studio: CurrentStudio
) -> dict[str, Any]:
    """Return what is known of a video, in the order of time.

    Returns:
        ``seconds``: where the video ends. ``ids``, ``starts``, ``ends``: its moments. ``labels``:
        its labelled segments, each with ``start``, ``end``, ``label``, ``source`` and
        ``confidence``. ``scores``: the similarity of every moment to the query, and
        ``percentiles``: as in a search; both None without a query.
    """
    video = studio.index.video(video_id)
    moments, labels = video_timeline(studio.index, video_id)
    scores, percentiles = _score(studio, moments.ids.tolist(), request.search)
    return {
        "seconds": video.video.end_seconds,
        "ids": moments.ids.tolist(),
        "starts": moments.starts.tolist(),
        "ends": moments.ends.tolist(),
        "scores": scores,
        "percentiles": percentiles,
        "labels": [
            {"start": segment.start_seconds, "end": segment.end_seconds, **value._asdict()}
            for segment, value in labels
        ],
    }


@router.post("/{video_id}/labels")
def post_range_label(
    video_id: RowId, request: RangeLabelRequest, studio: CurrentStudio
) -> dict[str, Any]:
    """Label a time range of a video, as one change that can be undone as in `routes.labels`.

    Returns:
        ``segments``: how many got or lost a label. ``change``: the number of the change.
    """
    change = label_range(
        studio.index,
        video_id,
        start_seconds=request.start,
        end_seconds=request.end,
        label=request.label or None,
    )
    return {"segments": change.moments, "change": change.id}


def _score(
    studio: Studio, ids: list[int], search: SearchRequest | None
) -> tuple[list[float] | None, list[float] | None]:
    """Return the similarity of moments to a query, and its percentile ranks."""
    if search is None or not ids:
        return None, None
    asked = ask(studio, search)
    mean = Query(asked.query.direction[None], parts=asked.query.parts)
    (direction,) = mean.scaled(asked.weighing.weights)
    scores = (studio.index.vectors(ids) @ direction).tolist()
    scale = scale_of(studio, asked)
    return scores, scale.percentile_ranks(scores).tolist() if scale else None
