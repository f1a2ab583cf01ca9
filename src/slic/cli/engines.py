"""Options of the verbs that embed many videos: which engine does it, on which devices."""

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from slic.cli.common import UsageError
from slic.cli.parser import CommandParser
from slic.errors import RecipeError

if TYPE_CHECKING:
    from slic.engines import Devices, Engine


def add_engine(verb: CommandParser) -> None:
    """Add ``--engine``, ``--address`` and ``--devices``."""
    text = (
        "what embeds: local (this machine), ray (a Ray cluster), or my_module:MyEngine "
        "(default: local)"
    )
    verb.add_argument("--engine", default="local", metavar="NAME", help=text)
    text = (
        "HOST:PORT of a running Ray cluster, or auto for the one of this machine (default: start "
        "a Ray on this machine)"
    )
    verb.add_argument("--address", metavar="ADDRESS", help=text)
    verb.only_with("--address", "--engine")
    text = (
        "embedding processes: a number, all, or GPUs such as 0,1 (default: one for each GPU, or "
        "one on the CPU; with ray, one for each GPU or core of the cluster)"
    )
    verb.add_argument("--devices", type=_devices, metavar="N|all|0,1", help=text)


def _devices(word: str) -> "Devices":
    from slic.engines import parse_devices

    try:
        return parse_devices(word)
    except ValueError as error:
        raise ArgumentTypeError(f"{word!r} is not a number, all, or GPUs such as 0,1") from error


@contextmanager
def opened_engine(arguments: Namespace) -> "Iterator[Engine | None]":
    """Give the engine that the options name, connected; None if this process embeds itself.

    Raises:
        UsageError: The machine does not have the devices, or the engine takes no address.
    """
    from slic.engines import open_engine

    names = ("workers", "devices", "address")
    try:
        engine = open_engine(arguments.engine, **{name: vars(arguments)[name] for name in names})
    except RecipeError as error:
        raise UsageError(str(error)) from error
    if engine is None:
        yield None
        return
    with engine:
        yield engine


def words_of(arguments: Namespace) -> list[str]:
    """Return the options of an engine that were given, for the command that continues."""
    devices = arguments.devices
    listed = f"{','.join(map(str, devices))}," if isinstance(devices, tuple) else devices
    given = {
        "--engine": None if arguments.engine == "local" else arguments.engine,
        "--address": arguments.address,
        "--devices": listed,
        "--fragments": vars(arguments).get("fragments"),
    }
    return [str(word) for pair in given.items() if pair[1] is not None for word in pair]


def cost_of(engine: "Engine | None") -> dict[str, Any]:
    """Print to stderr what an engine's work cost, and return it for a JSON document."""
    if engine is None:
        return {}
    print(f"slic: cost: {engine.costs or 'nothing was embedded'}", file=sys.stderr)
    return {"cost": engine.costs.to_document()}
