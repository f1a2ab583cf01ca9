"""What a device sends is given in order, and a GPU is waited for only when it has more to do."""

from collections.abc import Iterator

import pytest
import torch

from slic.devices import Arriving, arrivals, quick_precision, send_to_host


class Gpu:
    """Stands for a GPU that takes its time: notes when it was given work and when waited for."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def send(self, number: int) -> Arriving:
        self.noted.append(f"send {number}")
        return Arriving(torch.tensor(number), Event(self, number))  # type: ignore[arg-type]


class Event:
    """The moment when a number has arrived."""

    def __init__(self, gpu: Gpu, number: int) -> None:
        self.gpu, self.number = gpu, number

    def synchronize(self) -> None:
        """Note that somebody waits."""
        self.gpu.noted.append(f"wait {self.number}")


@pytest.mark.parametrize("pieces", range(4))
def test_a_gpu_has_the_next_piece_before_it_is_waited_for(pieces: int) -> None:
    gpu = Gpu()
    given = list(arrivals((gpu.send(n), f"about {n}") for n in range(pieces)))
    assert given == [(torch.tensor(n), f"about {n}") for n in range(pieces)]
    sends = [gpu.noted.index(f"send {n}") for n in range(pieces)]
    waits = [gpu.noted.index(f"wait {n}") for n in range(pieces)]
    assert sends == sorted(sends)
    assert waits == sorted(waits)
    assert all(waits[n] > sends[n + 1] for n in range(pieces - 1))


def test_on_a_cpu_every_piece_is_given_before_the_next_is_made() -> None:
    made: list[int] = []

    def pieces() -> Iterator[tuple[Arriving, int]]:
        for n in range(3):
            made.append(n)
            yield send_to_host(torch.full((2,), n)), n

    for z, n in arrivals(pieces()):
        assert z.tolist() == [n, n]
        assert made == list(range(n + 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_sending_from_a_gpu_does_not_wait() -> None:
    numbers = torch.arange(5.0, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        arriving = send_to_host(numbers * 2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert arriving.wait().tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bf16"),
        ({"arch": "aarch64"}, "fp32"),
    ],
)
def test_a_processor_that_only_imitates_bf16_is_quicker_without(
    capabilities: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert quick_precision(torch.device("cpu")) == precision


def test_an_older_pytorch_that_cannot_say_means_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert quick_precision(torch.device("cpu")) == "fp32"
