"""Drawn parameters follow the distribution that the settings describe."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from slic.clips.augmentation import Augmentation, AugmentationParameters, draw_parameters
from slic.errors import RecipeError


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    seed=st.integers(0, 1000),
    area=st.sampled_from([(0.25, 1.0), (1.0, 1.0), (0.01, 0.02)]),
)
def test_crops_lie_inside_the_frame(
    width: int, height: int, seed: int, area: tuple[float, float]
) -> None:
    rng = np.random.default_rng(seed)
    view = draw_parameters(Augmentation(area=area), width=width, height=height, rng=rng)
    assert 0 <= view.left <= width - view.width
    assert 0 <= view.top <= height - view.height
    assert min(view.width, view.height) >= 1


def test_draws_follow_the_augmentation() -> None:
    rng, augmentation = np.random.default_rng(0), Augmentation(jitter=(0.5, 0.4, 1.5, 0.2))
    views = [draw_parameters(augmentation, width=171, height=128, rng=rng) for _ in range(4000)]
    area = np.array([view.width * view.height / (171 * 128) for view in views])
    ratio = np.array([view.width / view.height for view in views])
    assert 0.245 < area.min() < 0.3
    assert 0.9 < area.max() <= 1
    assert 0.73 < ratio.min() < 0.77
    assert 1.31 < ratio.max() < 1.36
    assert np.log(ratio).mean() > 0  # large tall crops do not fit into wide frames
    jittered = [view for view in views if view.brightness != 1]
    shares = [
        sum(view.flip for view in views),
        len(jittered),
        sum(view.grey for view in views),
        sum(view.blur_sigma > 0 for view in views),
    ]
    assert_allclose(np.array(shares) / len(views), [0.5, 0.8, 0.2, 0.2], atol=0.03)
    for name, low, high in [
        ("brightness", 0.5, 1.5),
        ("contrast", 0.6, 1.4),
        ("saturation", 0.0, 2.5),
        ("hue", -0.2, 0.2),
    ]:
        values = np.array([getattr(view, name) for view in jittered])
        width = high - low
        assert low <= values.min() < low + 0.02 * width
        assert high - 0.02 * width < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.03 * width
    plain = [view for view in views if view.brightness == 1]
    assert all((view.contrast, view.saturation, view.hue) == (1, 1, 0) for view in plain)


def test_ratios_of_crops_that_always_fit_are_log_uniform() -> None:
    rng, small = np.random.default_rng(0), Augmentation(area=(0.05, 0.1))
    views = [draw_parameters(small, width=1710, height=1280, rng=rng) for _ in range(4000)]
    logarithms = np.log([view.width / view.height for view in views])
    assert abs(logarithms.mean()) < 4 * logarithms.std() / len(views) ** 0.5  # uniform: 0.027


def test_parameters_depend_on_the_generator_alone() -> None:
    first, second = (
        draw_parameters(Augmentation(), width=171, height=128, rng=np.random.default_rng(3))
        for _ in range(2)
    )
    assert first == second


@given(st.data())
def test_the_same_part_of_frames_of_another_size_is_cropped(data: st.DataObject) -> None:
    old, new = (
        data.draw(st.tuples(st.integers(1, 200), st.integers(1, 200))) for _ in ("old", "new")
    )
    edges = [sorted(data.draw(st.sets(st.integers(0, n), min_size=2, max_size=2))) for n in old]
    (left, right), (top, bottom) = edges
    drawn = AugmentationParameters(left=left, top=top, width=right - left, height=bottom - top)
    moved = drawn.for_frames(new, drawn_for=old)
    for start, length, before, size in (
        (moved.left, moved.width, (left, right), 0),
        (moved.top, moved.height, (top, bottom), 1),
    ):
        assert 0 <= start < start + length <= new[size]
        wanted = [edge * new[size] / old[size] for edge in before]
        assert abs(start - wanted[0]) <= 1
        assert abs(start + length - wanted[1]) <= 1
    assert drawn.for_frames(old, drawn_for=old) == drawn


def test_a_crop_of_less_than_a_pixel_is_the_pixel_that_holds_its_start() -> None:
    drawn = AugmentationParameters(left=3, top=0, width=1, height=1)
    moved = drawn.for_frames((2, 1), drawn_for=(9, 1))
    assert (moved.left, moved.width) == (0, 1)


def test_a_fixed_sigma_and_kernel_are_those_of_every_blurred_view() -> None:
    rng, fixed = np.random.default_rng(0), Augmentation(blur_sigma=(2.0, 2.0), blur_kernel=15)
    views = [draw_parameters(fixed, width=171, height=128, rng=rng) for _ in range(400)]
    assert {(view.blur_sigma, view.blur_kernel) for view in views} == {(0.0, None), (2.0, 15)}
    rng = np.random.default_rng(0)  # the other draws do not depend on them
    others = [draw_parameters(Augmentation(), width=171, height=128, rng=rng) for _ in range(400)]
    assert [view.hue for view in views] == [view.hue for view in others]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flip", 1.5),
        ("grey", -0.1),
        ("area", (0.5, 0.2)),
        ("area", (0.5, 2.0)),
        ("ratio", (0.0, 1.0)),
        ("jitter", (0.5, 0.5, 0.5, 0.7)),
        ("jitter", (-0.5, 0.5, 0.5, 0.5)),
        ("blur_kernel", 14),
        ("blur_kernel", -1),
    ],
)
def test_an_impossible_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=name):
        Augmentation(**{name: value})
