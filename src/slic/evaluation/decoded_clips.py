"""The clips of a video that another package opened: those that `slic.embeddings.embed` takes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from slic.clips.frame_size import frame_size
from slic.clips.reader import ClipReader
from slic.clips.spans import evenly_spaced_spans
from slic.videos.sources import resize
from slic.videos.video import Video

_TOLERANCE_SECONDS = 1e-6  # presentation times are not exact in binary


class ClipCollator:
    """Turns rows with the decoder of a video into a batch of clips; may run in loading processes.

    Args:
        reader: How clips are cut and cropped.
        clips: Number of evenly spaced clips per video.
    """

    def __init__(self, reader: ClipReader, *, clips: int) -> None:
        self.reader, self.clips = reader, clips

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the columns of the rows; ``video`` has clips (b, clips, t, s, s, 3), uint8."""
        batch: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        batch["video"] = torch.stack([self.read(row["video"]) for row in rows])
        return batch

    def read(self, decoder: Any) -> UInt8[Tensor, "clips t s s 3"]:
        """Return the clips of a video, given its `torchcodec.decoders.VideoDecoder`."""
        reader, about = self.reader, decoder.metadata
        video = Video(
            id="",
            path=Path(),
            frames=about.num_frames,
            fps=float(about.average_fps),
            width=about.width,
            height=about.height,
        )
        total = video.frames
        if reader.fps is not None:
            seconds = about.end_stream_seconds - about.begin_stream_seconds
            total = max(1, math.ceil((seconds - _TOLERANCE_SECONDS) * reader.fps))
        spans = evenly_spaced_spans(total, self.clips, frames=reader.frames, stride=reader.stride)
        size = frame_size(video, size=reader.size, resize=reader.resize)
        clips = []
        for span in np.minimum(spans, total - 1):
            frames = self._decode(decoder, span)
            small = np.stack([resize(frame, size) for frame in frames])
            clips.append(reader.centred(small, "rgb"))
        return torch.from_numpy(np.stack(clips))

    def _decode(self, decoder: Any, span: Int[np.ndarray, " t"]) -> UInt8[np.ndarray, "t h w 3"]:
        if self.reader.fps is None:
            batch = decoder.get_frames_at(span.tolist())
        else:
            start = decoder.metadata.begin_stream_seconds
            seconds = start + span / self.reader.fps + _TOLERANCE_SECONDS
            batch = decoder.get_frames_played_at(seconds.tolist())
        frames: UInt8[np.ndarray, "t h w 3"] = batch.data.permute(0, 2, 3, 1).contiguous().numpy()
        return frames
