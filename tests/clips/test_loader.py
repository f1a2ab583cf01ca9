"""Workers keep an error's message, leave signals to the main process, and change no batch."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from slic.clips.augmentation import Augmentation
from slic.clips.loader import LostWorkerError, WorkerLoader, batch_loader
from slic.clips.reader import ClipReader
from slic.clips.sampler import PositiveSampler
from slic.clips.samples import SampleDataset, TrainingSample
from slic.clustering.base import PseudoLabels
from slic.errors import VideoError
from slic.signals import STOP_SIGNALS
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
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_to_all_processes_reaches_only_the_main_one(
    program: Callable[[str], Any], wait_until: Callable[..., None], number: int
) -> None:
    running = program(STOPPED)
    wait_until(lambda: running.out.exists() and "loading" in running.out.read_text(), running)
    running.signal_group(number)
    ended = running.wait(60)
    assert ended.code == 0, ended.err
    assert ended.out.endswith(f"{[*range(8)]} True\n")


class Mortal(Dataset[Tensor]):
    """Kills its worker at the fourth sample, so many times."""

    def __init__(self, folder: Path, deaths: int) -> None:
        self.folder, self.deaths = folder, deaths

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Tensor:
        if index == 3 and len([*self.folder.iterdir()]) < self.deaths:
            (self.folder / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.tensor(index)


class MortalStream(IterableDataset[int]):
    """Kills its worker after two items."""

    def __iter__(self) -> Iterator[int]:
        yield from (0, 1)
        time.sleep(0.3)  # until they have arrived
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def noticed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a death be noticed after 50 ms, in place of PyTorch's 5 s."""
    waits = "torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data.__defaults__"
    monkeypatch.setattr(waits, (0.05,))


@pytest.mark.usefixtures("noticed_soon")
@pytest.mark.parametrize("settings", [{"batch_size": 2}, {"batch_size": None}])
def test_a_worker_that_dies_is_replaced_and_the_batches_stay_the_same(
    settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loader = WorkerLoader(Mortal(tmp_path, 1), workers=1, persistent_workers=True, **settings)
    for _ in range(2):  # the second epoch has new persistent workers
        assert torch.cat([batch.reshape(-1) for batch in loader]).tolist() == [*range(8)]
    assert caplog.messages == ["a loading process died (out of memory?); new ones continue."]
    assert len([*tmp_path.iterdir()]) == 1


@pytest.mark.usefixtures("noticed_soon")
@pytest.mark.parametrize("deaths", [2, 0])
def test_workers_that_die_again_or_in_a_stream_are_an_error(deaths: int, tmp_path: Path) -> None:
    data = Mortal(tmp_path, deaths) if deaths else MortalStream()
    items = iter(WorkerLoader[Any](data, workers=1, batch_size=None))
    assert [int(next(items)), int(next(items))] == [0, 1]
    with pytest.raises(LostWorkerError, match="a loading process died, probably because"):
        list(items)


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
