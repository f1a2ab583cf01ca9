"""Parts are found by name, and their arguments are checked by building them."""

import pytest
from torch import nn

from slic.errors import RecipeError
from slic.models.backbones import R3D
from slic.recipe import PARTS, Part, find_part
from slic.recipe.parts import checked_part


def test_a_name_gives_the_class_and_what_is_filled_in() -> None:
    build, filled_in = find_part("backbone", "slic/r3d18")
    assert build is R3D
    assert {"clip", "depth"} <= set(filled_in)
    assert find_part("optimizer", "sgd") == (PARTS["optimizer"]["sgd"], {"parameters", "params"})


def test_a_checked_part_has_all_arguments_in_their_types() -> None:
    part = checked_part("loss", Part("info_nce", {"temperature": "0.5"}))
    assert part == Part("info_nce", {"temperature": 0.5})


@pytest.mark.parametrize(
    ("section", "part", "said"),
    [
        ("loss", Part("info_nce", {"temperature": -1}), r"^loss\.temperature is -1"),
        ("loss", Part("tripled"), "Did you mean 'triplet'"),
        ("backbone", Part("slic/r3d18", {"depth": 10}), "unknown setting 'backbone.depth'"),
        ("optimizer", Part("sgd", {"momentum": -1.0}), r"^optimizer\.momentum is -1"),
        ("callbacks", Part("fade"), "unknown callbacks 'fade'"),
    ],
)
def test_a_wrong_part_is_named(section: str, part: Part, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        checked_part(section, part)


class Centres(nn.Module):
    def __init__(self, *, classes: int = 3) -> None:
        super().__init__()
        self.centres = nn.Embedding(classes, 2)


def test_a_loss_with_weights_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"^loss\.name is .*Centres\. It has weights, but only"):
        checked_part("loss", Part(f"{__name__}.Centres"))
