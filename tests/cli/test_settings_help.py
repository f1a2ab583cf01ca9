"""The help of `slic pretrain` names every setting and says what it means."""

import re

import pytest

from slic.cli.settings_help import settings_help
from slic.recipe import PARTS, Recipe, recipe_names, settings_of


@pytest.fixture(scope="module")
def text() -> str:
    return settings_help()


def keys_of_every_part() -> list[str]:
    keys = [
        f"{section}.{key}"
        for section in Recipe().to_dict()
        if section not in ("compat", "callbacks")
        for name in PARTS.get(section, [None])
        for key in settings_of(section, name) or []
    ]
    return sorted({*keys, "callbacks.start", "callbacks.end"})


@pytest.mark.parametrize("key", keys_of_every_part())
def test_every_setting_has_a_default_and_a_meaning(text: str, key: str) -> None:
    found = re.search(rf"^ +{re.escape(key)} = (\S.*)\n +(\S.*)", text, re.MULTILINE)
    assert found, key
    assert " = " not in found[2], f"{key} has no meaning"


def test_defaults_are_written_as_yaml_and_markup_is_gone(text: str) -> None:
    assert "loss.margin = 0.2\n" in text
    assert "backbone.stem_stride = [1, 2, 2]\n" in text
    assert "flow.folder = null\n" in text
    assert "rounds.centre = false\n" in text
    assert "``" not in text
    assert ":func:" not in text


def test_every_recipe_and_part_is_named(text: str) -> None:
    assert f"recipes: {', '.join(recipe_names())}" in text
    for section, table in PARTS.items():
        assert f"\n{section}.name = " in text
        for name in table:
            assert re.search(rf"^  {name}: \S", text, re.MULTILINE), name
