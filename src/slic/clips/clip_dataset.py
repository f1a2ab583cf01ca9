"""The clips of every video that are embedded: evenly spaced, not augmented."""

from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from slic.clips.augmentation import centre_crop
from slic.clips.loader import WorkerLoader
from slic.clips.reader import ClipReader, ClipRequest, Modality
from slic.clips.spans import evenly_spaced_spans
from slic.videos.catalog import Catalog


@dataclass(eq=False)
class ClipDataset(Dataset[UInt8[Tensor, "clips t s s 3"]]):
    """Evenly spaced centre-crop clips of every video, in the order of the catalog.

    Args:
        catalog: The videos.
        reader: Reads and renders the clips.
        clips: Number of clips per video. A single clip is the centre clip.
        modality: ``"rgb"`` or ``"flow"``.

    Example:
        >>> dataset = ClipDataset(catalog, ClipReader(frames=16, stride=1, size=128), clips=10)
        >>> dataset[0].shape  # torch.Size([10, 16, 128, 128, 3])
    """

    catalog: Catalog
    reader: ClipReader
    _: KW_ONLY
    clips: int
    modality: Modality = "rgb"

    def __len__(self) -> int:
        return len(self.catalog)

    def __getitem__(self, index: int) -> UInt8[Tensor, "clips t s s 3"]:
        """Return the clips of video ``index``."""
        video, reader = self.catalog[index], self.reader
        spans = evenly_spaced_spans(
            reader.frame_count(video), self.clips, frames=reader.frames, stride=reader.stride
        )
        crop = centre_crop(*reader.frame_size(video), side=reader.size)
        requests = [ClipRequest(video, span, crop, self.modality) for span in spans]
        return torch.from_numpy(np.stack(reader.render(requests)))


def clip_loader(dataset: ClipDataset, *, batch_size: int, workers: int) -> WorkerLoader[Tensor]:
    """Return a loader of whole videos, in the order of the catalog.

    Args:
        dataset: The clips.
        batch_size: Approximate number of clips per batch. A batch has at least one video.
        workers: Number of worker processes. 0 loads in the main process.
    """
    return WorkerLoader(
        dataset,
        workers=workers,
        batch_size=max(1, batch_size // dataset.clips),
        pin_memory=torch.cuda.is_available(),  # only pinned memory is copied asynchronously
    )
