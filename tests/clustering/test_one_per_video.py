"""Every video is its own cluster."""

import numpy as np

from slic.clustering.one_per_video import OneClusterPerVideo


def test_every_row_is_its_own_cluster_and_no_value_is_read() -> None:
    labels = OneClusterPerVideo()(np.full((4, 0), np.nan), seed=0)
    assert labels.summary() == {"clusters": 4, "singletons": 4, "largest": 1}
