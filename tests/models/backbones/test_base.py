"""A clip specification checks itself."""

from typing import Any

import pytest

from slic.errors import RecipeError
from slic.models.backbones import BACKBONES, Backbone, ClipSpec


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": 1}, "frames is 1, but it must be at least 2"),
        ({"stride": 0}, "stride is 0"),
        ({"fps": 0.0}, "fps is 0.0, but it must be a finite number above 0"),
        ({"fps": float("inf")}, "fps is inf"),
        ({"fps": 25.0, "stride": 2}, "stride is 2, but it must be 1 where fps sets the rate"),
        ({"size": 15}, "size is 15, but it must be at least 16 pixels"),
        ({"mean": (0.0, 0.0, float("nan"))}, "mean is"),
        ({"std": (0.5, 0.0, 0.5)}, "std is"),
    ],
)
def test_impossible_clips_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        ClipSpec(**values)


def test_a_rate_is_part_of_the_plain_values_only_where_it_is_set() -> None:
    assert "fps" not in ClipSpec().to_dict()
    assert ClipSpec(**ClipSpec().to_dict()) == ClipSpec()
    assert ClipSpec(**ClipSpec(fps=12.5).to_dict()) == ClipSpec(fps=12.5)
    assert ClipSpec(stride=2).spacing == "stride 2"
    assert ClipSpec(fps=12.5).spacing == "12.5 frames per second"


@pytest.mark.parametrize("name", [name for name in BACKBONES if name.startswith("slic/")])
def test_every_backbone_of_the_table_keeps_the_protocol(name: str) -> None:
    entry = BACKBONES[name]
    narrow = {} if name == "slic/two-stream" else {"width": 0.0625}
    backbone = entry.build(clip=ClipSpec(frames=4, size=16), **entry.fixed, **narrow)
    assert isinstance(backbone, Backbone)
