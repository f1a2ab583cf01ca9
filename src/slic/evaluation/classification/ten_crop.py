"""The ten-crop test: four corners and the centre, each also mirrored, of half-overlapping windows.

The class probabilities of a video are the mean of the softmax over all its windows and crops. A
crop is a square of the clip's size. Frames have the size that the encoder's clips say; otherwise
their shorter side is 8/7 of a crop's. That is the ratio of 256 to 224 pixels in the usual ten-crop
test, also in CoCLR's (Han et al., NeurIPS 2020) and in that of the authors.
"""

from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor
from tqdm import tqdm

from slic.clips.fixed_rate import frame_count
from slic.clips.frame_size import frame_size
from slic.clips.spans import half_overlapping_spans
from slic.clips.windows import window_loader
from slic.embeddings import Precision
from slic.evaluation.classification.classifier import VideoClassifier
from slic.evaluation.classification.run_folder import ClassificationFolder
from slic.models.backbones.base import Resize
from slic.models.passes import in_passes
from slic.signals import StopRequested, stop_at_ctrl_c
from slic.videos.catalog import Catalog
from slic.videos.video import Video

CROPS = 10
WINDOWS_PER_PASS = 4  # 40 clips with their crops

FrameAspect = Literal["kept", "4:3"]


@torch.no_grad()
def predict_videos(
    classifier: VideoClassifier,
    catalog: Catalog,
    folder: ClassificationFolder,
    *,
    device: torch.device,
    precision: Precision,
    aspect: FrameAspect = "kept",
    workers: int,
    progress: bool,
) -> Float64[np.ndarray, "m k"]:
    """Return the class probabilities of every video by the ten-crop test.

    A video is decoded once, and few of its windows are in memory at a time.

    Args:
        classifier: The trained classifier.
        catalog: The videos.
        folder: Stores each prediction as it is made; stored ones are not made again.
        device: Device of the forward passes.
        precision: ``"bf16"`` runs the forward passes under autocast.
        aspect: See `ten_crop_frame_size`.
        workers: Number of processes that decode; 0 decodes in this process.
        progress: Show a progress bar on stderr.

    Raises:
        StopRequested: Ctrl-C was pressed; the finished videos are stored.
    """
    stored = folder.read_predictions(catalog)
    remaining = catalog.subset([video.id for video in catalog if video.id not in stored])
    clip = classifier.encoder.clip
    spans = partial(half_overlapping_spans, frames=clip.frames, stride=clip.stride)
    blocks = window_loader(
        remaining,
        spans,
        size=partial(ten_crop_frame_size, size=clip.size, resize=clip.resize, aspect=aspect),
        windows_per_batch=WINDOWS_PER_PASS,
        fps=clip.fps,
        workers=workers,
    )
    classifier.to(device).eval()
    total = CROPS * sum(len(spans(frame_count(video, clip.fps))) for video in remaining)
    bar = tqdm(total=total, desc="test", unit="clip", disable=not progress, dynamic_ncols=True)
    parts: dict[int, list[Tensor]] = {}
    with bar, stop_at_ctrl_c() as stop_requested:
        for block in blocks:
            parts.setdefault(block.video, []).append(
                crop_probabilities(classifier, block.clips.to(device), precision=precision)
            )
            if block.last:
                mean = torch.cat(parts.pop(block.video)).mean(dim=(0, 1))
                folder.add_prediction(remaining[block.video], mean.numpy())
            bar.update(CROPS * len(block.clips))
            if stop_requested():
                raise StopRequested
    stored = folder.read_predictions(catalog)
    return np.array([stored[video.id] for video in catalog], dtype=np.float64)


def crop_probabilities(
    classifier: VideoClassifier, windows: UInt8[Tensor, "w t h w2 3"], *, precision: Precision
) -> Float64[Tensor, "w 10 k"]:
    """Return the class probabilities of every crop of every window."""
    crops = ten_crops(windows, size=classifier.encoder.clip.size)
    with torch.autocast(windows.device.type, torch.bfloat16, enabled=precision == "bf16"):
        scores = in_passes(classifier, crops.flatten(0, 1))
    probabilities = scores.double().softmax(dim=1).cpu()
    return probabilities.view(*crops.shape[:2], -1)


def ten_crop_frame_size(
    video: Video, *, size: int, resize: Resize, aspect: FrameAspect = "kept"
) -> tuple[int, int]:
    """Return the (width, height) of the frames from which crops are cut.

    Args:
        video: The video.
        size: Side of a crop, in pixels.
        resize: Size of the frames, see `ClipSpec`. None: the shorter side is 8/7 of a crop's.
        aspect: Aspect ratio of the frames where ``resize`` is None: that of the video, or 4:3.
    """
    side = round(size * 8 / 7)
    if resize is None and aspect == "kept":
        return frame_size(video, size=size, resize=side)
    return frame_size(video, size=size if resize else side, resize=resize)


def five_crop_corners(*, width: int, height: int, size: int) -> list[tuple[int, int]]:
    """Return (left, top) of the corner crops in reading order, then that of the centre crop."""
    right, bottom = width - size, height - size
    if min(right, bottom) < 0:
        raise ValueError(f"a crop of {size} pixels in frames of {width}x{height}")
    return [(0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2)]


def ten_crops(clips: UInt8[Tensor, "b t h w 3"], *, size: int) -> UInt8[Tensor, "b 10 t s s 3"]:
    """Return the five crops of every clip, followed by the same five mirrored."""
    height, width = clips.shape[2:4]
    crops = [
        clips[:, :, top : top + size, left : left + size]
        for left, top in five_crop_corners(width=width, height=height, size=size)
    ]
    return torch.stack([*crops, *(crop.flip(3) for crop in crops)], dim=1)
