"""Compare the clusters of a pretraining run with labels while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slic.datasets import Labels
from slic.evaluation.cluster_quality import cluster_quality


@dataclass(frozen=True)
class LabelObserver:
    """Score the clusters of each round against labels; nothing is fed back into the run.

    Attributes:
        labels: Labels of some or all videos of the run.
    """

    labels: Labels

    def clustered(self, ids: Sequence[str], pseudo_labels: Sequence[int]) -> Mapping[str, float]:
        """Return NMI, AMI, purity and V-measure of the clusters of the labelled videos.

        Args:
            ids: Video ids.
            pseudo_labels: The cluster of each of these videos.

        Returns:
            Scores by name; empty if none of the videos has a label.
        """
        label = self.labels.label
        known = [
            (label[video_id], cluster)
            for video_id, cluster in zip(ids, pseudo_labels, strict=True)
            if video_id in label
        ]
        if not known:
            return {}
        return cluster_quality([true for true, _ in known], [cluster for _, cluster in known])
