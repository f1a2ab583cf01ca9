"""Clustering of embeddings into pseudo-labels.

`CLUSTERERS` maps the name in a recipe to the class; the arguments in a recipe are those of its
constructor. `slic.clustering.base.Clusterer` says what a class outside the package needs.
"""

from collections.abc import Callable

from slic.clustering.agglomerative import Agglomerative
from slic.clustering.base import Clusterer
from slic.clustering.dbscan import DBSCAN
from slic.clustering.finch import FINCH
from slic.clustering.kmeans import KMeans
from slic.clustering.one_per_video import OneClusterPerVideo
from slic.clustering.optics import OPTICS

CLUSTERERS: dict[str, Callable[..., Clusterer]] = {
    "agglomerative": Agglomerative,
    "dbscan": DBSCAN,
    "finch": FINCH,
    "kmeans": KMeans,
    "none": OneClusterPerVideo,
    "optics": OPTICS,
}
