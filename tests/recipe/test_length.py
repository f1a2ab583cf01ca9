"""The length of a run against plain loops over its rules."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.recipe import Recipe, RoundOptions, TrainOptions, load_recipe
from slic.recipe.length import auto_steps, run_length

videos_in_batches = st.tuples(st.integers(2, 200_000), st.integers(2, 256)).map(
    lambda pair: (pair[0], pair[0] // min(pair))
)


def recipe_of(every_epochs: int = 5, **train: object) -> Recipe:
    options = TrainOptions(**train)  # type: ignore[arg-type]
    return replace(Recipe(), train=options, rounds=RoundOptions(every_epochs=every_epochs))


@given(size=videos_in_batches, epochs=st.integers(1, 600), every=st.integers(1, 9))
def test_given_epochs_stay_as_they_are(size: tuple[int, int], epochs: int, every: int) -> None:
    videos, each = size
    length = run_length(recipe_of(every, epochs=epochs), videos=videos, steps_per_epoch=each)
    assert length == (epochs, epochs * each, every)


@given(size=videos_in_batches)
def test_automatic_steps_are_the_fewest_whole_epochs_that_follow_the_rules(
    size: tuple[int, int],
) -> None:
    videos, each = size
    epochs = 4
    while epochs * each < 240 or (epochs * each / 240) ** 2 * 400 < videos * (1 - 1e-9):
        epochs += 1
    assert auto_steps(videos, each) == epochs * each


@given(size=videos_in_batches, steps=st.integers(1, 5000), every=st.integers(1, 9))
def test_rounds_of_a_run_in_steps_are_spaced_by_epochs_that_are_neither_tiny_nor_huge(
    size: tuple[int, int], steps: int, every: int
) -> None:
    videos, each = size
    length = run_length(recipe_of(every, steps=steps), videos=videos, steps_per_epoch=each)
    assert length.steps == steps
    assert length.epochs * each >= steps > (length.epochs - 1) * each
    counted = max(each, 12)
    if counted > steps / 20:
        counted = steps / 20  # type: ignore[assignment]
    epochs = 1
    while epochs * each < every * counted - 1e-9:
        epochs += 1
    assert length.round_epochs == epochs


def test_the_default_recipe_is_what_it_was_for_the_videos_it_was_tuned_on() -> None:
    recipe = load_recipe("motion")
    assert run_length(recipe, videos=400, steps_per_epoch=12) == (20, 240, 5)
    assert run_length(recipe, videos=10, steps_per_epoch=1) == (240, 240, 60)
    assert run_length(recipe, videos=10_000, steps_per_epoch=312) == (4, 1248, 1)


@pytest.mark.parametrize("name", ["paper-ucf101", "paper-kinetics400", "paper-small"])
def test_the_papers_recipes_count_epochs(name: str) -> None:
    train = load_recipe(name).train
    assert train.epochs is not None
    assert train.steps is None
