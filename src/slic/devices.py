"""What a device computes well, and its numbers on their way to the host."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

About = TypeVar("About")


def quick_precision(device: torch.device) -> Literal["fp32", "bf16"]:
    """Return bf16 for a device that computes in it, and fp32 for one that would only imitate it."""
    if device.type == "cuda":
        quick = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        say = getattr(torch.cpu, "get_capabilities", dict)  # an older PyTorch cannot say
        capabilities: dict[str, bool] = say()
        quick = any(capabilities.get(kind) for kind in ("avx512_bf16", "amx_bf16"))
    return "bf16" if quick else "fp32"


class Arriving(NamedTuple):
    """A copy to the host. That of a GPU is under way, while the GPU computes on."""

    copy: Tensor
    there: torch.cuda.Event | None

    def wait(self) -> Tensor:
        """Return the numbers, on the host, once they are there."""
        if self.there is not None:
            self.there.synchronize()
        return self.copy


def send_to_host(numbers: Tensor) -> Arriving:
    """Begin to copy a tensor to the host, and wait for nothing; on a CPU it is there already."""
    copy = numbers.to("cpu", non_blocking=True)  # from a GPU, into pinned memory
    there = None
    if numbers.is_cuda:
        there = torch.cuda.Event()  # type: ignore[no-untyped-call]
        there.record(torch.cuda.current_stream(numbers.device))
    return Arriving(copy, there)


def arrivals(sent: Iterable[tuple[Arriving, About]]) -> Iterator[tuple[Tensor, About]]:
    """Give what arrives, in order; a GPU has the next piece of work before one waits for it."""
    under_way = deque[tuple[Arriving, About]]()
    for piece in sent:
        under_way.append(piece)
        if piece[0].there is None or len(under_way) > 1:
            arriving, about = under_way.popleft()
            yield arriving.wait(), about
    for arriving, about in under_way:
        yield arriving.wait(), about
