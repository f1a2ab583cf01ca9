"""The log says what a round found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import Accelerator

from slic.clustering.base import PseudoLabels
from slic.pretraining.distributed import Processes
from slic.pretraining.folder import RunFolder
from slic.pretraining.loop import Run
from slic.pretraining.run_log import RunLog
from slic.pretraining.state import TrainingState
from slic.runs import read_log


@pytest.mark.parametrize("recall", [None, 0.993])
def test_the_measured_recall_of_first_neighbours_is_logged(
    tmp_path: Path, recall: float | None
) -> None:
    labels = PseudoLabels(np.array([0, 1, 0]), neighbour_recall=recall)
    state = TrainingState(epochs=9, epoch=2, step=6, pseudo_labels={"embedding": labels})
    run: Any = object.__new__(Run)  # a round needs nothing else of a run
    run.state = state
    with RunFolder(tmp_path) as folder:
        log = RunLog(folder, Processes(Accelerator(cpu=True)), ids=["a", "b", "c"])
        log.on_clustered(run, None)
    (record,) = read_log(tmp_path / "log.jsonl")
    assert (record["clusters"], record["singletons"]) == (2, 1)
    assert record.get("neighbour_recall") == recall
