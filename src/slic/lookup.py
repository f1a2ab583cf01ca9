"""Find a part by its name in a table, or by its import path outside the package."""

import difflib
import importlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from slic.errors import SlicError

TRUST_VARIABLE: Final = "SLIC_TRUST_CODE"
"""Environment variable: modules, with commas between them, that files of encoders may name."""

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*")


def look_up(
    name: str, table: Mapping[str, Any], *, kind: str, error: type[SlicError] = SlicError
) -> Any:
    """Return the part that a name stands for.

    A module is also found in the working directory. So the name must come from the user: where a
    file has it, call `require_trust` first.

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
        module, attribute = _split(name)
        if "" not in sys.path:  # the working directory
            sys.path.append("")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, SyntaxError) as reason:
            raise error(f"{kind} {name!r} cannot be imported ({reason}).") from reason
    near = difflib.get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise error(
        f"unknown {kind} {name!r}.{hint} Known: {', '.join(filter(None, table))}; "
        "or an import path such as my_module.MyClass."
    )


def require_trust(name: str, *, kind: str, source: Path, error: type[SlicError]) -> None:
    """Raise unless a part that a file names may be imported.

    It may if the name is no import path, or if `TRUST_VARIABLE` has its module or package. It also
    may if this program has imported it, and it is a class that says to be a backbone of slic. Other
    functions are refused, because a file also chooses their arguments.

    Args:
        name: What the file names.
        kind: What the part is, in one word for the message.
        source: The file.
        error: The class of error to raise.
    """
    if not _IMPORT_PATH.fullmatch(name):
        return
    module, attribute = _split(name)
    trusted = os.environ.get(TRUST_VARIABLE, "").replace(" ", "").split(",")
    found = getattr(sys.modules.get(module), attribute, None)
    is_backbone = isinstance(found, type) and hasattr(found, "modalities")
    if is_backbone or module in trusted or module.partition(".")[0] in trusted:
        return
    raise error(
        f"{source}: its {kind} is {name!r}, a class of the Python module {module!r}. If you trust "
        f"the code of that module, run the command with {TRUST_VARIABLE}={module} before it."
    )


def _split(import_path: str) -> tuple[str, str]:
    """Return the module and the attribute of an import path."""
    module, _, attribute = import_path.replace(":", ".").rpartition(".")
    return module, attribute


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
