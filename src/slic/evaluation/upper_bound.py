"""True labels in the place of clusters: how much better clusters could make an encoder.

A recipe names it by its import path. Pretraining itself has no access to ground truth.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from slic.callbacks import Callback
from slic.clustering.base import PseudoLabels
from slic.datasets import labels_from


@dataclass(frozen=True)
class LabelsAsClusters(Callback):
    """Make the true labels the pseudo-labels of every round: an upper bound for any clustering.

    What is learnt is supervised, and its numbers must not stand beside unsupervised ones. With
    ``compat: official`` these labels are not shifted.

    Args:
        labels: Source of labels, see `slic.datasets.labels_from`.
        annotations: Folder of the official lists. None searches in and beside the videos.

    Example:
        >>> labels = LabelsAsClusters("ucf101:1")
        >>> pretrain("UCF101", out="run", recipe="paper-ucf101", callbacks=[labels])
    """

    labels: str
    annotations: str | None = None

    def on_start(self, run: Any) -> None:
        """Replace the clusterer of the run.

        Raises:
            LabelError: A video has no label, or the source cannot be read.
        """
        catalog = run.rounds.catalog
        ids = [video.whole.id for video in catalog]
        lists = Path(self.annotations) if self.annotations else None
        labels = labels_from(self.labels, root=catalog.root, annotations=lists)(ids)
        clusterer = GivenClusters(tuple(labels.labels_of(ids)))
        run.rounds = replace(run.rounds, clusterer=clusterer)


@dataclass(frozen=True)
class GivenClusters:
    """A clustering that is known: one cluster for each label.

    Args:
        labels: The label of each video, in catalog order.
    """

    labels: tuple[str, ...]
    needs_embeddings: ClassVar[bool] = False

    def __call__(self, x: Float[np.ndarray, "n _"], *, seed: int) -> PseudoLabels:  # noqa: ARG002
        """Return the clusters; the embeddings are not looked at."""
        return PseudoLabels(np.unique(self.labels, return_inverse=True)[1])
