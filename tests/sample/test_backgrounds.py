"""A kind of scene is recognisable in backgrounds that were never seen."""

import cv2
import numpy as np
from jaxtyping import UInt8

from slic.sample.backgrounds import paint_background


def test_a_kind_of_scene_is_recognised_in_unseen_backgrounds() -> None:
    def thumbnail(number: int, kind: int) -> UInt8[np.ndarray, " p"]:
        background = paint_background(number, textured=False, scene_class=kind)
        return cv2.resize(background, (12, 9), interpolation=cv2.INTER_AREA).ravel()

    seen = np.array([[thumbnail(n, kind) for n in range(12)] for kind in range(10)], float)
    unseen = np.array([[thumbnail(n, kind) for n in range(60, 66)] for kind in range(10)], float)
    distance = np.linalg.norm(unseen[:, :, None, None] - seen[None, None], axis=-1).reshape(60, 120)
    assert (distance.argmin(axis=1) // 12 == np.repeat(np.arange(10), 6)).mean() > 0.6
    assert not np.array_equal(thumbnail(5, 0), thumbnail(5, 5))
