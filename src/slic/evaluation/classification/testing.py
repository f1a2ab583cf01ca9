"""The test of a classifier: ten crops of half-overlapping windows over each whole video.

A video's class probabilities are the mean of the softmax over all its windows and crops. Each video
is decoded once, and a few windows of it are in memory at a time, however long it is.
"""

import sys
from functools import partial

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor
from tqdm import tqdm

from slic.clips.spans import half_overlapping_spans
from slic.clips.windows import window_loader
from slic.embeddings import Precision
from slic.evaluation.classification.folder import ClassificationFolder
from slic.evaluation.classification.model import Classifier
from slic.evaluation.ten_crop import CROPS, frame_size, ten_crops
from slic.models.encoder import to_input
from slic.runs import StopRequested, stop_at_ctrl_c
from slic.videos.catalog import Catalog

BLOCK_WINDOWS = 4  # in memory and in one forward pass: 40 clips with their crops


@torch.no_grad()
def predict(
    model: Classifier,
    catalog: Catalog,
    folder: ClassificationFolder,
    *,
    device: torch.device,
    precision: Precision,
    workers: int,
    progress: bool,
) -> Float64[np.ndarray, "m k"]:
    """Return the class probabilities of every video; the folder keeps those that are done.

    Raises:
        StopRequested: Ctrl-C; the finished videos are kept.
    """
    kept = folder.predictions(catalog)
    left = catalog.subset([video.id for video in catalog if video.id not in kept])
    config = model.encoder.config
    shape = {"frames": config.frames, "stride": config.stride}
    total = CROPS * sum(len(half_overlapping_spans(video.frames, **shape)) for video in left)
    blocks = window_loader(
        left,
        partial(half_overlapping_spans, **shape),
        size=frame_size(config.size),
        at_once=BLOCK_WINDOWS,
        workers=workers,
    )
    model.to(device).eval()
    bar = tqdm(total=total, desc="test", unit="clip", disable=not progress, file=sys.stderr,
               dynamic_ncols=True)  # fmt: skip
    sums: dict[int, list[Tensor]] = {}
    with bar, stop_at_ctrl_c() as stopping:
        for block in blocks:
            sums.setdefault(block.video, []).append(
                crop_probabilities(model, block.clips.to(device), precision=precision)
            )
            if block.last:
                mean = torch.cat(sums.pop(block.video)).mean(dim=(0, 1))
                folder.keep_prediction(left[block.video], mean.numpy())
            bar.update(CROPS * len(block.clips))
            if stopping():
                raise StopRequested
    kept = folder.predictions(catalog)
    return np.array([kept[video.id] for video in catalog], dtype=np.float64)


def crop_probabilities(
    model: Classifier, windows: UInt8[Tensor, "w t h w2 3"], *, precision: Precision
) -> Float64[Tensor, "w 10 k"]:
    """Return the softmax of every crop of every window."""
    crops = ten_crops(windows, size=model.encoder.config.size)
    with torch.autocast(windows.device.type, torch.bfloat16, enabled=precision == "bf16"):
        scores = model(to_input(crops.flatten(0, 1)))
    shares: Tensor = scores.double().softmax(dim=1).cpu().unflatten(0, crops.shape[:2])
    return shares
