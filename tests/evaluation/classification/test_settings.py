"""The paper's schedule by hand, and its proportions for other lengths."""

import math

import pytest

from slic.errors import RecipeError
from slic.evaluation.classification import ClassifierSettings


def test_the_defaults_are_the_papers() -> None:
    paper = ClassifierSettings()
    assert (paper.epochs, paper.learning_rate, paper.backbone_learning_rate) == (150, 1e-3, 1e-4)
    assert (paper.weight_decay, paper.dropout, paper.drops) == (1e-3, 0.9, (60, 100))
    assert paper.augmentation.area == (0.25, 1.0)
    by_hand = [1.0] * 60 + [0.1] * 40 + [0.01] * 50
    assert [paper.rate_factor(epoch) for epoch in range(150)] == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("epochs", "drops"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (15, (6, 10)), (300, (120, 200))]
)
def test_another_length_keeps_the_proportions(epochs: int, drops: tuple[int, int]) -> None:
    settings = ClassifierSettings(epochs=epochs)
    assert settings.drops == drops
    factors = [settings.rate_factor(epoch) for epoch in range(epochs)]
    first, second = drops
    by_hand = [1.0] * first + [0.1] * (second - first) + [0.01] * (epochs - second)
    assert factors == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("epochs", 0, "--epochs is 0, but it must be above 0"),
        ("learning_rate", math.nan, "--learning-rate is nan, but it must be above 0"),
        ("backbone_learning_rate", 0.0, "--backbone-learning-rate is 0.0, but"),
        ("weight_decay", -1.0, "--weight-decay is -1.0, but it must be not below 0"),
        ("dropout", 1.0, "--dropout is 1.0, but it must be at least 0 and below 1"),
    ],
)
def test_an_impossible_value_is_named(name: str, value: float, rule: str) -> None:
    with pytest.raises(RecipeError, match=rule):
        ClassifierSettings(**{name: value})  # type: ignore[arg-type]
