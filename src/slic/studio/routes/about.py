"""Route for the settings of the index."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from slic.files import as_text
from slic.search import Index
from slic.search.about import about_index
from slic.studio.routes.common import CurrentStudio

router = APIRouter(prefix="/api")
MAX_REFUSED_SHOWN = 200


@router.get("/about")
def get_about(studio: CurrentStudio) -> dict[str, Any]:
    """Return what the index is.

    Returns:
        ``indexes``: the fields of `AboutIndex` and the ``folder``, also of a compared index.
    """
    indexes = [studio.index, *([studio.compared.index] if studio.compared else [])]
    return {"indexes": [describe_index(index) for index in indexes]}


def describe_index(index: Index) -> dict[str, Any]:
    """Return the description of an index for the page; the clip of the encoder is one text."""
    about = about_index(index)
    described = asdict(about)
    if about.encoder is not None:
        clip = about.encoder.clip
        described["encoder"] = {
            "backbone": about.encoder.backbone,
            "arguments": about.encoder.arguments,
            "clip": f"{clip.frames} frames of {clip.size} x {clip.size}, {clip.spacing}",
        }
    described["folder"] = as_text(str(index.path.resolve()))
    described["refused"] = [
        {"path": as_text(file.path), "reason": file.reason}
        for file in about.refused[:MAX_REFUSED_SHOWN]
    ]
    described["refused_total"] = len(about.refused)
    return described
