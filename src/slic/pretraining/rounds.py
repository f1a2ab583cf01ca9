"""A round of clustering: embed every training video, and cluster the embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from slic.clips.clip_dataset import ClipDataset, clip_loader
from slic.clips.reader import ClipReader
from slic.clustering.base import Clusterer, Partitions, PseudoLabels
from slic.clustering.one_per_video import OneClusterPerVideo
from slic.embeddings import Precision, embed
from slic.models.backbones.base import vectors_of
from slic.models.backbones.motion_descriptor import motion_features
from slic.models.encoder import VideoEncoder, to_input
from slic.neighbours.rows import centred_unit_rows, slices_of
from slic.pretraining.distributed import Processes
from slic.pretraining.stored_views import StoredViews
from slic.recipe import RoundInput, RoundOptions
from slic.videos.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class ClusteringRounds:
    """Turns the current encoder into pseudo-labels (Khorasgani et al., CVPR 2022).

    Args:
        clusterer: Embeddings to pseudo-labels.
        options: When videos are clustered, and from which embeddings.
        catalog: The training videos.
        reader: Reads and renders the clips.
        processes: Each embeds its share of the videos.
        seed: Seed of the clustering.
        workers: Number of processes that decode.
        precision: Precision of the forward passes.
        progress: Whether to show a progress bar.
        stored: Views that were computed before; then no video is decoded.
    """

    clusterer: Clusterer
    options: RoundOptions
    catalog: Catalog
    reader: ClipReader
    processes: Processes
    seed: int
    workers: int
    precision: Precision
    progress: bool
    stored: StoredViews | None = None

    def due(self, epoch: int) -> bool:
        """Return whether a round comes before an epoch; one always comes before epoch 0."""
        since_first = epoch - self.options.first_epoch
        return epoch == 0 or (since_first >= 0 and since_first % self.options.every_epochs == 0)

    def cluster(self, encoder: VideoEncoder, *, epoch: int) -> Partitions:
        """Return the pseudo-labels of all training videos, by each vector of the embeddings.

        All processes get those of the main process: on another processor the last bit of a sum may
        differ, and with it the cluster of a video.

        Args:
            encoder: The encoder; it is used in evaluation mode.
            epoch: The epoch that comes next. The first round may use other inputs, and before it
                every video is its own cluster.
        """
        first_epoch = self.options.first_epoch
        no_embeddings = np.zeros((len(self.catalog), 1), np.float32)
        if epoch < first_epoch:
            return dict.fromkeys(encoder.vectors, OneClusterPerVideo()(no_embeddings))
        if not getattr(self.clusterer, "needs_embeddings", True):
            return dict.fromkeys(encoder.vectors, self.clusterer(no_embeddings, seed=self.seed))
        self.processes.share_statistics(encoder)
        inputs = (
            self.options.first_inputs if epoch == first_epoch else None
        ) or self.options.inputs
        share = self.processes.share_of(self.catalog)
        rows = [self._rows(encoder, share, name) for name in inputs]
        gathered = [self.processes.gather_rows(share, part, self.catalog) for part in rows]
        return self.processes.from_main(self._cluster_vectors(encoder, gathered))

    def _cluster_vectors(
        self, encoder: VideoEncoder, inputs: Sequence[Float32[np.ndarray, "n _"]]
    ) -> Partitions:
        """Cluster each vector on its own; the inputs are joined."""
        vectors = encoder.vectors if self.options.layer == "head" else vectors_of(encoder.backbone)
        if len(vectors) == 1:
            slices = {name: slice(None) for name in vectors}  # also where an input is no embedding
        else:
            slices = slices_of(vectors)
        return {name: self._cluster([x[:, part] for x in inputs]) for name, part in slices.items()}

    def _cluster(self, inputs: Sequence[Float32[np.ndarray, "n _"]]) -> PseudoLabels:
        x = centred_unit_rows(inputs, centre=self.options.centre)
        return self.clusterer(x, seed=self.seed)

    def _rows(
        self, encoder: VideoEncoder, share: Catalog, name: RoundInput
    ) -> Float32[np.ndarray, "n d"]:
        """Return one vector per video: its mean embedding, or its mean motion descriptor."""
        if name == "motion":
            return motion_descriptors(
                share,
                self.reader.with_grey_stand_ins(),
                clips=self.options.clips,
                workers=self.workers,
                device=self.processes.device,
            )
        if self.stored is not None:
            mine = range(self.processes.rank, len(self.catalog), self.processes.count)
            return self.stored.mean_embeddings(encoder, mine, layer=self.options.layer)
        return embed(
            encoder,
            share,
            clips=self.options.clips,
            layer=self.options.layer,
            modality=name,
            reader=self.reader.with_grey_stand_ins(),
            workers=self.workers,
            precision=self.precision,
            progress=self.progress and self.processes.is_main,
        ).mean


def motion_descriptors(
    catalog: Catalog, reader: ClipReader, *, clips: int, workers: int, device: torch.device
) -> Float32[np.ndarray, "n d"]:
    """Return the mean motion descriptor of each video, which needs no learning.

    Random encoders average over the frame and lose where things move; the descriptor does not.

    Args:
        catalog: The videos.
        reader: Reads and renders the clips.
        clips: Number of evenly spaced clips of a video.
        workers: Number of processes that decode.
        device: Where descriptors are computed.
    """
    loader = clip_loader(ClipDataset(catalog, reader, clips=clips), batch_size=32, workers=workers)
    rows = []
    for batch in loader:
        x = to_input(batch.flatten(0, 1).to(device, non_blocking=True))
        descriptors = motion_features(x).descriptor
        rows.append(descriptors.view(*batch.shape[:2], -1).mean(dim=1).cpu())
    return torch.cat(rows).numpy()
