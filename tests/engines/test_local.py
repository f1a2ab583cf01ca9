"""The processes of this machine do what one does; an error or a dead process is one line."""

import os
import signal
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch

from slic.engines import Costs, Work
from slic.engines.local import LocalEngine
from slic.errors import EngineError, VideoError


def double(number: int) -> int:
    return 2 * number


def fail_at(bad: int, number: int) -> int:
    if number == bad:
        raise VideoError(f"{number}: no frame could be decoded")
    return number


def die_at(bad: int, number: int) -> int:
    if number == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def one(_: int) -> int:
    return 1


def squares(_: torch.device) -> Callable[[Sequence[int]], list[int]]:
    return square_all


def square_all(numbers: Sequence[int]) -> list[int]:
    return [number**2 for number in numbers]


def square_work(read: Callable[[int], int]) -> Work[int, int, int, int]:
    return Work(read=read, load=squares, write=double, clips=one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("read", "devices", "error"),
    [
        (partial(die_at, 3), 1, EngineError("an embedding process died")),
        pytest.param(double, 2, None, marks=pytest.mark.soak),
        pytest.param(partial(fail_at, 3), 2, VideoError("3: no frame"), marks=pytest.mark.soak),
    ],
)
def test_processes_share_the_tasks(
    read: Callable[[int], int], devices: int, error: Exception | None
) -> None:
    with LocalEngine(workers=0, devices=devices) as engine:
        results = engine.run(square_work(read), range(5))
        if error is None:
            assert sorted(results) == [0, 8, 32, 72, 128]
            return
        with pytest.raises(type(error), match=str(error)):
            list(results)


def test_a_map_gives_every_value() -> None:
    with LocalEngine(devices=2) as engine:
        assert sorted(engine.map(double, range(9), stage="scan")) == [*range(0, 18, 2)]
        with pytest.raises(VideoError, match="4: no frame"):
            list(engine.map(partial(fail_at, 4), range(9), stage="scan"))


def test_costs_are_summed_by_stage_and_shown_in_one_line() -> None:
    one, other = Costs(), Costs()
    one.cpu_seconds |= {"decode": 3600.0, "embed": 1800.0}
    other.cpu_seconds |= {"decode": 1800.0}
    other.gpu_seconds |= {"embed": 12.0}
    one.add(other)
    assert str(one) == "2.00 CPU-hours (decode 1.50, embed 0.50), 12.00 GPU-seconds (embed 12.00)"
    assert one.to_document()["cpu_hours"] == {"decode": 1.5, "embed": 0.5}
    with other.measuring("scan", gpus=0.5):
        sum(range(100_000))
    assert other.cpu_seconds["scan"] > 0
    assert 0 < other.gpu_seconds["scan"] < other.gpu_seconds["embed"]
