"""Routes to label moments and to undo the last label change."""

from typing import Any

from fastapi import APIRouter

from slic.errors import SearchError
from slic.search import set_label, undo_label_change
from slic.studio.requests import LabelRequest, UndoRequest
from slic.studio.routes.common import CurrentStudio
from slic.studio.selection import select_moments

router = APIRouter(prefix="/api")


@router.post("/labels")
def post_label(request: LabelRequest, studio: CurrentStudio) -> dict[str, Any]:
    """Label moments, or all moments in a scope, as one change that can be undone.

    Returns:
        ``moments``: how many got or lost a label. ``change``: the number of the change.
    """
    if request.scope is None:
        ids = request.moments
    else:
        ids = select_moments(studio, request.scope).tolist()
    if not ids:
        raise SearchError("No moment is selected.")
    change = set_label(studio.index, ids, request.label or None)
    return {"moments": change.moments, "change": change.id}


@router.post("/undo")
def post_undo(request: UndoRequest, studio: CurrentStudio) -> dict[str, Any]:
    """Undo the last label change.

    Returns:
        ``undone``: how many labelled segments were restored; 0 if there is nothing to undo.
    """
    return {"undone": undo_label_change(studio.index, change_id=request.change)}
