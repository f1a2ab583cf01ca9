"""Workers fail with their own words, and leave signals to the process that can save."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from slic.clips.loading import WorkerLoader
from slic.errors import UnreadableVideoError

STOPPED = """
import os, signal, time
from torch.utils.data import Dataset
from slic.clips.loading import WorkerLoader
from slic.runs import stop_at_ctrl_c
class Slow(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        time.sleep(0.1)
        return i
with stop_at_ctrl_c() as stopping:
    seen = []
    for batch in WorkerLoader(Slow(), workers=2, batch_size=1):
        if not seen:
            os.killpg(0, getattr(signal, {name!r}))
        seen += batch.tolist()
    print(seen, stopping())
"""


class Broken(Dataset[Tensor]):
    """Its third sample cannot be read."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        if index == 2:
            raise UnreadableVideoError("a video.mp4: frame 7 does not decode.")
        return torch.tensor(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_worker_says_is_one_line(workers: int) -> None:
    with pytest.raises(UnreadableVideoError) as caught:
        list(WorkerLoader(Broken(), workers=workers, batch_size=1))
    assert str(caught.value) == "a video.mp4: frame 7 does not decode."


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_all_processes_is_the_main_processs(
    program: Callable[[str], Any], name: str
) -> None:
    ended = program(STOPPED.format(name=name)).wait(60)
    assert (ended.code, ended.out) == (0, f"{[*range(8)]} True\n"), ended.err
