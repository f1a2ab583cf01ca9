"""Route for what the page's filter offers: folders, lengths of videos, and sources of labels."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query

from slic.search import labels_of_moments
from slic.search.facets import common_folder, folders_below, video_extents
from slic.studio.routes.common import CurrentStudio
from slic.studio.state import Studio

router = APIRouter(prefix="/api")
MAX_FOLDERS_SHOWN = 200
FolderPath = Annotated[str, Query(max_length=1000)]


@router.get("/facets")
def get_facets(studio: CurrentStudio, below: FolderPath = "") -> dict[str, Any]:
    """Return what the moments can be filtered by.

    Args:
        studio: The studio.
        below: The folder whose subfolders are listed. It ends with a slash.

    Returns:
        ``below``: the folder; where no other was asked for, the deepest one that has all videos.
        ``top``: that deepest one. ``folders``: paths with numbers of videos and moments, at most
        `MAX_FOLDERS_SHOWN`. ``more``: how many are left out. ``seconds``: of the shortest and the
        longest video, None without videos. ``sources``: number of moments by source of the label.
    """
    extents = studio.cached("extents", lambda: video_extents(studio.index))
    top = common_folder(extents)
    below = below if below.startswith(top) else top
    folders = folders_below(extents, below)
    seconds = [extent.seconds for extent in extents]
    return {
        "below": below,
        "top": top,
        "folders": [folder._asdict() for folder in folders[:MAX_FOLDERS_SHOWN]],
        "more": max(0, len(folders) - MAX_FOLDERS_SHOWN),
        "seconds": (min(seconds), max(seconds)) if seconds else None,
        "sources": studio.cached("sources", lambda: _count_sources(studio)),
    }


def _count_sources(studio: Studio) -> dict[str, int]:
    return dict(Counter(label.source for label in labels_of_moments(studio.index).values()))
