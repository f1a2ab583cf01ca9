"""Open precomputed optical flow of either kind."""

from pathlib import Path
from typing import TypeAlias

from slic.clips.extracted_flow import ExtractedFlow
from slic.clips.flow import FlowOptions
from slic.clips.flow_cache import MAX_CACHED_BOUND, FlowCache
from slic.errors import RecipeError
from slic.videos.catalog import Catalog

FLOW_FOLDER = ".slic-flow"  # in the folder of the videos; hidden, so that no scan enters it


FlowStore: TypeAlias = FlowCache | ExtractedFlow
"""Precomputed optical flow: ``read`` returns the flow of a clip, in pixels of the size that clips
are read at, or None if there is no flow of this video as it is now."""


def open_flow_store(
    flow: FlowOptions, catalog: Catalog, *, size: tuple[int, int], stride: int
) -> FlowStore | None:
    """Open the precomputed flow that the options name.

    ``flow.folder`` is a folder of caches that `slic prepare --flow` wrote, or of images that
    another tool extracted (it then has a subfolder ``u``). None stands for the caches in the folder
    of the videos.

    Args:
        flow: How flow is estimated and drawn, and its folder.
        catalog: The videos.
        size: (width, height) of the frames that clips are read at, in pixels.
        stride: Distance between the frames of a clip.

    Returns:
        The store. None if no folder is named and ``flow.bound`` exceeds what caches store.

    Raises:
        CatalogError: Extracted flow lacks a video.
        RecipeError: The folder does not exist, stores too little motion for ``flow.bound``, or has
            extracted flow of another stride.
    """
    folder = Path(flow.folder) if flow.folder else None
    if folder and not folder.is_dir():
        raise RecipeError(
            f"flow folder {folder}: is not a folder. Write it with `slic prepare --flow`, or give "
            "no flow folder."
        )
    if folder and (folder / "u").is_dir():
        return _open_extracted(folder, catalog, flow=flow, size=size, stride=stride)
    if flow.bound > MAX_CACHED_BOUND:
        if folder is None:
            return None
        raise RecipeError(
            f"flow folder {folder}: caches store motion for a flow bound of up to "
            f"{MAX_CACHED_BOUND:.3f}, but the bound is {flow.bound}. Lower it, or give no flow "
            "folder."
        )
    parent = folder or catalog.root / FLOW_FOLDER
    return FlowCache(parent, method=flow.method, size=size, stride=stride)


def _open_extracted(
    folder: Path, catalog: Catalog, *, flow: FlowOptions, size: tuple[int, int], stride: int
) -> ExtractedFlow:
    if stride != 1:
        raise RecipeError(
            f"flow folder {folder}: extracted flow is that to the next frame, but the clip stride "
            f"is {stride}. Use a stride of 1, or give no flow folder."
        )
    extracted = ExtractedFlow(folder, size=size, vertical=flow.components == "all")
    extracted.check(catalog)
    return extracted


def missing_flow_advice(store: FlowStore, catalog: Catalog, *, named: bool) -> str | None:
    """Return a warning about videos whose flow is not cached, or None.

    A warning is due if the flow is slow to compute (``"tv-l1"``), or if the user ``named`` the
    folder it should be in.
    """
    if not isinstance(store, FlowCache) or not (named or store.method == "tv-l1"):
        return None
    if not (missing := sum(not store.holds(video) for video in catalog)):
        return None
    where = f" in {store}" if named else ""
    pace = ", at about 0.2 s per frame" if store.method == "tv-l1" else ""
    return (
        f"flow by {store.method} is not prepared{where} for {missing} of {len(catalog)} videos and "
        f"is computed while loading{pace}. Run `slic prepare --flow` once, with the same settings, "
        "to compute it ahead of training."
    )
