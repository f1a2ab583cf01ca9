"""The network between the processes of a run."""

import os
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

import psutil  # type: ignore[import-untyped]

_GLOO: Final = "GLOO_SOCKET_IFNAME"


def first_address(name: str, port: int) -> str:
    """Return the address that a machine's name has here."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def own_address(link: socket.socket) -> str:
    """Return the address of this machine that a connection uses."""
    address: str = link.getsockname()[0]
    return address.removeprefix("::ffff:")  # IPv4 over a socket for both


def leads_out(address: str) -> bool:
    """Return whether other machines may reach an address."""
    return not ip_address(address.partition("%")[0]).is_loopback


def outer_address(links: Iterable[socket.socket]) -> str:
    """Return the address of this machine that others reach, if one of the connections has it."""
    addresses = [own_address(link) for link in links]
    return next(filter(leads_out, addresses), addresses[0])


def use_interface(address: str) -> None:
    """Let the processes exchange tensors over the network interface that has an address.

    Otherwise gloo takes the address that the machine's own name has. Many machines do not know
    their name, or give it the address 127.0.1.1, which no other machine reaches. A user's
    ``GLOO_SOCKET_IFNAME`` counts. NCCL finds an interface itself.
    """
    for name, found in psutil.net_if_addrs().items():
        if any(one.address == address for one in found):
            os.environ.setdefault(_GLOO, name)
            return
