"""Routes of the view "Label": what to label next, and how the labels agree with each other."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from slic.search.label_queue import LabelQueue
from slic.studio.labelled import (
    LabelledMoments,
    Verdict,
    count_verdicts,
    labelled_moments,
)
from slic.studio.requests import MAX_LABELLED_MOMENTS, MomentScope, RequestModel, RowId
from slic.studio.routes.common import CurrentStudio, describe_moments
from slic.studio.selection import select_moments
from slic.studio.state import Studio

router = APIRouter(prefix="/api")


class QueueRequest(RequestModel):
    """The moments to label next.

    Attributes:
        ahead: Moments that the page shows before them.
        skipped: Moments that the user does not want to label.
        scope: Choose among these only; None chooses from the whole index.
        limit: Number of moments.
    """

    ahead: list[RowId] = Field(default=[], max_length=500)
    skipped: list[RowId] = Field(default=[], max_length=MAX_LABELLED_MOMENTS)
    scope: MomentScope | None = None
    limit: int = Field(default=24, ge=1, le=200)


def _queue_of_request(request: Request) -> LabelQueue:
    queue: LabelQueue = request.app.state.label_queue
    return queue


CurrentQueue = Annotated[LabelQueue, Depends(_queue_of_request)]


@router.post("/queue")
def post_queue(request: QueueRequest, studio: CurrentStudio, queue: CurrentQueue) -> dict[str, Any]:
    """Return the moments to label next, best first, and how the labels agree.

    Returns:
        ``moments``: each with ``guess``, the class that the labels vote for, or None, and
        ``confidence``, its share of the votes. ``left``: number of moments in the scope that have
        no label. ``verdicts``: see `get_verdicts`.
    """
    found = labelled_moments(studio)
    among = None if request.scope is None else select_moments(studio, request.scope)
    ids = queue.next_moments(
        found.labels,
        found.classifier,
        k=request.limit,
        ahead=[moment for moment in request.ahead if moment not in found.labels],
        skipped=request.skipped,
        among=among,
    )
    return {
        "moments": _with_guesses(studio, found, ids),
        "left": _count_left(studio, found, among),
        "verdicts": count_verdicts(found),
    }


@router.get("/verdicts")
def get_verdicts(studio: CurrentStudio) -> dict[str, Any]:
    """Return how many labelled moments are right, wrong and unknown by leave-one-out.

    Returns:
        See `slic.studio.labelled.count_verdicts`. Also ``index``: an id of this index, under which
        the page keeps the order of the labels.
    """
    identity = studio.index.settings.identity
    return {"index": identity} | count_verdicts(labelled_moments(studio))


@router.get("/verdicts/{verdict}")
def get_checked_moments(
    verdict: Verdict,
    studio: CurrentStudio,
    label: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 96,
) -> dict[str, Any]:
    """Return labelled moments of one verdict, with the class that the other labels vote for.

    Args:
        verdict: Which.
        studio: The studio.
        label: Only moments with this label; None stands for all.
        limit: Number of moments.

    Returns:
        ``moments``: those of which the votes are surest come first; a wrong one of these is most
        likely a wrong label. ``total``: how many there are.
    """
    checked = [
        one
        for one in labelled_moments(studio).check()
        if one.verdict == verdict and label in (None, one.label)
    ]
    checked.sort(key=lambda one: (-one.confidence, one.moment))
    shown = {one.moment: one for one in checked[:limit]}
    tiles = describe_moments(studio, studio.index.moments(list(shown)))
    for tile in tiles:
        one = shown[tile["moment"]]
        tile |= {"guess": one.guess, "confidence": one.confidence}
    return {"moments": tiles, "total": len(checked)}


def _with_guesses(studio: Studio, found: LabelledMoments, ids: list[int]) -> list[dict[str, Any]]:
    tiles = describe_moments(studio, studio.index.moments(ids))
    if found.classifier is None or not tiles:
        return [tile | {"guess": None, "confidence": None} for tile in tiles]
    predictions = found.classifier.predict(studio.index.vectors(ids))
    return [
        tile | {"guess": p.label, "confidence": p.confidence}
        for tile, p in zip(tiles, predictions, strict=True)
    ]


def _count_left(studio: Studio, found: LabelledMoments, among: Any) -> int:
    if among is None:
        return studio.index.count - len(found.labels)
    return sum(moment not in found.labels for moment in among.tolist())
