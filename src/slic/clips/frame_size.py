"""What frames are resized to before views of a clip are cut from them."""

from typing import Final

from slic.models.backbones.base import Resize
from slic.videos.video import Video

MAX_ASPECT_RATIO: Final = 4
"""Frames that are longer for their width are squeezed: a strip would need too much memory."""


def fixed_frame_size(size: int, resize: Resize) -> tuple[int, int] | None:
    """Return the (width, height) that frames of every video have, or None if videos differ.

    Args:
        size: Side of the square that the encoder sees, in pixels.
        resize: See `slic.models.backbones.base.ClipSpec`. None is 4:3, so a size of 128 gives
            (171, 128) as in the paper.
    """
    if resize is None:
        return round(size * 4 / 3), size
    return None if isinstance(resize, int) else resize


def frame_size(video: Video, *, size: int, resize: Resize) -> tuple[int, int]:
    """Return the (width, height) that the frames of a video are resized to.

    Args:
        video: The video; its shorter side may be its width.
        size: Side of the square that the encoder sees, in pixels.
        resize: See `fixed_frame_size`.

    Example:
        >>> frame_size(portrait, size=224, resize=256)  # of 720 x 1280 pixels
        (256, 455)
    """
    if fixed := fixed_frame_size(size, resize):
        return fixed
    assert isinstance(resize, int)
    shorter, longer = sorted((video.width, video.height))
    # rounded down, as torchvision and transformers do
    scaled = min(resize * longer // shorter, MAX_ASPECT_RATIO * resize)
    return (resize, scaled) if video.width < video.height else (scaled, resize)
