"""The processes of a run: what they share, and how they agree."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list, gather_object
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from slic.errors import CheckpointError
from slic.models.encoder import VideoEncoder
from slic.pretraining import batch_norm
from slic.videos.catalog import Catalog

STOP_CHECK_STEPS = 8
"""Steps between two exchanges of stop requests; each costs one reduction over all processes."""

ValueT = TypeVar("ValueT")


class Processes:
    """The processes that train one encoder; a single process is the common case.

    Each process embeds its share of a global batch. The loss is computed over the whole batch in
    every process, so several processes take the same steps as one.

    Args:
        accelerator: Started by ``torchrun`` or alone.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.device: torch.device = accelerator.device
        self.count: int = accelerator.num_processes
        self.rank: int = accelerator.process_index
        self.is_main: bool = accelerator.is_main_process

    def place(self, encoder: VideoEncoder, *, share_batch_norm: bool = True) -> VideoEncoder:
        """Move an encoder to the device.

        Args:
            encoder: The encoder.
            share_batch_norm: Whether batch norm is over all processes, and not over each.
        """
        encoder = encoder.to(self.device)
        if self.count == 1 or not share_batch_norm:
            return encoder
        if self.device.type == "cuda":
            convert = nn.SyncBatchNorm.convert_sync_batchnorm
            return convert(encoder)  # type: ignore[no-untyped-call,no-any-return]
        batch_norm.share_batch_norm(encoder)
        return encoder

    def wrap(self, encoder: nn.Module) -> nn.Module:
        """Return the encoder as a module that averages gradients over the processes.

        Call it after weights are restored: DDP registers the parameters that exist now.
        Accelerate's ``prepare`` is not used, because it would also apply the precision, compilation
        and sharding of the user's Accelerate configuration, where only the recipe counts.
        """
        if self.count == 1:
            return encoder
        # With unused parameters allowed, DDP sums gradients in one order from the first step on. A
        # resumed run of three or more processes would otherwise differ in the last bits.
        warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
        # That is so for the weights of some convolutions on CPUs, and costs a copy of them.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        return DistributedDataParallel(
            encoder,
            device_ids=[self.device.index] if self.device.type == "cuda" else None,
            find_unused_parameters=True,
        )

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.accelerator.wait_for_everyone()

    def gather(self, tensor: Tensor) -> Tensor:
        """Return the rows of all processes, in the order of their ranks."""
        gathered: Tensor = self.accelerator.gather(tensor)
        return gathered

    def gather_with_gradient(self, z: Float[Tensor, "b *rest"]) -> Float[Tensor, "all *rest"]:
        """Return the rows of all processes; gradients flow back into the rows of this one.

        Each process has the gradient of its own rows only, and the sum over all is needed. DDP
        divides by their number, so the gradient is multiplied by it first.
        """
        if self.count == 1:
            return z
        parts = list(self.gather(z.detach()).chunk(self.count))
        own = z.clone()
        own.register_hook(lambda gradient: gradient * self.count)  # type: ignore[no-untyped-call]
        parts[self.rank] = own
        return torch.cat(parts)

    def share_of(self, catalog: Catalog) -> Catalog:
        """Return the videos that this process embeds in a round: every ``count``-th one."""
        return catalog.subset([video.id for video in catalog[self.rank :: self.count]])

    def gather_rows(
        self, share: Catalog, rows: Float32[np.ndarray, "m d"], catalog: Catalog
    ) -> Float32[np.ndarray, "n d"]:
        """Return the rows of all processes in catalog order, each video once."""
        if self.count == 1:
            return rows
        ids = [video.id for video in share]
        row_of = dict(gather_object(list(zip(ids, rows, strict=True))))
        return np.stack([row_of[video.id] for video in catalog])

    def from_main(self, value: ValueT) -> ValueT:
        """Return the value of the main process."""
        if self.count == 1:
            return value
        values = [value]
        broadcast_object_list(values)  # in place
        return values[0]

    def share_statistics(self, encoder: VideoEncoder) -> None:
        """Give every process the running statistics of the main process; each saw other clips."""
        if self.count > 1:
            for buffer in encoder.buffers():
                broadcast(buffer, from_process=0)

    def any_at_step(self, flag: bool, step: int) -> bool:
        """Return whether the flag is set in any process.

        Several processes exchange flags every ``STOP_CHECK_STEPS`` steps only, and return False
        between them. A process that stopped alone would leave the others waiting.
        """
        if self.count == 1:
            return flag
        if step % STOP_CHECK_STEPS:
            return False
        flags = torch.tensor(int(flag), device=self.device)
        return bool(self.accelerator.reduce(flags, reduction="sum"))

    def require_agreement(self, videos: str, place: Sequence[Any], folder: Path) -> None:
        """Check that all processes found the same videos and stand at the same step.

        Args:
            videos: Digest of the videos.
            place: Epoch, batch and step.
            folder: The run folder, for the message.

        Raises:
            CheckpointError: One differs. It would wait for the others for ever.
        """
        if self.count == 1:
            return
        places = set(gather_object([(videos, *place)]))
        if len(places) > 1:
            others = len({found for found, *_ in places}) > 1
            what = "found different videos" if others else "would resume at different steps"
            raise CheckpointError(
                f"{folder}: the processes {what}. Give all of them the same folder of videos and "
                "the same run folder."
            )
