"""Flow that was computed before, of whichever kind."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int

from slic.clips.flow import FlowOptions
from slic.clips.flow_cache import LARGEST_BOUND, FlowCache
from slic.clips.flow_pictures import ExtractedFlow
from slic.errors import RecipeError
from slic.videos.catalog import Catalog
from slic.videos.video import Video

FLOW_FOLDER = ".slic-flow"  # in the folder of the videos; hidden, so that no scan enters it


@runtime_checkable
class FlowStore(Protocol):
    """Where flow of clips is read from."""

    def read(
        self, video: Video, span: Int[np.ndarray, " t"]
    ) -> Float32[np.ndarray, "t h w 2"] | None:
        """Return the flow of a clip in pixels of the size that clips are read at.

        None when the store has no flow of this video as it is now.
        """
        ...


def open_flow_store(
    folder: Path | None,
    catalog: Catalog,
    *,
    view: FlowOptions,
    size: tuple[int, int],
    stride: int,
) -> FlowStore | None:
    """Return the flow in a folder, of either kind; None where caches do not keep motion enough.

    Args:
        folder: Caches that `slic prepare --flow` wrote, or extracted pictures; None: the caches in
            the videos' own folder.
        catalog: The videos.
        view: How motion is estimated and drawn.
        size: (width, height) that clips are read at.
        stride: Of the clips.

    Raises:
        CatalogError: It is extracted flow, and a video has none.
        RecipeError: There is no such folder, it is extracted flow of another stride, or it is named
            and keeps less motion than the view draws.
    """
    if folder is None or not (folder / "u").is_dir():
        if folder and not folder.is_dir():
            raise RecipeError(
                f"flow.folder: {folder} is no folder; make it by `slic prepare --flow --out`, or "
                "leave the setting out."
            )
        if view.bound > LARGEST_BOUND:
            if folder:
                raise RecipeError(
                    f"flow.folder: {folder} keeps motion for flow.bound up to {LARGEST_BOUND:.3f}, "
                    f"but it is {view.bound}; take such a one, or leave the folder out."
                )
            return None
        place = folder or catalog.root / FLOW_FOLDER
        return FlowCache(place, method=view.method, size=size, stride=stride)
    if stride != 1:
        raise RecipeError(
            f"flow.folder: {folder} has the motion to the next frame, but clip.stride is {stride}; "
            "use 1, or leave the folder out."
        )
    vertical = view.components == "all"
    extracted = ExtractedFlow(folder, size=size, vertical=vertical)
    extracted.check(catalog)
    return extracted


def missing_flow_advice(store: FlowStore, catalog: Catalog, *, named: bool) -> str | None:
    """Return what to say to someone whose flow is not prepared, where they will miss it.

    That is where it is slow to compute, or where a folder was ``named`` to read it from.
    """
    if not isinstance(store, FlowCache) or not (named or store.method == "tv-l1"):
        return None
    if not (missing := sum(not store.holds(video) for video in catalog)):
        return None
    place = f" in {store}" if named else ""
    pace = ", at about 0.2 s a frame" if store.method == "tv-l1" else ""
    out = f" --out {store.folder.parent}" if named else ""
    return (
        f"flow by {store.method} is not prepared{place} for {missing} of {len(catalog)} videos and "
        f"is computed while loading{pace}. Prepare it once, with the same settings: "
        f"slic prepare {catalog.root} --flow{out}"
    )
