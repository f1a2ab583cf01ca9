"""Meet the other processes of a run, and notice when one of them ends.

Every process keeps a connection to process 0. The system closes it when a process dies, and probes
it while nothing is sent, so that a machine that disappears is noticed too. The backends of PyTorch
would wait for it for 10 to 30 minutes.
"""

import os
import select
import socket
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from torch.distributed import DistError

from slic.errors import ProcessError
from slic.pretraining.launch import Launch, read_launch
from slic.pretraining.meeting import Meeting
from slic.signals import StopRequested

NOTICE_SECONDS: Final = 15.0
"""How long the main thread may take to notice that a process is lost; then this one ends."""

_PROBES: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}  # 30 s until lost
_BYE: Final = b"bye"


class Peers:
    """The other processes of a run.

    Args:
        launch: The place of this process.
        links: Connections: of process 0 to all others, of the others to process 0.
        hosts: Names of the machines, by rank.

    Attributes:
        lost: The rank of the process that has ended too early; None while all are there.
    """

    def __init__(
        self, launch: Launch, links: Mapping[int, socket.socket], hosts: Mapping[int, str]
    ) -> None:
        self.launch = launch
        self.lost: int | None = None
        self._links = dict(links)
        self._hosts = hosts
        self._noticed, self._left = threading.Event(), threading.Event()
        for link in self._links.values():
            _probe_when_silent(link)
        _close_in_forks(self)
        self._thread = threading.Thread(target=self._watch, daemon=True, name="slic-peers")
        self._thread.start()

    def error(self) -> ProcessError:
        """Return the error that names the lost process."""
        count, host = self.launch.count, self._hosts.get(self.lost or 0, "")
        place = f" (on {host})" if host else ""
        return ProcessError(
            f"process {self.lost} of {count}{place} has ended or cannot be reached, and training "
            "needs all of them. Its own last line may say why. Start all again; with --resume they "
            "continue from the last checkpoint."
        )

    def is_lost(self, seconds: float = 0.0) -> bool:
        """Return whether a process is lost, after waiting for the news for some seconds."""
        return self._noticed.wait(seconds)

    @contextmanager
    def until_done(self) -> Iterator[None]:
        """Tell the others, after a block, that this process is done; not after an error."""
        try:
            yield
        except StopRequested:
            self._finish()
            raise
        self._finish()

    def _finish(self) -> None:
        for link in self._links.values():
            with suppress(OSError):
                link.sendall(_BYE + b"\n")

    def leave(self) -> None:
        """Let this process end at its own pace, whatever happens to the others."""
        self._left.set()

    def close(self) -> None:
        """Close the connections."""
        for link in self._links.values():
            with suppress(OSError):
                link.close()

    def _watch(self) -> None:
        open_links = dict(self._links)
        while open_links and self.lost is None:
            try:
                ready, _, _ = select.select([*open_links.values()], [], [])
            except (OSError, ValueError):  # closed by this process
                return
            for rank in [rank for rank, link in open_links.items() if link in ready]:
                said = _read(open_links[rank])
                if said == _BYE:
                    del open_links[rank]
                elif not self._left.is_set() and self.lost is None:
                    self._lose(int(said) if said.isdigit() else rank)
        if self.lost is not None and not self._left.wait(NOTICE_SECONDS):
            print(f"\nslic: {self.error()}", file=sys.stderr, flush=True)  # a bar may be there
            os._exit(1)  # the main thread waits where nothing can interrupt it

    def _lose(self, rank: int) -> None:
        self.lost = rank
        for link in self._links.values():
            with suppress(OSError):
                link.sendall(b"%d\n" % rank)
        self._noticed.set()


_current: Peers | None = None


@contextmanager
def joined_processes() -> Iterator[bool]:
    """Meet the other processes that the environment speaks of, and end with them.

    A single process passes through. Inside of another such block, this one ends the run: leaving
    it without an error tells the others that this process is done.

    It gives whether this is the main process, which prints.

    Raises:
        ProcessError: They do not meet, or one has ended.
    """
    if _current is not None:
        with _current.until_done():
            yield _current.launch.rank == 0
        return
    if (launch := read_launch()) is None:
        yield True
        return
    meeting = Meeting(launch)
    meeting.wait_for_all("start")
    with _joined(Peers(launch, meeting.connect(), meeting.hosts), meeting):
        yield launch.rank == 0


def wait_for_peers() -> None:
    """Wait until all processes of the run are here; their scans may take different times."""
    if _current is not None and _meeting is not None:
        _meeting.wait_for_all("ready", limited=False)


_meeting: Meeting | None = None


@contextmanager
def _joined(peers: Peers, meeting: Meeting | None) -> Iterator[None]:
    global _current, _meeting
    _current, _meeting = peers, meeting
    try:
        with peers.until_done():
            yield
    except RuntimeError as error:  # a collective operation, on every backend
        if peers.is_lost(NOTICE_SECONDS):
            raise peers.error() from error
        if isinstance(error, DistError) or "gloo" in str(error):
            reason = str(error).splitlines()[0]
            raise ProcessError(f"the processes lost each other ({reason}). Start all again.") from (
                error
            )
        raise
    finally:
        peers.leave()
        peers.close()
        _current = _meeting = None


def _read(link: socket.socket) -> bytes:
    """Return a word of another process; empty if it has ended."""
    try:
        return link.recv(64).strip()
    except OSError:
        return b""


def _probe_when_silent(link: socket.socket) -> None:
    link.settimeout(None)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _close_in_forks(peers: Peers) -> None:
    """Close the connections in processes that are forked; they would stay open without us."""
    kept = weakref.ref(peers)

    def close() -> None:
        if (found := kept()) is not None:
            found.close()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close)
