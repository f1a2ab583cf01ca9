"""Files: how those of a collection are named, reading lists of them, and writing files whole.

Written whole: a reader, or a run after a crash, sees the old file or the new one.
"""

import csv
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slic.errors import CatalogError, WriteError


def absolute(path: Path) -> Path:
    """Return the absolute path without `..`; links are not followed, unlike `Path.resolve`."""
    return Path(os.path.normpath(path.absolute()))


def id_of(name: str | Path, folder: Path) -> str:
    """Return how a collection names a file that is listed in ``folder``.

    Relative to the folder where the file lies below it, else its absolute path; the same from any
    working directory.
    """
    base = absolute(folder)
    path = absolute(base / name)
    return (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


def read_csv(
    path: Path, *required: str, optional: str | None = None
) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV file of videos, each with the number of its line.

    Each has the ``required`` columns, and the ``optional`` one where the file has it; no cell of
    these is empty. Blanks around a cell are taken off, and other columns are left out.

    Raises:
        CatalogError: The file cannot be read, lacks a column or all rows, or has an empty cell.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a byte order mark
            reader = csv.DictReader(file)
            there = reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = reason_of(error) if isinstance(error, OSError) else error
        raise CatalogError(f"{path}: cannot be read as a CSV file ({why}).") from error
    if missing := [name for name in required if name not in there]:
        raise CatalogError(
            f"{path}: no column {' and no column '.join(map(repr, missing))}; "
            f"columns there: {', '.join(there) or 'none'}."
        )
    if not rows:
        raise CatalogError(f"{path}: has a header but no rows.")
    columns = [*required, optional] if optional and optional in there else required
    cells = [(line, {name: (row[name] or "").strip() for name in columns}) for line, row in rows]
    for line, row in cells:
        if empty := [name for name, cell in row.items() if not cell]:
            raise CatalogError(f"{path}: line {line}: column {empty[0]!r} is empty.")
    return cells


def as_text(name: str) -> str:
    """Return a name of the file system as text that can be sent, also where it is not UTF-8."""
    return os.fsencode(name).decode(errors="replace")


def reason_of(error: OSError) -> str:
    """Return what the file system says of an error, without number and path, in small letters."""
    return (error.strerror or str(error)).lower()


def is_file(path: Path) -> bool:
    """Tell whether there is a file that can be reached; `Path.is_file` fails in a closed folder."""
    try:
        return path.is_file()
    except OSError:
        return False


def temporary_path(path: Path) -> Path:
    """Return a new path beside ``path`` to write to; its name is never too long."""
    return path.with_name(f"{temporary_prefix(path)}{secrets.token_hex(4)}.tmp")


def temporary_prefix(path: Path) -> str:
    """Return how the names of all temporary paths of ``path`` begin: with a dot and its name."""
    return f".{path.name[:40]}."  # 40 characters are 160 bytes at most; a name may have 255


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and rename it to ``path`` at the end.

    The folder is made when it is missing. When the body fails, the temporary file is removed and
    ``path`` is as it was.

    Raises:
        WriteError: An ``OSError`` of the body or of the renaming, such as a full disk.
    """
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.lstat()  # a name that is too long is said before the work, not after it
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(path)
        _flush_to_disk(path.parent)
    except OSError as error:
        raise WriteError(f"{path}: could not be written ({reason_of(error)}).") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` as a whole file; see :func:`atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _flush_to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
