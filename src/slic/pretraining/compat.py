"""The method, and the oddities of the authors' code that a reproduction may depend on.

A recipe chooses one by ``compat``. docs/explanation/official-code.md describes each difference.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from slic.clips.fixed_rate import frame_count
from slic.clips.flow import FlowOptions
from slic.clips.spans import PairPlacement, extent, official_placement, random_placement
from slic.clustering.base import Clusterer, PseudoLabels
from slic.losses import InstanceLoss, TripletLoss
from slic.models.backbones import ClipSpec
from slic.videos.catalog import Catalog

_log = logging.getLogger("slic")


class ShiftedClusterer:
    """Gives each video the pseudo-label of the video before it, as the authors' code does.

    Args:
        clusterer: Makes the pseudo-labels.
    """

    def __init__(self, clusterer: Clusterer) -> None:
        self.clusterer = clusterer
        self.needs_embeddings = getattr(clusterer, "needs_embeddings", True)

    def __call__(self, x: Float[np.ndarray, "n d"], *, seed: int) -> PseudoLabels:
        """Return the shifted pseudo-labels."""
        return self.clusterer(x, seed=seed).shifted()


@dataclass(frozen=True, kw_only=True)
class Compat:
    """What differs between the method and the authors' code.

    Attributes:
        select_videos: Returns the videos to train on; `slic.pretraining.entry.pretrain` applies it.
        place_pair: Chooses the frames of anchor and positive; given to `SampleDataset` by
            `slic.pretraining.build.build_run`.
        wrap_clusterer: Returns the clusterer of the rounds; applied by ``build_run`` too.
        wrap_loss: Returns the instance loss; applied by `slic.pretraining.build.build_objective`.
        flow: Returns how optical flow is drawn; applied by `slic.pretraining.build.build_reader`.
    """

    select_videos: Callable[[Catalog, ClipSpec], Catalog]
    place_pair: PairPlacement
    wrap_clusterer: Callable[[Clusterer], Clusterer]
    wrap_loss: Callable[[InstanceLoss], InstanceLoss]
    flow: Callable[[FlowOptions], FlowOptions]


def _videos_of_two_clips(catalog: Catalog, clip: ClipSpec) -> Catalog:
    """Leave out the videos that are too short for two clips, and report their number."""
    least = 2 * extent(clip.frames, clip.stride)
    kept = catalog.subset([video.id for video in catalog if frame_count(video, clip.fps) >= least])
    if short := len(catalog) - len(kept):
        _log.warning("%d videos with fewer than %d frames are left out (compat).", short, least)
    return kept


def _with_fallback_negative(loss: InstanceLoss) -> InstanceLoss:
    """Let triplets without a violating negative take another entry; other losses stay."""
    return replace(loss, fallback="list-position") if isinstance(loss, TripletLoss) else loss


COMPAT: dict[str, Compat] = {
    "none": Compat(
        select_videos=lambda catalog, _: catalog,
        place_pair=random_placement,
        wrap_clusterer=lambda clusterer: clusterer,
        wrap_loss=lambda loss: loss,
        flow=lambda options: options,
    ),
    "official": Compat(
        select_videos=_videos_of_two_clips,
        place_pair=official_placement,
        wrap_clusterer=ShiftedClusterer,
        wrap_loss=_with_fallback_negative,
        flow=lambda options: replace(options, as_picture=True),
    ),
}
