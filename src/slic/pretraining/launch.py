"""What the environment says about the processes of a run: RANK, WORLD_SIZE and the like."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from slic.errors import ProcessError

# The names that launchers give to the rank and the number of processes; the first pair that is
# there counts. Those of MPI are there for a single process too.
_NAMES = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
)
_OF_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
MAX_PROCESSES = 65536


@dataclass(frozen=True)
class Launch:
    """One process of several.

    Attributes:
        rank: Its number, from 0.
        count: Number of processes.
        address: Name or address of the machine of process 0.
        port: Port there.
        attempt: Number of the restart by ``torchrun``.
        hosted: Whether the launcher listens at the port, as ``torchrun`` does.
        alone: The command that makes one process of it.
    """

    rank: int
    count: int
    address: str
    port: int
    attempt: str = "0"
    hosted: bool = False
    alone: str = "unset RANK WORLD_SIZE"

    @property
    def place(self) -> str:
        """Where the processes meet."""
        return f"{self.address}:{self.port}"

    @property
    def to_train_alone(self) -> str:
        """The way out where variables were left behind."""
        return f"To train with one process, run first: {self.alone}"


def read_launch(environment: Mapping[str, str] | None = None) -> Launch | None:
    """Return the place of this process among several; None if it is the only one.

    Args:
        environment: By default that of this process.

    Raises:
        ProcessError: The variables are incomplete, contradict each other, or are not numbers.
    """
    found = os.environ if environment is None else environment
    rank_name, size_name = _names_in(found)
    there = [name for name in dict.fromkeys((rank_name, size_name, *_OF_TORCHRUN)) if name in found]
    if not there:
        return None
    alone = f"unset {' '.join(there)}"

    def number(name: str, *, below: int, least: int = 0) -> int:
        word = found.get(name, "")
        if not word:
            said = ", ".join(f"{other}={found[other]}" for other in there)
            raise _wrong(f"{said} is set in the environment, but not {name}.", alone)
        digits = word.isascii() and word.isdecimal() and len(word) < 10
        if not (digits and least <= int(word) < below):
            rule = f"a number from {least} to {below - 1}"
            raise _wrong(f"{name}={word} in the environment is not {rule}.", alone)
        return int(word)

    count = number(size_name, below=MAX_PROCESSES, least=1)
    rank = number(rank_name, below=count)
    if "LOCAL_RANK" in found:
        number("LOCAL_RANK", below=count)
    elif count == 1:
        return None
    if not (address := found.get("MASTER_ADDR", "")):
        said = f"{rank_name}={rank} and {size_name}={count} are"
        raise _wrong(f"{said} set in the environment, but not MASTER_ADDR.", alone)
    return Launch(
        rank=rank,
        count=count,
        address=address,
        port=number("MASTER_PORT", below=65536, least=1),
        attempt=found.get("TORCHELASTIC_RESTART_COUNT", "0"),
        hosted=found.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        alone=alone,
    )


def require_host(launch: Launch) -> None:
    """Raise a ProcessError if the name of the machine of process 0 is not known here."""
    try:
        socket.getaddrinfo(launch.address, launch.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a name"
        text = f"MASTER_ADDR={launch.address}: this host is not known ({reason})."
        raise _wrong(text, launch.alone) from error


def _names_in(found: Mapping[str, str]) -> tuple[str, str]:
    for rank, size in _NAMES[1:]:
        if not any(name in found for name in _NAMES[0]) and found.get(size, "1") != "1":
            return rank, size
    return _NAMES[0]


def _wrong(what: str, alone: str) -> ProcessError:
    return ProcessError(
        f"{what} Start the processes with torchrun, which sets all. To train with one process, run "
        f"first: {alone}"
    )
