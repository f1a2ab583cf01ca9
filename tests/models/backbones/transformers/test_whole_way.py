"""Every family of the transformers library is indexed, adapted, resumed and exported."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # they train


OFTEN = ("videomae",)  # the others share all code but that of the model
FAMILIES = ("vjepa2", "videomae", "timesformer", "vivit", "videoprism", "xclip")
EACH = [pytest.param(name, marks=[] if name in OFTEN else pytest.mark.soak) for name in FAMILIES]


@pytest.mark.parametrize("family", EACH)
def test_each_family_goes_the_whole_way(
    family: str,
    saved: Callable[[str], Path],
    whole_way: Callable[[str, Sequence[str]], None],
) -> None:
    name = f"transformers/{saved(family)}"
    whole_way(name, [f"--backbone={name}"])
