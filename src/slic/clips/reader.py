"""Read clips from videos, and render them as RGB or optical flow under given augmentations."""

import logging
from collections.abc import Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

from slic.clips.augmentation import (
    Augmentation,
    AugmentationParameters,
    centre_crop,
    draw_parameters,
)
from slic.clips.fixed_rate import frame_count, to_video_frames
from slic.clips.flow import (
    ClipFlow,
    ClipFrames,
    FlowOptions,
    flow_image,
    optical_flow,
    subtract_camera_motion,
)
from slic.clips.flow_store import FlowStore
from slic.clips.frame_size import frame_size
from slic.clips.native_crops import Cut, CutClip, fill_clips
from slic.clips.rendering import crop_with_margin, render_flow, render_rgb
from slic.clips.spans import Span
from slic.errors import VideoError, is_file_system_error
from slic.models.backbones import ClipSpec
from slic.models.backbones.base import Resize
from slic.videos.frames import read_frames
from slic.videos.video import Video

Modality = Literal["rgb", "flow"]
RenderedClip = UInt8[np.ndarray, "t s s 3"]

_log = logging.getLogger("slic")
FLOW_MARGIN_PIXELS: Final = 8  # context of a crop that its flow is computed with: one DIS patch


class ClipRequest(NamedTuple):
    """One view of a clip to render.

    Attributes:
        video: The video.
        span: Indices of the frames that clips are cut from, see `ClipReader.frame_count`.
        parameters: Augmentation parameters, drawn for frames of the reader's `frame_size`, or of
            the video's own size.
        modality: ``"rgb"`` or ``"flow"``.
        native: Whether the parameters were drawn for frames of the video's own size.
    """

    video: Video
    span: Span
    parameters: AugmentationParameters
    modality: Modality = "rgb"
    native: bool = False


@dataclass(eq=False, kw_only=True)
class ClipReader:
    """Read and render clips of one length, stride, rate and size.

    Args:
        frames: Number of frames of a clip.
        stride: Distance between the frames of a clip, in frames of the video.
        fps: Frames per second that clips are cut from, see `slic.clips.fixed_rate`. None cuts them
            from all frames of the video.
        size: Side of the square that the encoder sees, in pixels.
        resize: What frames are resized to before augmentation, see `ClipSpec`.
        flow: How optical flow is estimated and drawn.
        store: Precomputed flow. Flow that it lacks is computed while loading, as is all flow at a
            fixed rate.
        unreadable: What to do with a video that does not decode: raise an error, or give a grey
            clip and log a warning.

    Example:
        >>> reader = ClipReader(frames=16, stride=1, size=128)
        >>> (clip,) = reader.render([ClipRequest(video, np.arange(16), centre_crop(171, 128))])
    """

    frames: int
    stride: int
    fps: float | None = None
    size: int
    resize: Resize = None
    flow: FlowOptions = FlowOptions()  # noqa: RUF009 (immutable)
    store: FlowStore | None = None
    unreadable: Literal["raise", "grey"] = "raise"

    def with_grey_stand_ins(self) -> "ClipReader":
        """Return a reader that gives grey clips of videos that do not decode, with a warning."""
        reader = copy(self)  # also of a subclass with other constructor arguments
        reader.unreadable = "grey"
        return reader

    def settings(self) -> dict[str, object]:
        """Return everything that determines how a clip is rendered, as plain values."""
        shape: dict[str, object]
        shape = {"frames": self.frames, "stride": self.stride, "size": self.size}
        added = {"fps": self.fps, "resize": self.resize}
        # left out where they are None, as before there were these settings: caches stay
        shape |= {name: value for name, value in added.items() if value is not None}
        return shape | {"flow": asdict(self.flow), "flow_store": str(self.store or "")}

    @classmethod
    def of_clip(
        cls, clip: ClipSpec, *, flow: FlowOptions | None = None, store: FlowStore | None = None
    ) -> "ClipReader":
        """Return the reader of an encoder's clips.

        Args:
            clip: The clips.
            flow: How optical flow is estimated and drawn; None is the default.
            store: Precomputed flow.
        """
        return cls(
            frames=clip.frames,
            stride=clip.stride,
            fps=clip.fps,
            size=clip.size,
            resize=clip.resize,
            flow=flow or FlowOptions(),
            store=store,
        )

    def frame_count(self, video: Video) -> int:
        """Return the number of frames that the clips of a video are cut from."""
        return frame_count(video, self.fps)

    def frame_size(self, video: Video) -> tuple[int, int]:
        """Return the (width, height) that frames of a video are resized to before augmentation."""
        return frame_size(video, size=self.size, resize=self.resize)

    def draw_view(
        self,
        video: Video,
        span: Span,
        augmentation: Augmentation,
        *,
        modality: Modality = "rgb",
        rng: np.random.Generator,
    ) -> ClipRequest:
        """Draw the augmentation parameters of a view of a clip."""
        native = augmentation.crop_from == "native"
        width, height = (video.width, video.height) if native else self.frame_size(video)
        parameters = draw_parameters(augmentation, width=width, height=height, rng=rng)
        return ClipRequest(video, span, parameters, modality, native)

    def read(self, video: Video, spans: Sequence[Span]) -> list[ClipFrames]:
        """Read several clips of a video in one pass over it.

        Args:
            video: The video.
            spans: Indices of the frames that clips are cut from, see `frame_count`.

        Raises:
            VideoError: A frame cannot be decoded.
        """
        indices = to_video_frames(video, np.concatenate(spans), self.fps)
        width, height = self.frame_size(video)
        try:
            frames = read_frames(video, indices, size=(width, height))
        except VideoError as error:
            self._allow_grey(error)
            frames = np.full((len(indices), height, width, 3), 128, np.uint8)
        return np.split(frames, len(spans))

    def render(self, requests: Sequence[ClipRequest]) -> list[RenderedClip]:
        """Return the requested views, as the encoder sees them.

        Each video is opened once, and each span of it is decoded once; once more if some views
        are cropped from frames of the video's own size and others are not. A flow view whose flow
        is stored is not decoded at all. Flow is that of frames of `frame_size`, whatever frames
        the parameters were drawn for: a crop then takes the same part of them.

        Raises:
            VideoError: A frame cannot be decoded, or stored flow cannot be read.
        """
        flows = [self._read_stored_flow(request) for request in requests]
        paired = list(zip(requests, flows, strict=True))
        sources = iter(self._read_sources([request for request, flow in paired if flow is None]))
        return [
            self._render_frames(*next(sources), request.modality)
            if flow is None
            else self._render_flow(flow, self._flow_parameters(request))
            for request, flow in paired
        ]

    def centred(self, frames: ClipFrames, modality: Modality) -> RenderedClip:
        """Return the evaluation view of a clip that was read: its centre crop.

        Args:
            frames: A clip, of `frame_size`.
            modality: ``"rgb"`` or ``"flow"``.
        """
        _, height, width, _ = frames.shape
        return self._render_frames(frames, centre_crop(width, height, side=self.size), modality)

    def _read_stored_flow(self, request: ClipRequest) -> ClipFlow | None:
        if request.modality == "rgb" or self.store is None or self.fps is not None:
            return None
        video, span = request.video, request.span.tolist()
        return self.store.read(video.whole, np.array(video.in_whole(span), np.int64))

    def _read_sources(
        self, requests: Sequence[ClipRequest]
    ) -> list[tuple[CutClip, AugmentationParameters]]:
        """Return what each view is rendered from: frames, and the parameters to render them by."""
        frames = self._read_spans([request for request in requests if not request.native])
        native = iter(self._cut_native([request for request in requests if request.native]))
        return [
            next(native) if request.native else (frames[_span_key(request)], request.parameters)
            for request in requests
        ]

    def _cut_native(
        self, requests: Sequence[ClipRequest]
    ) -> list[tuple[CutClip, AugmentationParameters]]:
        """Crop views from frames of the video's own size; flow views keep the whole frame."""
        cuts = [self._cut_of(request) for request in requests]
        clips = [cut.empty_clip() for cut in cuts]
        for video in dict.fromkeys(request.video for request in requests):
            mine = [k for k, request in enumerate(requests) if request.video == video]
            try:
                fill_clips(video, [cuts[k] for k in mine], [clips[k] for k in mine])
            except VideoError as error:
                self._allow_grey(error)
        return [
            (clip, _without_crop(request.parameters, size=self.size))
            if request.modality == "rgb"
            else (clip, self._flow_parameters(request))
            for request, clip in zip(requests, clips, strict=True)
        ]

    def _cut_of(self, request: ClipRequest) -> Cut:
        frames = to_video_frames(request.video, request.span, self.fps)
        if request.modality == "rgb":
            return Cut(frames, (self.size, self.size), request.parameters)
        return Cut(frames, self.frame_size(request.video))

    def _flow_parameters(self, request: ClipRequest) -> AugmentationParameters:
        """Return the parameters of a request for the frames that flow is that of."""
        if not request.native:
            return request.parameters
        video = request.video
        own = (video.width, video.height)
        return request.parameters.for_frames(self.frame_size(video), drawn_for=own)

    def _read_spans(self, requests: Sequence[ClipRequest]) -> dict[tuple[str, int], ClipFrames]:
        """Decode every span once, and every video in one pass."""
        spans: dict[Video, dict[tuple[str, int], Span]] = {}
        for request in requests:
            spans.setdefault(request.video, {})[_span_key(request)] = request.span
        return {
            key: frames
            for video, of_video in spans.items()
            for key, frames in zip(of_video, self.read(video, [*of_video.values()]), strict=True)
        }

    def _allow_grey(self, error: VideoError) -> None:
        """Warn that a grey clip stands in for a video, or raise the error again."""
        if self.unreadable == "raise" or is_file_system_error(error):
            raise error
        _log.warning("%s; a grey clip stands in", error)

    def _render_frames(
        self, frames: ClipFrames, parameters: AugmentationParameters, modality: Modality
    ) -> RenderedClip:
        if modality == "rgb":
            return render_rgb(frames, parameters, size=self.size)
        if self.flow.method == "dis" and not (self.flow.remove_camera or self.flow.as_picture):
            # Flow of the crop takes half the time of flow of the frame. TV-L1 and the median need
            # the whole frame, and `as_picture` is defined on it.
            frames, parameters = crop_with_margin(frames, parameters, margin=FLOW_MARGIN_PIXELS)
        return self._render_flow(optical_flow(frames, method=self.flow.method), parameters)

    def _render_flow(self, flow: ClipFlow, parameters: AugmentationParameters) -> RenderedClip:
        drawing: dict[str, Any] = {"bound": self.flow.bound, "components": self.flow.components}
        if self.flow.remove_camera:
            flow = subtract_camera_motion(flow)
        if self.flow.as_picture:
            return render_rgb(flow_image(flow, **drawing), parameters, size=self.size)
        return render_flow(flow, parameters, size=self.size, **drawing)


def _without_crop(parameters: AugmentationParameters, *, size: int) -> AugmentationParameters:
    """Return the parameters that remain for a clip that was cropped and flipped."""
    return replace(parameters, left=0, top=0, width=size, height=size, flip=False)


def _span_key(request: ClipRequest) -> tuple[str, int]:
    """Identify a span by its video and first frame; all spans of a reader have one shape."""
    return request.video.id, int(request.span[0])
