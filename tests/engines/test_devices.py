"""Devices are counted as the machine shows them, and everything else is refused."""

import pytest
import torch

from slic.engines import local_devices, open_engine, parse_devices
from slic.engines.devices import Devices
from slic.errors import EngineError, RecipeError


@pytest.mark.parametrize(
    ("word", "devices"),
    [("all", "all"), ("1", 1), ("12", 12), ("0,1", (0, 1)), ("3,", (3,)), ("2,0,5", (2, 0, 5))],
)
def test_words_for_devices(word: str, devices: Devices) -> None:
    assert parse_devices(word) == devices


@pytest.mark.parametrize(
    "word", ["", "0", "-1", "1.5", "x", ",", "0,,1", "1,1", "0,x", "9999", "²"]
)
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="devices"):
        parse_devices(word)


def test_on_a_cpu_a_number_is_that_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cpu = torch.device("cpu")
    assert local_devices(None) == local_devices("all") == [cpu]
    assert local_devices(3) == [cpu] * 3
    with pytest.raises(RecipeError, match=r"devices 0,2: there is no GPU 0; this machine shows 0"):
        local_devices((0, 2))
    assert open_engine(devices=1) is open_engine() is None
    assert open_engine(devices=2) is not None


def test_every_gpu_has_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    both = [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert local_devices(None) == local_devices("all") == local_devices(2) == both
    assert local_devices((1,)) == both[1:]
    assert open_engine(devices=1) is None
    with pytest.raises(RecipeError, match="devices 3: this machine shows only 2 GPUs"):
        local_devices(3)


def test_an_engine_that_cannot_be_is_one_line() -> None:
    with pytest.raises(RecipeError, match="address 'a:1': the engine 'local' uses this machine"):
        open_engine("local", address="a:1")
    with pytest.raises(RecipeError, match=r"devices 0,1: the engine 'ray' takes a number"):
        open_engine("ray", devices=(0, 1))
    with pytest.raises(EngineError, match=r"unknown engine 'rya'\. Did you mean 'ray'"):
        open_engine("rya")
