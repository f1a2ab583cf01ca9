"""What is known of one video, and of one that was refused."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video whose frames decode: a file, or a folder of numbered frames.

    Attributes:
        id: Posix path relative to the catalog's root; it stays when the whole folder moves. Of a
            listed video that lies elsewhere, its absolute path.
        path: The file, or the folder of frames.
        frames: Frames that really decode, counted by decoding them all once.
        fps: Frames per second (the mean when the rate varies; 25 for a folder of frames).
        width: Pixels of a frame as it is shown, after the rotation flag.
        height: Pixels, likewise.
        seekable: Jumping to a frame gives the frame that reading from the start gives. Checked
            when the video was scanned; where it is false, frames are reached from the start.
        keyframe_gap: Longest distance in frames between key frames: what a jump may cost.
        stamped: Its time stamps tell PyAV the same frames, bit by bit: checked when it was scanned.
            Clips are then read by them, which is quicker.
        interlaced: OpenCV does not convert its frames, so PyAV reads them. None where no scan found
            out; it is then looked at when the video is read.
    """

    id: str
    path: Path
    frames: int
    fps: float
    width: int
    height: int
    seekable: bool
    keyframe_gap: int = 32
    stamped: bool = False
    interlaced: bool | None = None

    @property
    def duration_seconds(self) -> float:
        """Length of the video at its frame rate."""
        return self.frames / self.fps


@dataclass(frozen=True)
class Refused:
    """A file that was set aside, and why, in plain words."""

    id: str
    reason: str
