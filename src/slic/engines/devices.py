"""Which devices an engine uses."""

from typing import TYPE_CHECKING, Literal, TypeAlias

from slic.errors import RecipeError

if TYPE_CHECKING:
    import torch

Devices: TypeAlias = int | Literal["all"] | tuple[int, ...] | None
"""A number of devices, all of them, the numbers of some, or None for what is usual."""


def parse_devices(word: str) -> Devices:
    """Return the devices of a word such as ``2``, ``all``, ``0,1``, or ``1,`` for GPU 1 alone.

    Raises:
        ValueError: It is none of these.
    """
    if word == "all":
        return "all"
    if "," not in word:
        if not (word.isdecimal() and 1 <= int(word) <= 1024):
            raise ValueError(f"devices {word!r}")
        return int(word)
    parts = word.removesuffix(",").split(",")
    if not all(part.isdecimal() for part in parts) or len(set(map(int, parts))) < len(parts):
        raise ValueError(f"devices {word!r}")
    return tuple(map(int, parts))


def default_devices() -> "list[torch.device]":
    """Return what one process uses without being told: the first GPU, or the CPU."""
    import torch

    return [torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")]


def local_devices(devices: Devices) -> "list[torch.device]":
    """Return the devices of this machine, one for each embedding process.

    Only the GPUs that ``CUDA_VISIBLE_DEVICES`` shows count; they are numbered from 0.

    Args:
        devices: Which. None and ``"all"`` are all GPUs. Without a GPU a number is that of processes
            on the CPU, and ``"all"`` is one.

    Raises:
        RecipeError: The machine does not have them.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if isinstance(devices, tuple):
        if missing := [number for number in devices if number >= count]:
            raise RecipeError(
                f"devices {','.join(map(str, devices))}: there is no GPU {missing[0]}; this "
                f"machine shows {count} GPUs, numbered from 0."
            )
        return [torch.device("cuda", number) for number in devices]
    if not count:
        return [torch.device("cpu")] * (devices if isinstance(devices, int) else 1)
    wanted = devices if isinstance(devices, int) else count
    if wanted > count:
        raise RecipeError(f"devices {wanted}: this machine shows only {count} GPUs.")
    if wanted == 1:
        return default_devices()
    return [torch.device("cuda", number) for number in range(wanted)]
