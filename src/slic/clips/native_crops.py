"""Cut clips from the frames of a video at its own size, while they are decoded.

Of a large video, one decoded frame is held at a time, not those of a clip.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from slic.clips.augmentation import AugmentationParameters
from slic.clips.rendering import crop_frame
from slic.videos.frames import stream_frames
from slic.videos.sources import resize
from slic.videos.video import Video

CutClip = UInt8[np.ndarray, "t _ _ 3"]  # clips of different sizes are cut together


class Cut(NamedTuple):
    """What a clip keeps of each frame.

    Attributes:
        frames: Frame numbers of the clip.
        size: (width, height) of what is kept.
        crop: The crop and flip, in pixels of the video. None keeps the whole frame.
    """

    frames: Int[np.ndarray, " t"]
    size: tuple[int, int]
    crop: AugmentationParameters | None = None

    def empty_clip(self) -> CutClip:
        """Return a clip to be filled, middle grey."""
        width, height = self.size
        return np.full((len(self.frames), height, width, 3), 128, np.uint8)

    def keep(self, frame: UInt8[np.ndarray, "h w 3"], target: UInt8[np.ndarray, "_ _ 3"]) -> None:
        """Write what is kept of a frame into ``target``."""
        if self.crop is None:
            target[:] = resize(frame, self.size)
        else:
            crop_frame(frame, target, self.crop)


def fill_clips(video: Video, cuts: Sequence[Cut], clips: Sequence[CutClip]) -> None:
    """Decode a video once, and fill the clips of several cuts.

    The last frame of the video replaces frames past its end.

    Args:
        video: The video.
        cuts: What the clips keep.
        clips: One clip of the shape of `Cut.empty_clip` per cut; they are filled in place.

    Raises:
        VideoError: A frame cannot be decoded.
    """
    inside = [np.minimum(cut.frames, video.frames - 1) for cut in cuts]
    places = np.unique(np.concatenate(inside)).tolist()
    frames = stream_frames(video, places, size=(video.width, video.height))
    for place, frame in zip(places, frames, strict=True):
        for cut, wanted, clip in zip(cuts, inside, clips, strict=True):
            for k in np.flatnonzero(wanted == place):
                cut.keep(frame, clip[k])
