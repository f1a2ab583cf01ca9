"""Reading clips of one shape and showing them: as pictures or as motion, each in its look."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Int, UInt8

from slic.clips.augmentation import (
    AugmentationParameters,
    around,
    centre_crop,
    render_flow,
    render_rgb,
)
from slic.clips.flow import FlowOptions, flow_image, optical_flow, without_camera
from slic.clips.flow_store import FlowStore
from slic.videos.frames import read_frames
from slic.videos.video import Video

Modality = Literal["rgb", "flow"]

FLOW_MARGIN: Final = 8  # pixels around a crop that its flow is computed with; DIS's patches are 8


class Shown(NamedTuple):
    """One clip as it is to be shown: its place, its look, and as pictures or as motion."""

    video: Video
    span: Int[np.ndarray, " t"]
    look: AugmentationParameters
    view: Modality = "rgb"


class ClipReader:
    """Read clips of one shape and show them.

    Attributes:
        frames: Length of a clip.
        stride: Every stride-th frame of the video is taken.
        size: Pixels of the square that the encoder sees; frames are read at (4/3 size) x size.
        flow: How motion is estimated and drawn.
        store: Flow that was computed before; what it lacks is computed while reading.
    """

    def __init__(
        self,
        *,
        frames: int,
        stride: int,
        size: int,
        flow: FlowOptions = FlowOptions(),  # noqa: B008 (it cannot change)
        store: FlowStore | None = None,
    ) -> None:
        self.frames = frames
        self.stride = stride
        self.size = size
        self.flow = flow
        self.store = store
        self.read_size = read_size(size)

    def about(self) -> dict[str, object]:
        """Return all that decides what a clip looks like, in words and numbers."""
        shape = {"frames": self.frames, "stride": self.stride, "size": self.size}
        return shape | {"flow": asdict(self.flow), "flow_store": str(self.store or "")}

    def read(
        self, video: Video, spans: Sequence[Int[np.ndarray, " t"]]
    ) -> list[UInt8[np.ndarray, "t h w 3"]]:
        """Read several clips of a video in one pass over it."""
        frames = read_frames(video, np.concatenate(spans), size=self.read_size)
        return np.split(frames, len(spans))

    def show(self, clips: Sequence[Shown]) -> list[UInt8[np.ndarray, "t s s 3"]]:
        """Return clips as the encoder sees them.

        Each video is decoded once and each span of it once; a clip that is shown as flow which the
        store has is not decoded at all.
        """
        stored = [self._stored(clip) for clip in clips]
        pictures = self._decoded(
            [clip for clip, flow in zip(clips, stored, strict=True) if flow is None]
        )
        return [
            self._as_pictures(pictures[_place(clip)], clip.look, clip.view)
            if flow is None
            else self._as_motion(flow, clip.look)
            for clip, flow in zip(clips, stored, strict=True)
        ]

    def centred(
        self, clip: UInt8[np.ndarray, "t h w 3"], view: Modality
    ) -> UInt8[np.ndarray, "t s s 3"]:
        """Return the look of evaluation: the centre square, in one of the two views."""
        return self._as_pictures(clip, centre_crop(*self.read_size), view)

    def _stored(self, clip: Shown) -> Float32[np.ndarray, "t h w 2"] | None:
        wanted = clip.view == "flow" and self.store is not None
        return self.store.read(clip.video, clip.span) if wanted and self.store else None

    def _decoded(
        self, clips: Sequence[Shown]
    ) -> dict[tuple[str, int], UInt8[np.ndarray, "t h w 3"]]:
        spans: dict[Video, dict[tuple[str, int], Int[np.ndarray, " t"]]] = {}
        for clip in clips:
            spans.setdefault(clip.video, {})[_place(clip)] = clip.span
        return {
            place: pictures
            for video, places in spans.items()
            for place, pictures in zip(places, self.read(video, [*places.values()]), strict=True)
        }

    def _as_pictures(
        self, pictures: UInt8[np.ndarray, "t h w 3"], look: AugmentationParameters, view: Modality
    ) -> UInt8[np.ndarray, "t s s 3"]:
        if view == "rgb":
            return render_rgb(pictures, look, size=self.size)
        flow = self.flow
        if flow.method == "dis" and not (flow.remove_camera or flow.as_picture):
            # Half the time for what will be seen; the others need, or are defined on, the whole.
            pictures, look = around(pictures, look, margin=FLOW_MARGIN)
        return self._as_motion(optical_flow(pictures, method=flow.method), look)

    def _as_motion(
        self, motion: Float32[np.ndarray, "t h w 2"], look: AugmentationParameters
    ) -> UInt8[np.ndarray, "t s s 3"]:
        flow = self.flow
        if flow.remove_camera:
            motion = without_camera(motion)
        if flow.as_picture:
            drawn = flow_image(motion, bound=flow.bound, components=flow.components)
            return render_rgb(drawn, look, size=self.size)
        return render_flow(
            motion, look, size=self.size, bound=flow.bound, components=flow.components
        )


def read_size(size: int) -> tuple[int, int]:
    """Return the (width, height) that frames are read at for clips of ``size`` pixels."""
    return round(size * 4 / 3), size


def _place(clip: Shown) -> tuple[str, int]:
    """Name the span of a clip; all spans of a reader have one shape."""
    return clip.video.id, int(clip.span[0])
