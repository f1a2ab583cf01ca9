"""Workers fail with their own words, and leave signals to the process that can save."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from slic.clips.loader import WorkerLoader
from slic.errors import VideoError

STOPPED = """
import time
from torch.utils.data import Dataset
from slic.clips.loader import WorkerLoader
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
def test_what_a_worker_says_is_one_line(workers: int) -> None:
    with pytest.raises(VideoError) as caught:
        list(WorkerLoader(Broken(), workers=workers, batch_size=1))
    assert str(caught.value) == "a video.mp4: frame 7 does not decode."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_is_the_main_processs(
    program: Callable[[str], Any], number: int
) -> None:
    running = program(STOPPED)
    deadline = time.monotonic() + 60
    while not running.out.exists() or "loading" not in running.out.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.signal_group(number)
    ended = running.wait(60)
    assert ended.code == 0, ended.err
    assert ended.out.endswith(f"{[*range(8)]} True\n")


def test_a_process_that_ends_amid_loading_ends_its_workers(program: Callable[[str], Any]) -> None:
    early = STOPPED.replace("seen += batch.tolist()", "raise SystemExit(3)")
    ended = program(early).wait(30)
    assert ended.code == 3, ended.err
