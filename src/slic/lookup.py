"""Find a part by its name in a table, or by its import path outside the package."""

import difflib
import importlib
import re
from collections.abc import Mapping
from typing import Any

from slic.errors import SlicError

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*")


def look_up(
    name: str, table: Mapping[str, Any], *, kind: str, error: type[SlicError] = SlicError
) -> Any:
    """Return the part that a name stands for.

    Args:
        name: A key of ``table``, or an import path such as ``my_module.MyLoss`` or
            ``my_module:MyLoss``.
        table: Names of the parts that come with the package.
        kind: What the part is, in one word for the message, such as ``"loss"``.
        error: The class of error to raise.

    Raises:
        SlicError: Of the class ``error``. The name is neither in the table nor can be imported;
            the message lists the known names and the nearest one.

    Example:
        >>> look_up("triplet", LOSSES, kind="loss")
        <class 'slic.losses.triplet.TripletLoss'>
    """
    if name in table:
        return table[name]
    if _IMPORT_PATH.fullmatch(name):
        module_name, attribute = re.split(r"[.:](?=\w+$)", name)
        try:
            return getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError, SyntaxError) as reason:
            raise error(f"{kind} {name!r} cannot be imported ({reason}).") from reason
    near = difflib.get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise error(
        f"unknown {kind} {name!r}.{hint} Known: {', '.join(filter(None, table))}; "
        "or an import path such as my_module.MyClass."
    )


def require_extra(module: str, extra: str, *, purpose: str) -> Any:
    """Import a module of an optional dependency.

    Args:
        module: Name of the module, such as ``"torchvision"``.
        extra: The extra of this package that installs it.
        purpose: What needs it; begins the message.

    Raises:
        SlicError: The module is not installed, or not for this version of PyTorch; the message has
            the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as reason:  # torchvision beside another PyTorch: the latter
        raise SlicError(
            f"{purpose} needs the extra {extra!r} ({reason}): pip install 'slic-video[{extra}]'"
        ) from reason
