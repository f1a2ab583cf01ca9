"""Precision that suits a device, and copies from a device to the host that do not block."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

TagT = TypeVar("TagT")


def native_precision(device: torch.device) -> Literal["fp32", "bf16"]:
    """Return ``"bf16"`` if the device computes in it natively, else ``"fp32"``.

    A device that emulates bf16 is slower with it than with fp32.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        query = getattr(torch.cpu, "get_capabilities", dict)  # missing in older PyTorch
        capabilities: dict[str, bool] = query()
        native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16" if native else "fp32"


class PendingCopy(NamedTuple):
    """A tensor on its way to the host.

    Attributes:
        tensor: The host copy. Its values are undefined until :meth:`wait` returns.
        event: CUDA event recorded after the copy; None if the copy is complete.
    """

    tensor: Tensor
    event: torch.cuda.Event | None

    def wait(self) -> Tensor:
        """Return the host copy once it is complete."""
        if self.event is not None:
            self.event.synchronize()
        return self.tensor


def copy_to_host(tensor: Tensor) -> PendingCopy:
    """Start copying a tensor to the host, without waiting for the device.

    The copy of a CUDA tensor goes to pinned memory on the current stream. A CPU tensor is returned
    as it is.
    """
    copy = tensor.to("cpu", non_blocking=True)
    event = None
    if tensor.is_cuda:
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(tensor.device))
    return PendingCopy(copy, event)


def completed_copies(copies: Iterable[tuple[PendingCopy, TagT]]) -> Iterator[tuple[Tensor, TagT]]:
    """Yield the completed copies in order, each with its tag.

    On a GPU, the next item of ``copies`` is requested before the previous copy is awaited. So the
    device always has work queued.

    Args:
        copies: Pending copies, made one at a time, each with any value that identifies it.
    """
    pending = deque[tuple[PendingCopy, TagT]]()
    for item in copies:
        pending.append(item)
        if item[0].event is None or len(pending) > 1:
            copy, tag = pending.popleft()
            yield copy.wait(), tag
    for copy, tag in pending:
        yield copy.wait(), tag
