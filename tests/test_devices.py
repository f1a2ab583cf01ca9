"""Copies complete in order, and a GPU always has the next work before its last is awaited."""

from collections.abc import Iterator

import pytest
import torch

from slic.devices import PendingCopy, completed_copies, copy_to_host, native_precision


class FakeGpu:
    """Records when work was queued and when its event was awaited."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def queue(self, number: int) -> PendingCopy:
        self.log.append(f"queue {number}")
        return PendingCopy(torch.tensor(number), FakeEvent(self, number))  # type: ignore[arg-type]


class FakeEvent:
    """A CUDA event that records when it is awaited."""

    def __init__(self, gpu: FakeGpu, number: int) -> None:
        self.gpu, self.number = gpu, number

    def synchronize(self) -> None:
        """Record the wait."""
        self.gpu.log.append(f"wait {self.number}")


@pytest.mark.parametrize("count", range(4))
def test_a_gpu_has_the_next_work_before_a_copy_is_awaited(count: int) -> None:
    gpu = FakeGpu()
    copies = list(completed_copies((gpu.queue(n), f"tag {n}") for n in range(count)))
    assert copies == [(torch.tensor(n), f"tag {n}") for n in range(count)]
    queued = [gpu.log.index(f"queue {n}") for n in range(count)]
    awaited = [gpu.log.index(f"wait {n}") for n in range(count)]
    assert queued == sorted(queued)
    assert awaited == sorted(awaited)
    assert all(awaited[n] > queued[n + 1] for n in range(count - 1))


def test_on_a_cpu_every_copy_is_yielded_before_the_next_is_made() -> None:
    made: list[int] = []

    def copies() -> Iterator[tuple[PendingCopy, int]]:
        for n in range(3):
            made.append(n)
            yield copy_to_host(torch.full((2,), n)), n

    for z, n in completed_copies(copies()):
        assert z.tolist() == [n, n]
        assert made == list(range(n + 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_copying_from_a_gpu_does_not_wait() -> None:
    numbers = torch.arange(5.0, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        pending = copy_to_host(numbers * 2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert pending.wait().tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bf16"),
        ({"arch": "aarch64"}, "fp32"),
    ],
)
def test_a_processor_without_native_bf16_uses_fp32(
    capabilities: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert native_precision(torch.device("cpu")) == precision


def test_an_older_pytorch_without_the_query_uses_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert native_precision(torch.device("cpu")) == "fp32"
