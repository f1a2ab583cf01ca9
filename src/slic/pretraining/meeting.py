"""Where the processes of a run find each other before they train."""

import hmac
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

from slic.errors import ProcessError
from slic.pretraining.launch import Launch, require_host
from slic.pretraining.network import (
    first_address,
    leads_out,
    outer_address,
    own_address,
    use_interface,
)

PATIENCE_SECONDS: Final = 10.0
"""After so long, the processes that are missing are named."""

MEETING_SECONDS: Final = 600.0
"""How long to wait for all at the start; batch systems start them within minutes."""

_ANSWER_SECONDS: Final = 30.0
_MARGIN_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.1
_MAX_NAMED: Final = 8

ReturnT = TypeVar("ReturnT")
_log = logging.getLogger("slic")


class Meeting:
    """The processes of a run at the address of process 0.

    It uses the port that PyTorch uses later, so one open port is enough.

    Args:
        launch: The place of this process.
        seconds: How long to wait for the others.

    Raises:
        ProcessError: The host is unknown, the port is in use, or nobody answers.
    """

    def __init__(self, launch: Launch, *, seconds: float = MEETING_SECONDS) -> None:
        require_host(launch)
        self.launch = launch
        self.hosts: dict[int, str] = {}
        self._address = first_address(launch.address, launch.port)  # of process 0
        self._deadline = time.monotonic() + seconds
        self._noted = time.monotonic() + PATIENCE_SECONDS
        self._seconds = seconds
        serves = launch.rank == 0 and not launch.hosted
        if not serves:
            self._wait_for_listener()
        # Process 0 need not reach itself under the address that the others use.
        address = "127.0.0.1" if serves else launch.address
        self._store = _store(launch, address, serves=serves)

    def wait_for_all(self, what: str, *, limited: bool = True) -> None:
        """Wait until all processes have called this; name those that are missing.

        Args:
            what: Name of the place in the program.
            limited: Whether to give up after some minutes.

        Raises:
            ProcessError: Some are still missing.
        """
        prefix = f"slic/{self.launch.attempt}/{what}"
        self._set(f"{prefix}/{self.launch.rank}", self._host())
        self._noted = time.monotonic() + PATIENCE_SECONDS
        missing = [*range(self.launch.count)]
        while missing := [r for r in missing if not self._has(f"{prefix}/{r}")]:
            if self.launch.rank == min({*range(self.launch.count)} - {*missing}):  # one tells
                self._note(f"{self._named(missing)} missing")
            if limited:
                self._give_up_late(f"{self._named(missing)} missing")
            time.sleep(_POLL_SECONDS)
        for rank in range(self.launch.count):
            self.hosts[rank] = self._get(f"{prefix}/{rank}")

    def connect(self) -> dict[int, socket.socket]:
        """Return connections: of process 0 to all others, of the others to process 0.

        Gloo then takes the same way through the network.
        """
        links = self._links()
        if not links:  # torchrun with one process
            return links
        key = f"slic/{self.launch.attempt}/address"
        address = outer_address(links.values())
        if self.launch.rank == 0:
            self._set(key, address)
        elif not leads_out(address):  # on the machine of process 0
            address = self._get(key)
        use_interface(address)
        return links

    def _links(self) -> dict[int, socket.socket]:
        key = f"slic/{self.launch.attempt}/link"
        if self.launch.rank == 0:
            with _listen() as listener:
                token = secrets.token_hex(16)
                self._set(key, f"{listener.getsockname()[1]} {token}")
                return _accept(listener, token, self.launch.count)
        port, token = self._get(key).split()
        try:
            link = socket.create_connection((self.launch.address, int(port)), _ANSWER_SECONDS)
            link.sendall(f"{token} {self.launch.rank:8d}".encode())
        except OSError as error:
            raise ProcessError(
                f"process 0 cannot be reached at {self.launch.address}:{port} "
                f"({error.strerror or error}). Open the ports between the machines."
            ) from error
        return {0: link}

    def _wait_for_listener(self) -> None:
        place = (self.launch.address, self.launch.port)
        while True:
            try:
                with socket.create_connection(place, 5.0) as link:
                    self._address = own_address(link)
            except OSError as error:
                what = f"process 0 does not answer ({error.strerror or error})"
                self._note(what)
                self._give_up_late(what)
                time.sleep(_POLL_SECONDS)
            else:
                return

    def _host(self) -> str:
        """Return the name of this machine, and its address if others reach it."""
        name = socket.gethostname() or "?"
        return f"{name}, {self._address}" if leads_out(self._address) else name

    def _named(self, ranks: Sequence[int]) -> str:
        """Return processes in words, with their machines if they were here before."""
        hosts = dict.fromkeys(self.hosts[rank] for rank in ranks if rank in self.hosts)
        places = f" (on {'; '.join(hosts)})" if hosts else ""
        return _named(ranks, self.launch.count, places)

    def _note(self, what: str) -> None:
        if time.monotonic() < self._noted:
            return
        self._noted = time.monotonic() + 60.0
        _log.warning(
            "waiting for the other processes at %s: %s. %s",
            self.launch.place, what, self.launch.to_train_alone,
        )  # fmt: skip

    def _give_up_late(self, what: str) -> None:
        if time.monotonic() < self._deadline:
            return
        raise ProcessError(
            f"{self.launch.place}: {what} after {self._seconds:.0f} s. "
            f"Start all {self.launch.count} processes. {self.launch.to_train_alone}"
        )

    def _set(self, key: str, value: str) -> None:
        _asked(lambda: self._store.set(key, value), self.launch)

    def _has(self, key: str) -> bool:
        return _asked(lambda: bool(self._store.check([key])), self.launch)

    def _get(self, key: str) -> str:
        raw = _asked(lambda: self._store.get(key), self.launch)
        return "".join(c for c in raw.decode(errors="replace") if c.isprintable())[:200]


def _store(launch: Launch, address: str, *, serves: bool) -> TCPStore:
    """Return the store of PyTorch at the address of the run."""

    def make() -> TCPStore:
        return TCPStore(
            address,
            launch.port,
            is_master=serves,
            timeout=timedelta(seconds=_ANSWER_SECONDS),
            wait_for_workers=False,
            multi_tenant=True,  # Accelerate opens it again
        )

    try:
        return _within(_ANSWER_SECONDS, make)
    except TimeoutError:
        text = f"{launch.place}: another program answers there, not process 0 of this run."
    except DistError as error:
        if "EADDRINUSE" in str(error):
            text = f"{launch.place}: this port is in use. Set MASTER_PORT to a free one."
        else:
            text = f"{launch.place}: the processes cannot meet there ({_first_line(error)})."
    raise ProcessError(f"{text} {launch.to_train_alone}")


def _asked(call: Callable[[], ReturnT], launch: Launch) -> ReturnT:
    try:
        return call()
    except DistError as error:
        raise ProcessError(
            f"{launch.place}: process 0 has ended while the processes met "
            f"({_first_line(error)}). Start all again."
        ) from error


def _within(seconds: float, call: Callable[[], ReturnT]) -> ReturnT:
    """Return what a call returns; a TimeoutError leaves it running in its thread."""
    outcome: list[ReturnT | BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds + _MARGIN_SECONDS)
    if not outcome:
        raise TimeoutError
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _listen() -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _accept(listener: socket.socket, token: str, count: int) -> dict[int, socket.socket]:
    """Return the connections of the other processes; those without the token are closed."""
    links: dict[int, socket.socket] = {}
    listener.settimeout(_ANSWER_SECONDS)
    length = len(token) + 9
    while len(links) < count - 1:
        try:
            link, _ = listener.accept()
            link.settimeout(_ANSWER_SECONDS)
            said = link.recv(length, socket.MSG_WAITALL)
        except OSError as error:
            absent = [rank for rank in range(1, count) if rank not in links]
            raise ProcessError(
                f"{_named(absent, count)} gone again ({error.strerror or error}). Start all again."
            ) from error
        rank = said[-8:].strip()
        if hmac.compare_digest(said[: len(token)], token.encode()) and rank.isdigit():
            links[int(rank)] = link
        else:
            link.close()
    return links


def _named(ranks: Sequence[int], count: int, places: str = "") -> str:
    """Return ranks in words, such as ``processes 1 and 3 of 4 are``."""
    words = [str(rank) for rank in ranks[:_MAX_NAMED]]
    if more := len(ranks) - len(words):
        words.append(f"{more} more")
    if len(words) == 1:
        return f"process {words[0]} of {count}{places} is"
    return f"processes {', '.join(words[:-1])} and {words[-1]} of {count}{places} are"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
