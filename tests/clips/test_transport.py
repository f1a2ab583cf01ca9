"""Batches are the same whether they come through shared memory or through a pipe."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from slic import machine
from slic.clips import loader as loader_module
from slic.clips import transport
from slic.clips.loader import WorkerLoader
from slic.clips.transport import FittingSharedMemory, Piped, free_shared_memory


class Sample(NamedTuple):
    clips: Tensor
    video: int


class Clips(Dataset[Sample]):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, place: int) -> Sample:
        return Sample(torch.full((2, 300), place, dtype=torch.uint8), place)


class Stream(IterableDataset[dict[str, Any]]):
    def __iter__(self) -> Any:
        for place in range(3):
            yield {"rows": np.full((5, 7), place, np.float32), "id": f"video {place}"}


@pytest.fixture(autouse=True)
def nothing_was_warned_of() -> None:
    transport._warned.clear()
    loader_module._warn_of_no_memory.cache_clear()


def batches(workers: int) -> list[Any]:
    return [*WorkerLoader(Clips(), workers=workers, batch_size=4)]


@pytest.mark.parametrize("free", [0, 5_000, 1 << 30])
def test_batches_are_the_same_with_any_shared_memory(
    free: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(transport, "free_shared_memory", lambda: free)
    expected = batches(0)
    with caplog.at_level(logging.WARNING, "slic"):
        found = batches(2)
        rows = [*WorkerLoader(Stream(), workers=1, batch_size=None)]
    assert [type(batch) for batch in found] == [Sample] * 3
    for batch, other in zip(found, expected, strict=True):
        assert torch.equal(batch.clips, other.clips)
        assert torch.equal(batch.video, other.video)
    assert [row["id"] for row in rows] == ["video 0", "video 1", "video 2"]
    assert all(torch.equal(row["rows"], torch.full((5, 7), i)) for i, row in enumerate(rows))
    warned = [text for text in caplog.messages if "--shm-size" in text]
    assert len(warned) == (0 if free > 1e6 else 1)


def test_a_batch_must_fit_for_every_worker_and_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [Clips()[place] for place in range(4)]  # 2,400 bytes
    pack = FittingSharedMemory(torch.utils.data.default_collate, workers=2)
    monkeypatch.setattr(transport, "free_shared_memory", lambda: 7_200)
    assert isinstance(pack(samples), Sample)
    monkeypatch.setattr(transport, "free_shared_memory", lambda: 7_199)
    packed = pack(samples)
    assert isinstance(packed, Piped)
    assert (packed.length, packed.free) == (2_400, 7_199)
    assert torch.equal(packed.open().clips, pack.collate(samples).clips)


def test_memory_that_fills_up_meanwhile_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Tensor) -> None:
        raise RuntimeError("unable to write to file </torch_1_2_3>: shared memory: No space left")

    monkeypatch.setattr(Tensor, "share_memory_", full)
    pack = FittingSharedMemory(torch.utils.data.default_collate, workers=1)
    assert isinstance(pack([Clips()[0]]), Piped)


def test_other_errors_of_a_batch_stay_errors() -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("stack expects each tensor to be equal size")

    with pytest.raises(RuntimeError, match="equal size"):
        FittingSharedMemory(broken, workers=1)([])


def test_without_semaphores_the_main_process_loads(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loader_module, "has_semaphores", lambda: False)
    with caplog.at_level(logging.WARNING, "slic"):
        loader = WorkerLoader(
            Clips(), workers=2, batch_size=4, persistent_workers=True, prefetch_factor=3
        )
        videos = torch.cat([torch.as_tensor(batch.video) for batch in loader])
    assert videos.tolist() == [*range(10)]
    assert loader.num_workers == 0
    assert ["--shm-size" in text for text in caplog.messages] == [True]


def test_semaphores_that_cannot_be_made_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def Semaphore(self) -> None:  # noqa: N802 (the name in multiprocessing)
            raise OSError(28, "No space left on device")

    assert machine.has_semaphores(2)
    monkeypatch.setattr(machine, "get_context", Full)
    assert not machine.has_semaphores(2)


def test_a_folder_that_is_missing_has_no_room(tmp_path: Path) -> None:
    there, missing = free_shared_memory(tmp_path), free_shared_memory(tmp_path / "none")
    assert there is not None
    assert there > 0
    assert missing == 0
