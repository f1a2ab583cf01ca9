"""Times become the nearest frames."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.search.label_files.base import frame_range, nearest_edge
from slic.videos.video import Video

VIDEO = Video(id="a", path=Path("a"), frames=100, fps=25.0, width=64, height=48)


@pytest.mark.parametrize(
    ("times", "frames"),
    [
        ((1.0, 2.0), (25, 50)),
        ((1.019, 1.981), (25, 50)),
        ((1.021, 1.979), (26, 49)),
        ((1.0, 1.001), (25, 26)),  # at least one frame
        ((-5.0, 0.0), (0, 1)),
        ((3.0, 99.0), (75, 100)),
        ((99.0, 100.0), (99, 100)),
    ],
)
def test_ranges_by_hand(times: tuple[float, float], frames: tuple[int, int]) -> None:
    assert frame_range(VIDEO, *times) == frames


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=9, unique=True).map(sorted),
    st.floats(-20, 20),
)
def test_the_nearest_edge_is_the_nearest(edges: list[float], seconds: float) -> None:
    place = nearest_edge(np.array(edges), seconds)
    assert abs(edges[place] - seconds) == min(abs(edge - seconds) for edge in edges)
