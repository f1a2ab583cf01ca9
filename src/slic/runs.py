"""What interruptible work shares: a lock on its folder, records, and checkpoints."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EACCES, EAGAIN
from pathlib import Path
from typing import IO, Any, cast

import torch

from slic.errors import CheckpointError, FormatError, WriteError
from slic.files import make_folder, reason_of, temporary_path
from slic.parsing import parse_json
from slic.sealed import OtherVersionError, Seal, open_sealed, sealing

try:
    import fcntl
except ImportError:  # Windows has no such lock; two writers are not detected there
    fcntl = None  # type: ignore[assignment]


_CHECKPOINT = "checkpoint"
_log = logging.getLogger("slic")


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
        make_folder(path)
        lock = (path / ".lock").open("w")
    except OSError as error:
        raise WriteError(
            f"{path}: this folder cannot be written ({reason_of(error)}). Choose another folder."
        ) from error
    if fcntl:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            if error.errno in (EACCES, EAGAIN):
                reason = "another run is writing to this folder"
            else:  # for example a network file system without locks
                reason = f"this folder cannot be locked ({reason_of(error)})"
            raise WriteError(f"{path}: {reason}. Choose another folder.") from error
    return lock


def read_log(path: Path) -> list[Mapping[str, Any]]:
    """Return the records of a JSON Lines file, up to the first incomplete line.

    A kill may cut the last line short. A file that does not exist has no records.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({reason_of(error)}).") from error
    records: list[Mapping[str, Any]] = []
    for line in lines:
        try:
            record = parse_json(line)
        except ValueError:
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def save_checkpoint(state: Mapping[str, Any], path: Path, *, version: int) -> None:
    """Write a checkpoint. The one before is kept as ``previous.pt``, see `load_checkpoint`.

    Args:
        state: Tensors, numbers and texts, also in nested lists and dictionaries.
        path: The file.
        version: Version of the format of ``state``.

    Raises:
        WriteError: The file cannot be written. The former one stays.
    """
    with sealing(path, Seal(_CHECKPOINT, version), before_replacing=_keep_previous) as stream:
        torch.save(dict(state), stream)


def _keep_previous(path: Path) -> None:
    """Give a checkpoint a second name. At any moment there is one that is whole."""
    if not path.exists():
        return
    linked = temporary_path(path)
    try:
        linked.hardlink_to(path)
    except OSError:  # a file system without hard links
        path.replace(previous_checkpoint(path))
    else:
        linked.replace(previous_checkpoint(path))
        linked.unlink(missing_ok=True)  # it stays if the two were names of one file before


def previous_checkpoint(path: Path) -> Path:
    """Return where the checkpoint before the last one is."""
    return path.with_name("previous.pt")


def has_checkpoint(path: Path) -> bool:
    """Return whether `load_checkpoint` has a file to read."""
    return path.exists() or previous_checkpoint(path).exists()


def load_checkpoint(path: Path, *, version: int) -> dict[str, Any]:
    """Read a checkpoint to the CPU. Nothing in the file is executed.

    If the file is damaged or gone, the one before it is read, with a warning. A run then repeats
    the work between the two, with the same result.

    Args:
        path: The file.
        version: Version of the format that is expected.

    Raises:
        CheckpointError: There is no checkpoint, or none that is not damaged.
        FormatError: The file has another format version.
    """
    previous = previous_checkpoint(path)
    if not has_checkpoint(path):
        raise CheckpointError(
            f"{path}: there is nothing to resume. Start the run from the beginning."
        )
    try:
        return _read_checkpoint(path, version)
    except CheckpointError as error:
        if not previous.exists():
            raise
        state = _read_checkpoint(previous, version)
        _log.warning("%s The run continues from %s, the one before.", error, previous.name)
        return state


@contextmanager
def refusing_other_content(path: Path) -> Iterator[None]:
    """Turn errors from a whole checkpoint whose content does not fit the run into one line.

    Raises:
        CheckpointError: The body raised what torch raises for another state.
    """
    try:
        yield
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{path}: not a checkpoint of this run ({reason}). Start it again in another folder."
        ) from error


def require_counter(value: object) -> int:
    """Return a number of epochs, batches or steps that a checkpoint has.

    Raises:
        ValueError: It is something else.
    """
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r:.40} is no number of epochs or steps")
    return value


def _read_checkpoint(path: Path, version: int) -> dict[str, Any]:
    try:
        with open_sealed(path, Seal(_CHECKPOINT, version)) as stream:
            state: dict[str, Any] = torch.load(
                cast("IO[bytes]", stream), map_location="cpu", weights_only=True
            )
            return state
    except OtherVersionError as error:
        raise FormatError(
            f"{path}: checkpoint format {error.found}, but this package reads {version}. "
            "Start the run again in another folder."
        ) from error
    except Exception as error:  # torch lets any kind of error out
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: not a whole checkpoint of a run ({reason}).") from error
