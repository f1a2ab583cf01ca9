"""What interruptible work shares: a lock on its folder, records, checkpoints, and signals."""

import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import EACCES, EAGAIN
from pathlib import Path
from types import FrameType
from typing import IO, Any

import torch

from slic.errors import CheckpointError, WriteError
from slic.files import atomic_path, reason_of

try:
    import fcntl
except ImportError:  # Windows has no such lock; two writers are not detected there
    fcntl = None  # type: ignore[assignment]


_log = logging.getLogger("slic")


class StopRequested(Exception):
    """Ctrl-C or SIGTERM ended the work; its state is saved. Not an error."""


def lock_folder(path: Path) -> IO[str]:
    """Create a folder if it does not exist, and lock it against a second writer.

    The lock belongs to this process alone. Worker processes outlive a killed run for some seconds,
    and do not hold it.

    Args:
        path: The folder.

    Returns:
        The lock file. The lock ends when it is closed.

    Raises:
        WriteError: The folder cannot be written, or another process is writing to it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / ".lock").open("w")
    except OSError as error:
        raise WriteError(
            f"{path}: the run folder cannot be written ({reason_of(error)}). Choose another folder."
        ) from error
    if fcntl:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            if error.errno in (EACCES, EAGAIN):
                reason = "another run is writing to this folder"
            else:  # for example a network file system without locks
                reason = f"the run folder cannot be locked ({reason_of(error)})"
            raise WriteError(f"{path}: {reason}. Choose another folder.") from error
    return lock


def read_log(path: Path) -> list[Mapping[str, Any]]:
    """Return the records of a JSON Lines file, up to the first incomplete line.

    A kill may cut the last line short. A file that does not exist has no records.
    """
    if not path.exists():
        return []
    records: list[Mapping[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def save_checkpoint(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint. The former file stays until the new one is complete.

    Args:
        state: Tensors, numbers and texts, also in nested lists and dictionaries.
        path: The file.

    Raises:
        WriteError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        try:
            torch.save(dict(state), temporary)
        except RuntimeError as error:  # torch reports a full disk this way
            raise OSError(str(error).split("\n")[0]) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU. Nothing in the file is executed.

    Raises:
        CheckpointError: The file does not exist or is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: there is nothing to resume. Start the run from the beginning."
        ) from error
    except Exception as error:  # torch lets any kind of error out of a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: not a checkpoint of a run ({reason}).") from error
    return state


@contextmanager
def stop_at_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether Ctrl-C or SIGTERM came.

    A second signal interrupts at once. Outside the main thread, signals are left alone.
    """
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # only the main thread may handle signals
        yield lambda: False
        return
    requested = False

    def request(_number: int, _frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        _log.warning("stopping as soon as the state can be saved; another signal stops at once.")

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
