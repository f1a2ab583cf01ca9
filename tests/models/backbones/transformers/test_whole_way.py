"""Every family of the transformers library is indexed, adapted, resumed and exported."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # they train


@pytest.mark.parametrize(
    "family", ["vjepa2", "videomae", "timesformer", "vivit", "videoprism", "xclip"]
)
def test_each_family_goes_the_whole_way(
    family: str,
    saved: Callable[[str], Path],
    whole_way: Callable[[str, Sequence[str]], None],
) -> None:
    name = f"transformers/{saved(family)}"
    whole_way(name, [f"--backbone={name}"])
