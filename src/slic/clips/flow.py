"""The optical-flow look of a clip: how it moves, and that motion drawn as a picture."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from slic.errors import RecipeError

FlowMethod = Literal["dis", "tv-l1"]
Components = Literal["all", "horizontal"]

BOUND: Final = 0.08
"""The motion from frame to frame that `flow_image` draws at full strength, in picture heights.

Walking, sitting and turning people (arid6, whole frames) pass it at no pixel at strides 1 and 2 and
at 0.3 % of them at stride 4; it is the 20 pixels of 240 that flow files are usually cut at.
"""

_SMALLEST_SIDE: Final = 16  # pixels; DIS refuses pictures below its coarsest 8-pixel patches

Grey = UInt8[np.ndarray, "h w"]
Step = Callable[[Grey, Grey], Float32[np.ndarray, "h w 2"]]


@dataclass(frozen=True, kw_only=True)
class FlowOptions:
    """How motion is estimated and drawn.

    Attributes:
        method: See `optical_flow`.
        components: See `flow_image`.
        bound: See `flow_image`.
        remove_camera: Take the median vector off every step, see `without_camera`.
        as_picture: Draw the flow first and then augment it as if it were a photograph: colours and
            blur apply, a flip leaves the direction as it was and a zoom the length. That is what
            the authors' code does; it is wrong, and here only to reproduce their figures.
    """

    method: FlowMethod = "dis"
    components: Components = "all"
    bound: float = BOUND
    remove_camera: bool = False
    as_picture: bool = False


def optical_flow(
    frames: UInt8[np.ndarray, "t h w 3"], *, method: FlowMethod = "dis"
) -> Float32[np.ndarray, "t h w 2"]:
    """Return how far every pixel moves from each frame to the next, in pixels of ``frames``.

    There are t - 1 such steps; the last is repeated, so that the clip keeps its length. A single
    frame has no motion.

    Args:
        frames: One clip, RGB.
        method: ``"dis"`` (dense inverse search, the default, below a millisecond a step) or
            ``"tv-l1"`` (the paper's, some hundred times slower, in OpenCV's contrib modules).

    Raises:
        RecipeError: The installed OpenCV has no TV-L1.
    """
    t, h, w, _ = frames.shape
    stacked = np.ascontiguousarray(frames).reshape(t * h, w, 3)
    grey = to_grey(stacked).reshape(t, h, w)
    flow = np.zeros((t, h, w, 2), np.float32)
    step = flow_step(method)
    for i in range(t - 1):
        flow[i] = step(grey[i], grey[i + 1])
    if t > 1:
        flow[-1] = flow[-2]
    return flow


def flow_step(method: FlowMethod) -> Step:
    """Return the function that gives the flow from one grey picture to the next.

    Raises:
        RecipeError: The installed OpenCV has no TV-L1.
    """
    return _METHODS[method]()


def to_grey(picture: UInt8[np.ndarray, "h w 3"]) -> Grey:
    """Return the grey picture that flow is computed from."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def without_camera(flow: Float32[np.ndarray, "t h w 2"]) -> Float32[np.ndarray, "t h w 2"]:
    """Take the median vector off each step, a crude compensation of the camera's motion.

    What is left is what moves against most of the picture.
    """
    # every second pixel tells the same median in a quarter of the time
    camera = np.median(flow[:, ::2, ::2], axis=(1, 2), keepdims=True)
    return np.asarray(flow - camera)


def flow_image(
    flow: Float32[np.ndarray, "t h w 2"], *, bound: float = BOUND, components: Components = "all"
) -> UInt8[np.ndarray, "t h w 3"]:
    """Draw flow as three channels: u (right), v (down) and the vector's length.

    u and v are ``127.5 + 127.5 * x`` and the length is ``255 * x``, with x the motion in units of
    the bound, clipped to [-1, 1], and halves rounded to even. No motion is hence (128, 128, 0).

    Args:
        flow: Pixels from one frame to the next.
        bound: The motion that is drawn at full strength, as a share of the picture's height.
        components: ``"horizontal"`` draws u in all three channels, as the paper does.
    """
    t, h, w, _ = flow.shape
    u, v = cv2.split(np.ascontiguousarray(flow).reshape(t * h, w, 2))
    scale = 127.5 / (bound * h)
    horizontal = _levels(u, scale, 127.5)
    if components == "horizontal":
        channels = [horizontal] * 3
    else:
        length = _levels(cv2.magnitude(u, v), 2 * scale, 0.0)
        channels = [horizontal, _levels(v, scale, 127.5), length]
    return np.asarray(cv2.merge(channels)).reshape(t, h, w, 3)


def _levels(x: np.ndarray, scale: float, offset: float) -> np.ndarray:
    """Return ``scale * x + offset``, rounded and cut to 0..255 (numpy takes six times as long)."""
    return np.asarray(cv2.addWeighted(x, scale, x, 0.0, offset, dtype=cv2.CV_8U))


def _dis() -> Step:
    """Return dense inverse search (Kroeger et al., 2016).

    The settings are those of OpenCV's ``medium`` with a wider patch grid and fewer iterations: a
    third of the time for 3 % more error, on discs that move over textured ground at 171x128.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setPatchStride(5)
    dis.setGradientDescentIterations(8)
    dis.setVariationalRefinementIterations(1)

    def step(first: Grey, second: Grey) -> Float32[np.ndarray, "h w 2"]:
        h, w = first.shape
        border = ((0, max(0, _SMALLEST_SIDE - h)), (0, max(0, _SMALLEST_SIDE - w)))
        if border != ((0, 0), (0, 0)):
            first, second = (np.pad(x, border, mode="edge") for x in (first, second))
        dis.setFinestScale(1)  # below 46 pixels OpenCV changes it, for all later steps too
        return _calc(dis, first, second)[:h, :w]

    return step


def _tv_l1() -> Step:
    """Return TV-L1 (Zach et al., 2007)."""
    if not hasattr(cv2, "optflow"):
        raise RecipeError(
            "optical flow by 'tv-l1' needs OpenCV's contrib modules: install "
            "opencv-contrib-python-headless in place of the OpenCV that is there, or use 'dis'."
        )
    return partial(_calc, cv2.optflow.DualTVL1OpticalFlow.create())


def _calc(solver: cv2.DenseOpticalFlow, first: Grey, second: Grey) -> np.ndarray:
    # OpenCV's stubs do not know that where the search starts may be left open.
    return np.asarray(solver.calc(first, second, None))  # type: ignore[call-overload]


_METHODS: Final[dict[FlowMethod, Callable[[], Step]]] = {"dis": _dis, "tv-l1": _tv_l1}
