"""Loading a state dict into a module, with an error that says what does not fit."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from slic.errors import CheckpointError


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], *, source: Path) -> None:
    """Load a state dict whose names and shapes must be exactly those of the module.

    Args:
        module: The module.
        state: The weights.
        source: The file that they come from, for the message.

    Raises:
        CheckpointError: Lists weights that are missing, unexpected or of another shape.
    """
    check_shapes(module, {name: tuple(value.shape) for name, value in state.items()}, source=source)
    module.load_state_dict(dict(state))


def check_shapes(module: nn.Module, shapes: Mapping[str, tuple[int, ...]], *, source: Path) -> None:
    """Check that names and shapes of weights are exactly those of a module.

    Args:
        module: The module; it may be on the device "meta".
        shapes: The shape of each weight, by its name.
        source: The file that they come from, for the message.

    Raises:
        CheckpointError: Lists weights that are missing, unexpected or of another shape.
    """
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    missing = [name for name in wanted if name not in shapes]
    unexpected = [name for name in shapes if name not in wanted]
    misshapen = [
        f"{name} {shapes[name]} instead of {shape}"
        for name, shape in wanted.items()
        if name in shapes and shapes[name] != shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    faults = [f"{kind}: {_shortened(names)}" for kind, names in kinds.items() if names]
    if faults:
        raise CheckpointError(f"{source}: the weights do not fit the encoder; {'; '.join(faults)}.")


def _shortened(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
