"""Build a network of the transformers library for given clips, or load one with its weights."""

import math
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slic.arguments import one_line
from slic.errors import CheckpointError, RecipeError
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.transformers.families import Family
from slic.models.backbones.transformers.native_clip import with_clip
from slic.models.backbones.transformers.positions import TokenGrid, resample_table
from slic.models.backbones.transformers.source import load_library, quiet


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
        with quiet(library):
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
    model: str,
    draw: bool = True,
) -> nn.Module:
    """Return the network for clips of other frames or another size than the configuration's.

    Args:
        library: The module ``transformers``.
        family: The family of the model.
        config: Its configuration, for the clips of its weights.
        clip: The clips that it takes.
        grids: Tokens of a clip of the weights, and of such a clip.
        model: Hub id or folder, for messages.
        draw: Draw random weights, which takes half a minute for 300 million. Otherwise weights are
            NaN until others are loaded.

    Raises:
        CheckpointError: The configuration contradicts itself.
    """
    fitted = with_clip(config, frames=clip.frames, size=clip.size)
    try:
        with quiet(library), nullcontext() if draw else _no_weights_drawn():
            network: nn.Module = getattr(library, family.network)(fitted, **family.arguments)
    except Exception as error:
        reason = one_line(error)[:200]
        raise CheckpointError(f"{model}: {family.network} cannot be built ({reason}).") from error
    if not draw:
        for weight in network.parameters():
            nn.init.constant_(weight, math.nan)
    for name in family.removed:
        delattr(network, name)
    for name in family.frozen:
        getattr(network, name).requires_grad_(False)
    _fit_fixed_positions(network, family, config, grids=grids)
    return network


def load_network(
    family: Family,
    config: Any,
    *,
    model: str,
    state: Mapping[str, Tensor] | None = None,
    source: Path | None = None,
) -> nn.Module:
    """Return the network of a model with its published weights, on the CPU and in fp32.

    Only safetensors and the restricted reader of `torch.load` are used.

    Args:
        family: Its family.
        config: Its configuration, an object of the library.
        model: Hub id or folder, which is not read if there is a ``state``.
        state: Weights under the names that the library saves.
        source: The file that they come from, for the message.

    Raises:
        CheckpointError: Weights are missing, damaged, or of another shape.
    """
    library, where = load_library(model), source or model
    # otherwise loading pickled weights asks the hub, in a thread, to convert the repository
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "true")
    weights = {"pretrained_model_name_or_path": model if state is None else None}
    try:
        with quiet(library):
            network, report = getattr(library, family.network).from_pretrained(
                **weights, config=config, state_dict=None if state is None else dict(state),
                dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True,
                **family.arguments,
            )  # fmt: skip
    except Exception as error:  # the library lets any kind of error out of a damaged file
        reason = one_line(error) or type(error).__name__
        raise CheckpointError(f"{where}: weights cannot be read ({reason[:300]}).") from error
    if faults := _faults(report, family):
        raise CheckpointError(
            f"{where}: the weights do not fit {family.network} as its config.json describes it; "
            f"{'; '.join(faults)}."
        )
    return network  # type: ignore[no-any-return]


def _faults(report: Mapping[str, Any], family: Family) -> list[str]:
    """Return what the library reports as missing or misshapen, but for what may be."""
    may_lack = (*family.may_be_new, *(f"{name}." for name in family.removed))
    missing = [n for n in sorted(report["missing_keys"]) if not n.startswith(may_lack)]
    wrong = [
        f"{name} {tuple(theirs)} instead of {tuple(ours)}"
        for name, theirs, ours in sorted(report["mismatched_keys"])
    ]
    kinds = {"missing": missing, "of another shape": wrong}
    return [f"{kind}: {_some(names)}" for kind, names in kinds.items() if names]


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _no_weights_drawn() -> AbstractContextManager[None]:
    without: AbstractContextManager[None] = import_module(
        "transformers.initialization"
    ).no_init_weights()
    return without


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
