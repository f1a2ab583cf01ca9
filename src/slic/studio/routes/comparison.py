"""Route for the same search in a second index."""

import time
from typing import Any

from fastapi import APIRouter

from slic.studio.comparison import compare, overlap_at_k
from slic.studio.requests import CompareRequest
from slic.studio.routes.common import CurrentStudio, describe_moments

router = APIRouter(prefix="/api")


@router.post("/compare")
def post_compare(request: CompareRequest, studio: CurrentStudio) -> dict[str, Any]:
    """Search the compared index for what the page has searched in the first one.

    Returns:
        ``moments``: what it finds, as a search describes it. ``collection`` names the index in
        addresses of media, ``twin`` is the moment of the first index at the same place or None, and
        ``also`` the rank there or None. ``also``: for each moment shown, its rank in the compared
        index or None. ``overlap``: the share of the first ``k`` that both have. ``skipped``: number
        of examples that the compared index does not have. Further see `post_search`.
    """
    started = time.perf_counter()
    comparison = compare(studio, request)
    assert studio.compared is not None
    found = comparison.found
    moments = describe_moments(studio.compared, found.hits)
    ours, theirs = dict(reversed(comparison.pairs)), {b: a for a, b in reversed(comparison.pairs)}
    for position, moment in enumerate(moments):
        moment["percentile"] = found.percentiles[position] if found.percentiles else None
        moment["collection"] = "compared"
        moment["twin"] = comparison.twins[position]
        moment["also"] = theirs[position] + 1 if position in theirs else None
    k = min(len(moments), len(request.shown))
    return {
        "moments": moments,
        "also": [ours[i] + 1 if i in ours else None for i in range(len(request.shown))],
        "k": k,
        "overlap": overlap_at_k(comparison.pairs, k) if k else 0.0,
        "skipped": comparison.skipped,
        "weights": found.weighing.weights,
        "weights_from": found.weighing.source,
        "compared_with": "pairs" if request.like else "moments",
        "seconds": time.perf_counter() - started,
    }
