"""What a recipe that is refused says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from slic.errors import RecipeError
from slic.recipe import load_recipe


@pytest.fixture
def refused() -> Callable[..., str]:
    """Return a function that gives the message of a recipe that is refused; it is one line."""

    def message_of(source: str | Path, *words: str) -> str:
        with pytest.raises(RecipeError) as caught:
            load_recipe(source, words)
        message = str(caught.value)
        assert "\n" not in message
        return message

    return message_of
