"""Routes to correct clusters, and to undo a correction."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from slic.search import (
    ClusterChange,
    merge_clusters,
    move_moments,
    split_cluster,
    undo_cluster_change,
)
from slic.studio.requests import ClusterId, RequestModel, RowId, UndoRequest
from slic.studio.routes.common import CurrentStudio

router = APIRouter(prefix="/api/clusters")
MAX_PARTS = 50


class MergeRequest(RequestModel):
    """Clusters of a level to merge into the first of them."""

    level: RowId
    clusters: list[RowId] = Field(min_length=2, max_length=1000)


class SplitRequest(RequestModel):
    """A cluster to split by k-means."""

    cluster: ClusterId
    parts: Annotated[int, Field(ge=2, le=MAX_PARTS)] = 2


class MoveRequest(RequestModel):
    """Moments to move into a cluster of a level, or into a new one (None)."""

    level: RowId
    moments: list[RowId] = Field(min_length=1, max_length=100_000)
    cluster: RowId | None = None


@router.post("/merge")
def post_merge(request: MergeRequest, studio: CurrentStudio) -> dict[str, Any]:
    """Merge clusters.

    Returns:
        ``clusters``: the clusters that the change made or kept. ``change``: its number.
    """
    return _describe(merge_clusters(studio.index, request.clusters, level=request.level))


@router.post("/split")
def post_split(request: SplitRequest, studio: CurrentStudio) -> dict[str, Any]:
    """Split a cluster; the largest part keeps its id. Returns the same as `post_merge`."""
    cluster = request.cluster
    return _describe(
        split_cluster(studio.index, cluster.id, parts=request.parts, level=cluster.level)
    )


@router.post("/move")
def post_move(request: MoveRequest, studio: CurrentStudio) -> dict[str, Any]:
    """Move moments into another cluster. Returns the same as `post_merge`."""
    return _describe(
        move_moments(studio.index, request.moments, request.cluster, level=request.level)
    )


@router.post("/undo")
def post_cluster_undo(request: UndoRequest, studio: CurrentStudio) -> dict[str, Any]:
    """Undo the last correction. Returns ``undone``: whether there was one."""
    return {"undone": undo_cluster_change(studio.index, change_id=request.change)}


def _describe(change: ClusterChange) -> dict[str, Any]:
    return {"clusters": list(change.clusters), "change": change.id}
