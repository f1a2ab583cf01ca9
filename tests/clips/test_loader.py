"""Workers keep an error's message, leave signals to the main process, and change no batch."""

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from slic.clips.augmentation import Augmentation
from slic.clips.loader import WorkerLoader, batch_loader
from slic.clips.reader import ClipReader
from slic.clips.sampler import PositiveSampler
from slic.clips.samples import SampleDataset, TrainingSample
from slic.clustering.base import PseudoLabels
from slic.errors import VideoError
from slic.videos.catalog import Catalog

STOPPED = """
import time
from torch.utils.data import Dataset
from slic.clips.loader import WorkerLoader
from slic.signals import stop_at_ctrl_c
class Slow(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        time.sleep(0.1)
        return i
with stop_at_ctrl_c() as stopping:
    seen = []
    for batch in WorkerLoader(Slow(), workers=2, batch_size=1):
        print("loading", flush=True)
        seen += batch.tolist()
    print(seen, stopping())
"""


class Broken(Dataset[Tensor]):
    """Its third sample cannot be read."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        if index == 2:
            raise VideoError("a video.mp4: frame 7 does not decode.")
        return torch.tensor(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_worker_keeps_its_message(workers: int) -> None:
    with pytest.raises(VideoError) as caught:
        list(WorkerLoader(Broken(), workers=workers, batch_size=1))
    assert str(caught.value) == "a video.mp4: frame 7 does not decode."


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_reaches_only_the_main_one(
    program: Callable[[str], Any], wait_until: Callable[..., None], number: int
) -> None:
    running = program(STOPPED)
    wait_until(lambda: running.out.exists() and "loading" in running.out.read_text(), running)
    running.signal_group(number)
    ended = running.wait(60)
    assert ended.code == 0, ended.err
    assert ended.out.endswith(f"{[*range(8)]} True\n")


def test_a_process_that_ends_amid_loading_ends_its_workers(program: Callable[[str], Any]) -> None:
    early = STOPPED.replace("seen += batch.tolist()", "raise SystemExit(3)")
    ended = program(early).wait(30)
    assert ended.code == 3, ended.err


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_batches(catalog: Catalog, reader: ClipReader) -> None:
    dataset = SampleDataset(
        catalog, reader, Augmentation(), flow_probability=0.5, second_view=True, seed=3
    )

    def two_epochs(workers: int) -> list[TrainingSample]:
        sampler = PositiveSampler(6, batch_size=2, same_video_probability=0.3, seed=3)
        loader = batch_loader(dataset, sampler, workers=workers)
        batches = []
        for epoch in (0, 1):  # the workers live on
            sampler.start(epoch, PseudoLabels(np.array([0, 1, 0, 2, 1, 0])))
            batches += list(loader)
        return batches

    alone = two_epochs(0)
    assert len(alone) == 6
    for workers in (1, 2):
        for one, other in zip(alone, two_epochs(workers), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
