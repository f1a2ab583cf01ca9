"""Paths and ids of files, CSV files of videos, and atomic writes.

A write is atomic if a reader, or a run after a crash, sees either the old file or the new one.
"""

import csv
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EACCES, EBADF, EDQUOT, EFBIG, EINVAL, EIO, ENOSPC, ENOTSUP, EPERM, EROFS, ESTALE
from pathlib import Path
from typing import Any, Final

from slic.errors import CatalogError, SlicError, WriteError
from slic.parsing import MAX_YAML_CHARACTERS, parse_json, parse_yaml

try:
    import fcntl
except ImportError:  # Windows: files that a killed process leaves stay there
    fcntl = None  # type: ignore[assignment]

# What a spreadsheet may run, however often it was guarded; also in full width, as in Japanese.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

MAX_JSON_BYTES: Final = 256 << 20
_DISK_ERRORS: Final = frozenset({EDQUOT, EFBIG, EIO, ENOSPC, EROFS, ESTALE})
_NO_FLUSHING: Final = frozenset({EACCES, EBADF, EINVAL, ENOTSUP, EPERM})
_TEMPORARY_NAME: Final = re.compile(r"\..*\.[0-9a-f]{8}\.tmp", re.DOTALL)

_begun: set[Path] = set()  # temporary files that this process is writing
_swept: set[Path] = set()  # folders in which it has removed those of killed processes


def absolute(path: Path) -> Path:
    """Return the absolute path without ``..``. Unlike `Path.resolve`, it keeps symbolic links."""
    return Path(os.path.normpath(path.absolute()))


def id_of(name: str | Path, folder: Path) -> str:
    """Return the id of a file in a collection. It does not depend on the working directory.

    Args:
        name: Path of the file, absolute or relative to ``folder``.
        folder: Root of the collection.

    Returns:
        The Posix path relative to ``folder`` if the file lies below it, else the absolute path.
    """
    base = absolute(folder)
    path = absolute(base / name)
    return (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


def read_csv(
    path: Path, *required: str, optional: str | None = None, blank: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file of videos, with a header.

    Args:
        path: The file, in UTF-8.
        required: Columns that must exist.
        optional: A column that may exist.
        blank: Columns that may exist, and whose cells may be empty.

    Returns:
        The line number and the cells of every row. Blanks around a cell and the apostrophe of
        `guard_cell` are stripped, no cell is empty, and other columns are left out.

    Raises:
        CatalogError: The file cannot be read, lacks a required column, has no rows, or has a cell
            that is empty or has a null byte.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a byte order mark
            reader = csv.DictReader(file)
            names = reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = reason_of(error) if isinstance(error, OSError) else error
        raise CatalogError(f"{path}: cannot be read as a CSV file ({reason}).") from error
    if missing := [name for name in required if name not in names]:
        raise CatalogError(
            f"{path}: no column {' and no column '.join(map(repr, missing))}; "
            f"columns there: {', '.join(names) or 'none'}."
        )
    if not rows:
        raise CatalogError(f"{path}: has a header but no rows.")
    columns = [*required, *(name for name in (optional, *blank) if name and name in names)]
    cells = [
        (line, {name: unguard_cell((row[name] or "").strip()) for name in columns})
        for line, row in rows
    ]
    for line, row in cells:
        if strange := [name for name, cell in row.items() if "\0" in cell]:
            raise CatalogError(f"{path}: line {line}: column {strange[0]!r} has a null byte.")
        if empty := [name for name, cell in row.items() if not cell and name not in blank]:
            raise CatalogError(f"{path}: line {line}: column {empty[0]!r} is empty.")
    return cells


def guard_cell(cell: str) -> str:
    """Return the text of a CSV cell that a spreadsheet does not run as a formula.

    An apostrophe goes before ``=``, ``+``, ``-``, ``@``, a tab and a line break, and before a text
    that `unguard_cell` would shorten otherwise.

    Example:
        >>> guard_cell("=1+1"), guard_cell("walk"), unguard_cell("'=1+1")
        ("'=1+1", 'walk', '=1+1')
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard_cell(cell: str) -> str:
    """Return the text that `guard_cell` guarded."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not JSON, has over `MAX_JSON_BYTES`, or is nested too deeply.
    """
    if (size := path.stat().st_size) > MAX_JSON_BYTES:
        raise ValueError(f"it has {size} bytes")
    return parse_json(path.read_bytes())


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds something else, has over `MAX_JSON_BYTES`, or is nested too deeply.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping; an empty file is an empty one.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds something else, or is beyond a bound of `slic.parsing.parse_yaml`.
    """
    if (size := path.stat().st_size) > 4 * MAX_YAML_CHARACTERS:
        raise ValueError(f"it has {size} bytes")
    content = parse_yaml(path.read_text(encoding="utf-8"))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError("not a YAML mapping")
    return content


def as_text(name: str) -> str:
    """Return a file name as valid Unicode. Bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode(errors="replace")


def reason_of(error: OSError) -> str:
    """Return the message of an error in lower case, without its number and path."""
    return (error.strerror or str(error)).lower()


def is_file(path: Path) -> bool:
    """Return whether the file exists and can be reached.

    `Path.is_file` raises if a parent folder may not be entered.
    """
    try:
        return path.is_file()
    except OSError:
        return False


def temporary_path(path: Path) -> Path:
    """Return a new path in the folder of ``path``, with a name that is never too long."""
    return path.with_name(f"{temporary_prefix(path)}{secrets.token_hex(4)}.tmp")


def temporary_prefix(path: Path) -> str:
    """Return the beginning of the names of all temporary paths of ``path``."""
    return f".{path.name[:40]}."  # at most 160 bytes; a file name may have 255


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to ``path`` at the end.

    The folder is created if it is missing. If the body raises, the temporary file is removed and
    ``path`` stays as it was. The body must write to the file and not replace it: a lock on it tells
    other processes that it is in use (see :func:`remove_stale_temporaries`).

    Raises:
        WriteError: The body or the renaming raised an ``OSError``, for instance of a full disk.

    Example:
        >>> with atomic_path(Path("scores.json")) as temporary:
        ...     temporary.write_text("{}")
    """
    temporary = temporary_path(path)
    try:
        with _reporting(path):
            make_folder(path.parent)
            with suppress(FileNotFoundError):
                path.lstat()  # a name that is too long raises before the work, not after it
            remove_stale_temporaries(path.parent)
            with in_use(temporary):
                yield temporary
                move_whole(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    """Raise errors of the disk as a `WriteError` that names the file and the reason."""
    try:
        yield
    except SlicError:
        raise
    except Exception as error:
        if (cause := _disk_error(error)) is None:
            raise
        raise WriteError(f"{path}: could not be written ({reason_of(cause)}).") from cause


def _disk_error(error: BaseException | None) -> OSError | None:
    """Return the error of the disk behind an error; None if there is none.

    A library that fails while it handles a failed write, such as the writer of zip files in torch,
    hides the reason behind an error of its own.
    """
    if isinstance(error, OSError):
        return error
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            return error
        error = error.__cause__ or error.__context__
    return None


def make_folder(path: Path) -> None:
    """Create a folder and its parents, if they are missing, and wait until they are on the disk."""
    missing = []
    for folder in (path, *path.parents):
        if folder.exists():
            break
        missing.append(folder)
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        flush_folder(folder.parent)


def move_whole(file: Path, path: Path) -> None:
    """Rename a finished file of the same disk to ``path``, once its bytes are on the disk."""
    flush_file(file)
    file.replace(path)
    flush_folder(path.parent)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside ``path``, and remove it at the end.

    Raises:
        WriteError: The body raised an ``OSError``, for instance of a full disk.
    """
    folder = temporary_path(path)
    try:
        with _reporting(path):
            make_folder(path.parent)
            remove_stale_temporaries(path.parent)
            folder.mkdir()
            with in_use(folder):
                yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale_temporaries(folder: Path) -> None:
    """Remove temporary files that killed processes left in a folder; once in each process.

    A process holds a lock on each one that it writes. The system releases it when it dies.
    """
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY_NAME.fullmatch(entry.name) and not entry.is_symlink():
                _remove_if_unused(Path(entry.path))


def _remove_if_unused(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        finally:
            os.close(descriptor)


def _remove(temporary: Path) -> None:
    """Remove a temporary file or folder, and what SQLite keeps beside it."""
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
        return
    temporary.unlink()
    for suffix in ("-wal", "-shm", "-journal"):
        temporary.with_name(f"{temporary.name}{suffix}").unlink(missing_ok=True)


@contextmanager
def in_use(temporary: Path) -> Iterator[None]:
    """Lock a temporary file, which is created, or a folder, while this process writes to it."""
    descriptor = _open_locked(temporary)
    _begun.add(temporary)
    try:
        yield
    finally:
        _begun.discard(temporary)
        os.close(descriptor)


def _open_locked(temporary: Path) -> int:
    flags = os.O_RDONLY if temporary.is_dir() else os.O_RDWR | os.O_CREAT
    while True:
        descriptor = os.open(temporary, flags, 0o666)
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks; nothing is removed there either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # it was removed before it was locked


def discard_temporaries() -> None:
    """Remove the temporary files of this process, which is about to end without unwinding."""
    for path in [*_begun]:
        with suppress(OSError):
            _remove(path)


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``.

    Raises:
        WriteError: The file cannot be written; see :func:`atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def flush_file(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can tell."""
    try:
        flush_file(path)
    except OSError as error:
        if error.errno not in _NO_FLUSHING:
            raise
