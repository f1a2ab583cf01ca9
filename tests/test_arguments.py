"""Arguments get their declared types, and a wrong one is a line that names it."""

from typing import Any, Literal

import pytest

from slic.arguments import argument_names, parse_arguments, require
from slic.errors import RecipeError


class Part:
    def __init__(
        self, clip: object, rate: float = 0.5, pair: tuple[int, int] = (1, 2),
        kind: Literal["a", "b"] = "a",
    ) -> None:  # fmt: skip
        self.clip, self.rate, self.pair, self.kind = clip, rate, pair, kind


def build(first: list[int], rate: float = 0.5) -> None: ...


class Nothing: ...


def test_absent_arguments_have_their_defaults() -> None:
    parsed = parse_arguments(Part, {"rate": "1e-3", "pair": [3, 4]}, key="part", skip={"clip"})
    assert parsed == {"rate": 0.001, "pair": (3, 4), "kind": "a"}
    assert parse_arguments(build, {"rate": 2}, key="part", skip={"first"}) == {"rate": 2.0}
    assert parse_arguments(Nothing, {}, key="part") == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": "much"}, "part.rate"),
        ({"pair": [1]}, "part.pair"),
        ({"kind": "c"}, "part.kind"),
        ({"rte": 1}, "unknown setting 'part.rte'. The nearest known is 'part.rate'"),
        ({"clip": 1}, "unknown setting 'part.clip'"),
    ],
)
def test_a_wrong_argument_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        parse_arguments(Part, values, key="part", skip={"clip"})
    assert "\n" not in str(caught.value)


def without_types(z, labels, margin=0.5): ...  # type: ignore[no-untyped-def]


def test_an_argument_without_type_and_default_is_named() -> None:
    expected = r"without_types takes 'labels' without a type\. .* here loss\.labels: declare it"
    with pytest.raises(RecipeError, match=expected):
        parse_arguments(without_types, {}, key="loss", skip={"z"})
    assert parse_arguments(without_types, {"margin": 1}, key="loss", skip={"z", "labels"})


def test_names_of_arguments() -> None:
    assert argument_names(Part, skip={"clip"}) == ["rate", "pair", "kind"]
    assert argument_names(lambda **_: None) is None
    assert argument_names(Nothing) == []


def test_a_rule_names_argument_value_and_rule() -> None:
    require(True, "rate", 1, "above 0")
    with pytest.raises(RecipeError, match="rate is nan, but it must be above 0"):
        require(float("nan") > 0, "rate", float("nan"), "above 0")
