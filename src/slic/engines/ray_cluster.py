"""Connecting to a Ray cluster, or starting one on this machine, without a word from Ray."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from slic.arguments import one_line
from slic.engines.stages import require_folders
from slic.errors import EngineError, SlicError
from slic.files import reason_of
from slic.lookup import require_extra
from slic.machine import usable_cores
from slic.signals import STOP_SIGNALS

CONNECT_SECONDS: Final = 10.0
NODE_SECONDS: Final = 120.0  # a node may have to start a process and import torch
# Ray speaks gRPC: a server answers this with its settings. Ray itself waits minutes for others.
_GREETING: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS_FRAME: Final = b"\x04"
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would send them over the network
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # it warns without this
    "RAY_gcs_rpc_server_connect_timeout_s": "10",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its lines would come between ours
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_TQDM": "0",
}


def import_ray() -> Any:
    """Import Ray and Ray Data, which then log errors only.

    Raises:
        EngineError: They are not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        require_extra("ray.data", "ray", purpose="the engine 'ray'")
    except SlicError as error:
        raise EngineError(str(error)) from error
    import ray

    for name in ("ray", "ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with suppress(AttributeError):  # it prints what happens to nodes to stdout
        ray._private.worker._worker_logs_enabled = False
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def connect(address: str | None) -> Any:
    """Connect to a cluster, and return the module of Ray.

    Args:
        address: ``HOST:PORT`` of its head, ``"auto"`` for the one that this machine is a node of,
            or None for that of ``RAY_ADDRESS``, or else to start one on this machine.

    Raises:
        EngineError: There is none, or this machine is not a node of it.
    """
    ray = import_ray()
    if address not in (None, "auto"):
        _require_answer(address)
    words = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": False}
    target = address or os.environ.get("RAY_ADDRESS") or "local"  # None would take any running one
    if target == "local":
        words |= {"num_cpus": usable_cores(), "include_dashboard": False}
    try:
        with _keeping_signal_handlers(), _outside_our_process_group(ray), _without_stderr():
            ray.init(address=target, **words)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        if address is None:
            raise EngineError(f"Ray does not start on this machine ({_first(error)}).") from error
        raise EngineError(
            f"{address}: this machine is no node of a Ray cluster there. Start its head with `ray "
            "start --head`, and run the command on one of its nodes."
        ) from error
    return ray


def require_folders_on_all_nodes(ray: Any, folders: Sequence[Path]) -> None:
    """Check that every node has this package and sees some folders.

    Raises:
        EngineError: One does not; the message names the node and the folder.
    """
    at_node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    look = ray.remote(num_cpus=0, max_retries=0)(_problem)
    asked = {
        look.options(scheduling_strategy=at_node(node["NodeID"], soft=False)).remote(
            tuple(folders)
        ): node["NodeManagerAddress"]
        for node in ray.nodes()
        if node["Alive"]
    }
    for answer, node in asked.items():
        try:
            problem = ray.get(answer, timeout=NODE_SECONDS)
        except (ray.exceptions.RayError, ImportError) as error:
            problem = f"it does not run slic ({_first(error)})"
        if problem:
            raise EngineError(f"node {node}: {problem}")


def describe_error(error: Exception) -> str:
    """Return what an error of Ray is about, in one line."""
    return _first(getattr(error, "cause", None) or error)


def _problem(folders: tuple[Path, ...]) -> str:
    """Return what is wrong with a node; this runs there."""
    try:
        require_folders(folders)
    except EngineError as error:
        return str(error)
    return ""


def _require_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise EngineError(f"{address}: is no address of a Ray cluster, which is HOST:PORT.")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS) as connection:
            connection.sendall(_GREETING)
            if connection.recv(9)[3:4] == _SETTINGS_FRAME:
                return
            reason = "another server has this port"
    except (OSError, OverflowError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else _first(error)
    raise EngineError(
        f"{address}: no Ray cluster answers there ({reason}). Start its head with "
        "`ray start --head --port 6379`, or correct the address."
    )


@contextmanager
def _keeping_signal_handlers() -> Iterator[None]:
    """Restore the handlers that Ray replaces by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _outside_our_process_group(ray: Any) -> Iterator[None]:
    """Start Ray's processes in process groups of their own.

    A closed terminal, Ctrl-C and `timeout` signal the whole group of the command. If that ended
    Ray's processes, Ray would end the command before it has saved anything.
    """
    services = ray._private.services
    popen = services.ConsolePopen
    services.ConsolePopen = partial(popen, process_group=0)
    try:
        yield
    finally:
        services.ConsolePopen = popen


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Drop what the C++ part of Ray says about its own start; its errors are exceptions."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _first(error: BaseException) -> str:
    """Return the last line of a message that may be a traceback, at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines and "Traceback" in str(error) else " ".join(lines)
    return one_line(Exception(text or type(error).__name__))[:200]
