"""Recipes: every setting of a pretraining run.

A recipe is a YAML mapping of sections. The keys of a section are the constructor arguments of one
part of the run. The sections in `PARTS` also have a key ``name``, which chooses the part from a
table or by its import path. A key that is absent has the default of that constructor, not the value
of the recipe ``two-stream``.
"""

from slic.recipe.loading import (
    default_recipe,
    load_recipe,
    recipe_names,
    save_recipe,
    settings_of,
)
from slic.recipe.options import (
    RoundInput,
    RoundOptions,
    SamplingOptions,
    SegmentOptions,
    TrainOptions,
)
from slic.recipe.parts import PARTS, Part, find_part
from slic.recipe.recipe import CompatName, Recipe

__all__ = [
    "PARTS",
    "CompatName",
    "Part",
    "Recipe",
    "RoundInput",
    "RoundOptions",
    "SamplingOptions",
    "SegmentOptions",
    "TrainOptions",
    "default_recipe",
    "find_part",
    "load_recipe",
    "recipe_names",
    "save_recipe",
    "settings_of",
]
