"""Hosts that a test makes: network namespaces on one switch, on Linux as root."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from os import getpid

import pytest

_numbers = count()
_ENTER = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
for call, *arguments in (
    (libc.setns, os.open("/var/run/netns/{space}", os.O_RDONLY), {net:#x}),
    (libc.unshare, {uts:#x}),
):
    assert call(*arguments) == 0, os.strerror(ctypes.get_errno())
socket.sethostname("{name}")
"""
_NEW_NET, _NEW_UTS = 0x40000000, 0x04000000  # flags of <sched.h>


@dataclass(frozen=True)
class Host:
    """A host: a name and an address of its own, and no other network than the switch.

    Attributes:
        name: Its name, which no host can look up, as in a cluster without DNS.
        address: Its address.
        space: Name of its network namespace.
        switch: Name of the namespace of the switch.
    """

    name: str
    address: str
    space: str
    switch: str

    @property
    def entry(self) -> str:
        """Python source that moves a process to this host."""
        return _ENTER.format(space=self.space, name=self.name, net=_NEW_NET, uts=_NEW_UTS)

    def command(self, line: str) -> list[str]:
        """Return a command that runs a line of shell on this host."""
        named = f"hostname {self.name}; exec {line}"
        return ["ip", "netns", "exec", self.space, "unshare", "--uts", "sh", "-c", named]

    def vanish(self) -> None:
        """Let all packets to and from this host get lost; its link stays up."""
        _ip("-n", self.switch, "link", "set", self.name, "nomaster")

    def pull_cable(self) -> None:
        """Take down the link of this host."""
        _ip("-n", self.space, "link", "set", "eth0", "down")

    def pids(self) -> list[int]:
        """Return the processes on this host."""
        return [int(pid) for pid in _ip("netns", "pids", self.space).split()]

    def sent_bytes(self) -> int:
        """Return the number of bytes that this host has sent."""
        line = _ip("netns", "exec", self.space, "cat", "/sys/class/net/eth0/statistics/tx_bytes")
        return int(line)


@contextmanager
def made_hosts(number: int) -> Iterator[list[Host]]:
    """Give hosts ``node0``, ``node1``, ... on one switch.

    Raises:
        OSError: This system cannot make them, or this user may not.
    """
    if sys.platform != "linux":
        raise OSError("only Linux has network namespaces")
    switch, made = f"slic{getpid()}-{next(_numbers)}", list[Host]()
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for node in range(number):
            made.append(Host(f"node{node}", f"10.77.0.{node + 1}", f"{switch}-{node}", switch))
            _connect(made[-1])
        yield made
    finally:
        for space in [*(host.space for host in made), switch]:
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    """Return two hosts."""
    try:
        with made_hosts(2) as made:
            yield made
    except OSError as error:
        pytest.skip(f"no network namespaces here: {error}")


def _connect(host: Host) -> None:
    """Make a host, and a link from it to the switch."""
    _ip("netns", "add", host.space)
    ends = ("eth0", "netns", host.space, "type", "veth", "peer", host.name, "netns", host.switch)
    _ip("link", "add", *ends)
    _ip("-n", host.switch, "link", "set", host.name, "master", "bridge", "up")
    _ip("-n", host.space, "address", "add", f"{host.address}/24", "dev", "eth0")
    for link in ("eth0", "lo"):
        _ip("-n", host.space, "link", "set", link, "up")


def _ip(*words: str) -> str:
    """Run ``ip`` and return what it prints.

    Raises:
        OSError: It is not installed, or fails.
    """
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
