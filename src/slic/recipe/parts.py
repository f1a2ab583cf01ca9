"""The parts of a run: their tables, and the check of their arguments."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from slic.arguments import parse_arguments
from slic.callbacks import CALLBACKS
from slic.clustering import CLUSTERERS
from slic.errors import RecipeError
from slic.lookup import look_up
from slic.losses import LOSSES
from slic.models.backbones import BACKBONES, find_backbone
from slic.optimizers import OPTIMIZERS
from slic.schedules import SCHEDULES

Table = Mapping[str, Any]

PARTS: dict[str, Table] = {
    "backbone": BACKBONES,
    "clustering": CLUSTERERS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
"""Sections with a key ``name``, and the parts that come with the package."""


@dataclass(frozen=True)
class Part:
    """A part of a run: its name, and its constructor arguments.

    Attributes:
        name: A key of the table of the section, or an import path.
        arguments: Keyword arguments; those that are absent have their default.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


def find_part(section: str, name: str) -> tuple[Callable[..., Any], Collection[str]]:
    """Return the class or function of a part, and its arguments that are not settings.

    Raises:
        RecipeError: There is no such part.
    """
    if section == "backbone":
        entry = find_backbone(name)
        return entry.build, entry.not_settings
    table: Table = CALLBACKS if section == "callbacks" else PARTS[section]
    part: Callable[..., Any] = look_up(name, table, kind=section, error=RecipeError)
    return part, {"parameters", "params"} if section == "optimizer" else ()


def checked_part(section: str, part: Part) -> Part:
    """Return a part with all its arguments, once it could be built with them.

    Raises:
        RecipeError: There is no such part, it refuses an argument, or a loss has weights.
    """
    build, skip = find_part(section, part.name)
    arguments = parse_arguments(build, part.arguments, key=section, skip=skip)
    with section_named(section):
        if section == "optimizer":
            build([nn.Parameter(torch.zeros(1))], **arguments)
        elif section != "backbone":  # it is large; building it checks its arguments
            built = build(**arguments)
            if section == "loss":
                _refuse_weights(part.name, built)
    return Part(part.name, arguments)


def _refuse_weights(name: str, loss: object) -> None:
    """Raise a RecipeError if a loss has weights, which nothing would train or save."""
    if isinstance(loss, nn.Module) and any(True for _ in loss.parameters()):
        raise RecipeError(f"name is {name}. It has weights, but only the encoder's are trained.")


@contextmanager
def section_named(section: str) -> Iterator[None]:
    """Put the name of the section before the message of an error."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError(f"{section}.{error}") from error
