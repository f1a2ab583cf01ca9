"""What runs that can be stopped share: one writer a folder, records, saved state, Ctrl-C."""

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import EACCES, EAGAIN
from pathlib import Path
from types import FrameType
from typing import IO, Any

import torch

from slic.errors import CheckpointError
from slic.files import atomic_path, reason_of

try:
    import fcntl
except ImportError:  # Windows: two writers are then the user's own care
    fcntl = None  # type: ignore[assignment]


class StopRequested(Exception):
    """The user pressed Ctrl-C; the state is saved."""


def lock_folder(path: Path) -> IO[str]:
    """Make the folder if need be and lock it against a second writer, until the file is closed.

    The lock belongs to the process alone, not to its loading workers, which outlive a kill for some
    seconds; so a killed run leaves none behind.

    Raises:
        CheckpointError: The folder cannot be written, or another run is writing to it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / ".lock").open("w")
    except OSError as error:
        raise CheckpointError(
            f"{path}: the run folder cannot be written ({error.strerror}); "
            "choose another with --out."
        ) from error
    if fcntl:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            if error.errno in (EACCES, EAGAIN):
                why = "another run is writing to this folder"
            else:  # such as a disk of another machine that knows no locks
                why = f"the run folder cannot be locked ({reason_of(error)})"
            raise CheckpointError(f"{path}: {why}; choose another --out.") from error
    return lock


def read_log(path: Path) -> list[Mapping[str, Any]]:
    """Read a file of JSON objects, up to a line that is none: a kill cut the last one short."""
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
    """Write a state; raises CheckpointError (the old file is kept) when the disk is full."""
    with atomic_path(path) as temporary:
        try:
            torch.save(dict(state), temporary)
        except RuntimeError as error:  # torch's own writer says a full disk this way
            raise OSError(str(error).split("\n")[0]) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state, on the CPU, without executing anything of the file.

    Raises:
        CheckpointError: There is none, or the file is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: there is nothing to resume; start the run without --resume."
        ) from error
    except Exception as error:  # of a damaged file, torch's reader lets any kind of error out
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: not a checkpoint of a run ({reason}).") from error
    return state


@contextmanager
def stop_at_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C or SIGTERM came; a second one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield lambda: False
        return
    requested = False

    def request(_number: int, _frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
