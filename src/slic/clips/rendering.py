"""Apply augmentation parameters to the frames, or the optical flow, of a clip.

The operations run in this order: crop, resize, flip; brightness, contrast, saturation, grey, hue;
blur. Nothing here is random.
"""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from slic.clips.augmentation import AugmentationParameters
from slic.clips.flow import DEFAULT_FLOW_BOUND, ClipFlow, ClipFrames, FlowComponents, flow_image

_LUMA_WEIGHTS: Final = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in PIL and torchvision


def render_rgb(
    frames: ClipFrames, parameters: AugmentationParameters, *, size: int
) -> UInt8[np.ndarray, "t {size} {size} 3"]:
    """Render an RGB view of a clip.

    Values are rounded and clipped to 0..255 after the crop, after the colour matrix (see
    :func:`colour_matrix`), after the hue rotation and after the blur.

    Args:
        frames: The frames of the clip. They are not changed.
        parameters: Augmentation parameters, drawn for frames of this size.
        size: Side of the square view, in pixels.

    Raises:
        ValueError: The crop does not fit into the frames.
    """
    view = np.empty((len(frames), size, size, 3), np.uint8)
    for frame, target in zip(_crop(frames, parameters), view, strict=True):
        _resize_and_flip(frame, target, parameters)
    stacked = view.reshape(-1, size, 3)  # one tall image, so colour takes one call per clip
    _jitter_colours(stacked, parameters)
    if parameters.blur_sigma > 0:
        _blur(view, parameters.blur_sigma, parameters.blur_kernel)
    return view


def crop_frame(
    frame: UInt8[np.ndarray, "h w 3"],
    target: UInt8[np.ndarray, "s s 3"],
    parameters: AugmentationParameters,
) -> None:
    """Crop one frame, resize the crop into ``target``, and flip it if the parameters say so.

    Raises:
        ValueError: The crop does not fit into the frame.
    """
    (cropped,) = _crop(frame[None], parameters)
    _resize_and_flip(cropped, target, parameters)


def render_flow(
    flow: ClipFlow,
    parameters: AugmentationParameters,
    *,
    size: int,
    bound: float = DEFAULT_FLOW_BOUND,
    components: FlowComponents = "all",
) -> UInt8[np.ndarray, "t {size} {size} 3"]:
    """Render the flow of a clip under the crop, zoom and flip of a view.

    The vectors follow the image: the zoom from the crop to ``size`` scales them, and a flip negates
    u. Colour jitter and blur do not apply.

    Args:
        flow: Motion between frames, in pixels of the frames.
        parameters: Augmentation parameters, drawn for frames of this size.
        size: Side of the square view, in pixels.
        bound: Motion that is drawn at full strength, as a share of ``size``.
        components: See :func:`slic.clips.flow.flow_image`.

    Raises:
        ValueError: The crop does not fit into the frames.
    """
    view = np.empty((len(flow), size, size, 2), np.float32)
    for step, target in zip(_crop(flow, parameters), view, strict=True):
        _resize_and_flip(step, target, parameters)
    zoom = np.diag([size / parameters.width, size / parameters.height])
    zoom = zoom @ np.diag([-1 if parameters.flip else 1, 1])
    stacked = view.reshape(-1, size, 2)
    cv2.transform(stacked, zoom.astype(np.float32), dst=stacked)
    return flow_image(view, bound=bound, components=components)


def crop_with_margin(
    frames: ClipFrames, parameters: AugmentationParameters, *, margin: int
) -> tuple[UInt8[np.ndarray, "t _ _ 3"], AugmentationParameters]:
    """Cut off the frames beyond ``margin`` pixels around the crop, to save work before rendering.

    Returns:
        The smaller frames, and the parameters that select the same crop in them.
    """
    _, h, w, _ = frames.shape
    top, left = max(0, parameters.top - margin), max(0, parameters.left - margin)
    bottom = min(h, parameters.top + parameters.height + margin)
    right = min(w, parameters.left + parameters.width + margin)
    moved = replace(parameters, top=parameters.top - top, left=parameters.left - left)
    return frames[:, top:bottom, left:right], moved


def colour_matrix(
    parameters: AugmentationParameters, *, mean: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "3 4"]:
    """Return brightness, contrast, saturation and grey as one affine map of an RGB column.

    The map equals torchvision's ``ColorJitter`` in that order, with two differences. Contrast
    blends with the mean grey of the clip instead of each frame, so all frames are treated alike.
    Values are clipped to 0..255 once, at the end.

    Args:
        parameters: The drawn factors.
        mean: Mean RGB of the clip, in 0..255.
    """
    to_grey = np.tile(_LUMA_WEIGHTS, (3, 1))
    saturation = 0.0 if parameters.grey else parameters.saturation
    offset = (1 - parameters.contrast) * parameters.brightness * (_LUMA_WEIGHTS @ mean)
    linear = saturation * np.eye(3) + (1 - saturation) * to_grey
    factor = parameters.contrast * parameters.brightness
    return np.column_stack([factor * linear, np.full(3, offset)])


def _crop(clip: np.ndarray, parameters: AugmentationParameters) -> np.ndarray:
    _, h, w, _ = clip.shape
    right, bottom = parameters.left + parameters.width, parameters.top + parameters.height
    if right > w or bottom > h:
        raise ValueError(f"{parameters} was drawn for larger frames than {w}x{h} pixels")
    return clip[:, parameters.top : bottom, parameters.left : right]


def _resize_and_flip(
    frame: np.ndarray, target: np.ndarray, parameters: AugmentationParameters
) -> None:
    """Scale a cropped frame into ``target``, and flip it if the parameters say so."""
    size = len(target)
    short, long = sorted((parameters.width, parameters.height))
    # Down to half the size, bilinear interpolation reads every pixel. Below it would alias, so
    # areas are averaged, which is slower.
    shrinks = short >= size and long > 2 * size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    cv2.resize(frame, (size, size), dst=target, interpolation=method)
    if parameters.flip:
        cv2.flip(target, 1, dst=target)


def _jitter_colours(
    stacked: UInt8[np.ndarray, "h w 3"], parameters: AugmentationParameters
) -> None:
    """Apply the colour operations in place."""
    factors = (parameters.brightness, parameters.contrast, parameters.saturation)
    if parameters.grey or factors != (1.0, 1.0, 1.0):
        matrix = colour_matrix(parameters, mean=np.array(cv2.mean(stacked)[:3]))
        cv2.transform(stacked, matrix.astype(np.float32), dst=stacked)
    shift = round(parameters.hue * 256) % 256
    if shift and not parameters.grey:  # grey has no hue
        hsv = cv2.cvtColor(stacked, cv2.COLOR_RGB2HSV_FULL)
        rows = hsv.reshape(len(hsv), -1)  # whole rows at a time: numpy is slow on short axes
        rows += np.tile(np.array([shift, 0, 0], np.uint8), hsv.shape[1])  # uint8 wraps like hue
        cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL, dst=stacked)


def _blur(view: ClipFrames, sigma: float, side: int | None) -> None:
    """Blur every frame in place, in half the time of OpenCV's ``GaussianBlur`` on bytes."""
    kernel = cv2.getGaussianKernel(side or 2 * round(3 * sigma) + 1, sigma, cv2.CV_32F)
    for frame in view:
        cv2.sepFilter2D(frame, -1, kernel, kernel, dst=frame, borderType=cv2.BORDER_REFLECT_101)
