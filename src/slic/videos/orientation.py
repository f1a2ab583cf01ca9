"""How a decoded picture is turned and mirrored before it is shown."""

from typing import Any, NamedTuple

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from jaxtyping import UInt8


class Orientation(NamedTuple):
    """A display matrix whose turn is a multiple of 90 degrees.

    Attributes:
        transpose: Exchange rows and columns first.
        flip_horizontally: Then exchange left and right.
        flip_vertically: Then exchange top and bottom.
    """

    transpose: bool = False
    flip_horizontally: bool = False
    flip_vertically: bool = False

    @classmethod
    def of_frame(cls, frame: VideoFrame) -> "Orientation":
        """Return the orientation that a decoded frame carries; another angle takes the nearest."""
        data: Any = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
        if data is None:
            return cls()
        a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32).tolist()
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (width, height) of a picture of this size after it is turned, or before."""
        return size[::-1] if self.transpose else size

    def apply(self, picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
        """Return a view of the picture, turned."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        if self.flip_horizontally:
            picture = picture[:, ::-1]
        return picture[::-1] if self.flip_vertically else picture
