"""What a run's log says of a round."""

from pathlib import Path

import numpy as np
import pytest
from accelerate import Accelerator

from slic.clustering.base import PseudoLabels
from slic.pretraining.folder import RunFolder
from slic.pretraining.reporting import Reporter
from slic.runs import read_log


@pytest.mark.parametrize("recall", [None, 0.993])
def test_the_recall_of_neighbours_that_were_not_searched_exactly_is_logged(
    tmp_path: Path, recall: float | None
) -> None:
    labels = PseudoLabels(np.array([0, 1, 0]), neighbour_recall=recall)
    with RunFolder(tmp_path) as folder:
        reporter = Reporter(folder, Accelerator(cpu=True))
        reporter.clustered(labels, epoch=2, step=6, agreement=None)
    (told,) = read_log(tmp_path / "log.jsonl")
    assert (told["clusters"], told["singletons"], told.get("neighbour_recall")) == (2, 1, recall)
