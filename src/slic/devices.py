"""Numbers that a device is still computing, on their way to the host."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

About = TypeVar("About")


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
