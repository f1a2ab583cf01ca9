"""Ground truth; evaluation may look at it, pretraining cannot import it.

It comes from a CSV file, from the folders that the videos lie in, or from the official lists of a
benchmark: :func:`labels_from` reads any of them.
"""

from slic.datasets.sources import BENCHMARKS, Labeller, labels_from
from slic.datasets.table import Labels, read_labels

__all__ = ["BENCHMARKS", "Labeller", "Labels", "labels_from", "read_labels"]
