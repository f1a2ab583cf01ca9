"""Display matrices as they are applied to small pictures."""

import numpy as np
import pytest

from slic.videos.orientation import Orientation

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize("turn", range(4))
def test_turns_are_those_of_numpy(turn: int) -> None:
    orientation = (
        Orientation(),
        Orientation(transpose=True, flip_vertically=True),
        Orientation(flip_horizontally=True, flip_vertically=True),
        Orientation(transpose=True, flip_horizontally=True),
    )[turn]
    turned = orientation.apply(PICTURE)
    np.testing.assert_array_equal(turned, np.rot90(PICTURE, turn))
    assert orientation.size((3, 2)) == turned.shape[1::-1]


def test_a_mirror_exchanges_left_and_right() -> None:
    mirrored = Orientation(flip_horizontally=True).apply(PICTURE)
    np.testing.assert_array_equal(mirrored, PICTURE[:, ::-1])
