"""Paths and ids of files, CSV files of videos, and atomic writes.

A write is atomic if a reader, or a run after a crash, sees either the old file or the new one.
"""

import csv
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from slic.errors import CatalogError, WriteError
from slic.parsing import MAX_YAML_CHARACTERS, parse_json, parse_yaml

_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet may run, however often it was guarded


MAX_JSON_BYTES: Final = 256 << 20


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
        CatalogError: The file cannot be read, lacks a required column, has no rows, or has an empty
            cell.
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
        if empty := [name for name, cell in row.items() if not cell and name not in blank]:
            raise CatalogError(f"{path}: line {line}: column {empty[0]!r} is empty.")
    return cells


def guard_cell(cell: str) -> str:
    """Return the text of a CSV cell that a spreadsheet does not run as a formula.

    An apostrophe goes before ``=``, ``+``, ``-``, ``@``, a tab and a carriage return, and before a
    text that `unguard_cell` would shorten otherwise.

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
    ``path`` stays as it was.

    Raises:
        WriteError: The body or the renaming raised an ``OSError``, for instance of a full disk.

    Example:
        >>> with atomic_path(Path("scores.json")) as temporary:
        ...     temporary.write_text("{}")
    """
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.lstat()  # a name that is too long raises before the work, not after it
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
    """Write ``data`` to ``path``.

    Raises:
        WriteError: The file cannot be written; see :func:`atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _flush_to_disk(path: Path) -> None:
    """Wait until the bytes of a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
