"""Build a network of the transformers library for given clips, with random weights."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from slic.arguments import one_line
from slic.errors import CheckpointError, RecipeError
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.transformers.families import Family
from slic.models.backbones.transformers.native_clip import with_clip
from slic.models.backbones.transformers.positions import TokenGrid, resample_table


def build_config(library: Any, family: Family, settings: Mapping[str, Any], *, model: str) -> Any:
    """Return a configuration as an object of the library.

    Args:
        library: The module ``transformers``.
        family: The family of the model.
        settings: The configuration as plain values.
        model: Hub id or folder, for messages.

    Raises:
        CheckpointError: A value is invalid.
        RecipeError: The library is too old for the family.
    """
    if not hasattr(library, family.network):
        raise RecipeError(
            f"{model}: transformers {library.__version__} has no {family.network}; "
            "install a newer version."
        )
    try:
        config = getattr(library, family.network).config_class.from_dict(dict(settings))
    except Exception as error:  # the library's checks raise errors of many kinds
        raise CheckpointError(f"{model}: invalid config.json ({one_line(error)[:200]}).") from error
    for name, value in family.settings.items():
        setattr(config, name, value)
    return config


def build_network(
    library: Any,
    family: Family,
    config: Any,
    *,
    clip: ClipSpec,
    grids: tuple[TokenGrid, TokenGrid],
) -> nn.Module:
    """Return the network for clips of other frames or another size than the configuration's.

    Args:
        library: The module ``transformers``.
        family: The family of the model.
        config: Its configuration, for the clips of its weights.
        clip: The clips that it takes.
        grids: Tokens of a clip of the weights, and of such a clip.

    Raises:
        CheckpointError: The configuration contradicts itself.
    """
    fitted = with_clip(config, frames=clip.frames, size=clip.size)
    try:
        network: nn.Module = getattr(library, family.network)(fitted, **family.arguments)
    except Exception as error:
        reason = one_line(error)[:200]
        raise CheckpointError(f"{family.network} cannot be built ({reason}).") from error
    for name in family.removed:
        delattr(network, name)
    for name in family.frozen:
        getattr(network, name).requires_grad_(False)
    _fit_fixed_positions(network, family, config, grids=grids)
    return network


def _fit_fixed_positions(
    network: nn.Module, family: Family, config: Any, *, grids: tuple[TokenGrid, TokenGrid]
) -> None:
    """Give every place of a clip the code that it had in training, not that of its row number."""
    old, new = grids
    for name, axes in family.fixed_positions.items():
        path, _, attribute = name.rpartition(".")
        holder = network.get_submodule(path)
        if old != new:
            table = getattr(type(holder)(config), attribute)
            table = resample_table(table, old=old.along(axes), new=new.along(axes))
            setattr(holder, attribute, table)
