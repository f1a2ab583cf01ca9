"""Engines: where the work on many videos is done.

A new engine is one file beside this one, a class that has what `slic.engines.base.Engine` says, and
one line in `ENGINES`. An engine outside this package is named by its import path.
"""

import importlib
from typing import Any, Final

from slic.engines.base import Engine, Work
from slic.engines.costs import Costs
from slic.engines.devices import Devices, default_devices, local_devices, parse_devices
from slic.engines.paths import folders_for_others, path_for_others
from slic.engines.scanning import scanner_of
from slic.errors import EngineError
from slic.lookup import look_up

__all__ = [
    "ENGINES", "Costs", "Devices", "Engine", "Work", "folders_for_others", "local_devices",
    "open_engine", "parse_devices", "path_for_others", "scanner_of",
]  # fmt: skip

ENGINES: Final = {
    "local": "slic.engines.local:LocalEngine",
    "ray": "slic.engines.ray:RayEngine",
}
"""The engines of this package, imported when they are opened: Ray is an optional package."""


def open_engine(
    name: str = "local",
    *,
    workers: int = 2,
    devices: Devices = None,
    address: str | None = None,
) -> Engine | None:
    """Return an engine, or None if one device of this machine does: the caller then embeds itself.

    Args:
        name: A key of `ENGINES`, or an import path such as ``my_module:MyEngine``.
        workers: Processes that decode for each device. Ray decodes with the cores of its nodes.
        devices: How many embedding processes; ``"all"`` for one on each GPU, or one on each core of
            a cluster without GPUs; or the numbers of GPUs of this machine.
        address: Of a running cluster, ``HOST:PORT`` or ``"auto"``. None starts a Ray on this
            machine.

    Raises:
        EngineError: There is no such engine, or a package is missing.
        RecipeError: The machine does not have these devices, or the engine takes no address.
    """
    if name == "local" and address is None and local_devices(devices) == default_devices():
        return None
    found = look_up(name, ENGINES, kind="engine", error=EngineError)
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = getattr(importlib.import_module(module), attribute)
    engine: Any = found(workers=workers, devices=devices, address=address)
    opened: Engine = engine
    return opened
