"""What a power cut may leave on a disk, from a journal of everything that was done to it.

A disk keeps what `fsync` asked it to keep. Of the content of a file, any part of what was written
later may be there too. Of the names in a folder, any first part of the later changes may be there.
Every folder and every file is independent of the others: no order between them is assumed, as on
a file system that does not write a journal of its own in order.
"""

import os
import random
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

_RECORD: Final = struct.Struct("@8s5q")  # as in faulty_disk.c


class Operation(NamedTuple):
    """One call that changed the disk.

    Attributes:
        kind: ``write``, ``cut``, ``sync``, ``create``, ``mkdir``, ``rename``, ``link``, ``unlink``.
        inode: Number of the file or folder.
        offset: Where bytes were written, or the new length.
        data: The bytes.
        path: The file, below the root.
        other: The new name.
    """

    kind: str
    inode: int
    offset: int
    data: bytes
    path: str
    other: str


def read_journal(path: Path, root: Path) -> list[Operation]:
    """Return the operations of a journal in their order."""
    content, place, operations = path.read_bytes(), 0, []

    def take(length: int) -> bytes:
        nonlocal place
        place += length
        return content[place - length : place]

    while place < len(content):
        kind, inode, offset, length, first, second = _RECORD.unpack(take(_RECORD.size))
        path_text, other = (take(n).decode(errors="surrogateescape") for n in (first, second))
        name = kind.rstrip(b"\0").decode()
        data = take(length) if name == "write" else b""
        places = [p.removeprefix(str(root)).strip("/") for p in (path_text, other)]
        operations.append(Operation(name, inode, offset, data, *places))
    return operations


@dataclass
class _File:
    """A file: its content on the disk, and what was done since."""

    durable: bytearray = field(default_factory=bytearray)
    mtime_ns: int = 0  # of a file that was there at the start
    later: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: a new length

    def now(self) -> bytearray:
        """Return the content that a reader sees."""
        content = bytearray(self.durable)
        for change in self.later:
            _apply(content, *change)
        return content

    def flush(self) -> None:
        self.durable = self.now()
        self.later.clear()

    def after_cut(self, rng: random.Random) -> bytes:
        """Return a content that a power cut may leave."""
        content = bytearray(self.durable)
        kept = rng.choice(("none", "all", "first", "any"))
        first = rng.randrange(len(self.later) + 1)
        for number, (offset, data) in enumerate(self.later):
            if kept == "all" or (kept == "first" and number < first):
                _apply(content, offset, data)
            elif kept == "any" and rng.random() < 0.5:
                torn = data and rng.random() < 0.3
                _apply(content, offset, data[: rng.randrange(len(data))] if torn and data else data)
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        content[offset:] = bytes(max(0, offset - len(content)))
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _read(path: Path) -> _File:
    return _File(bytearray(path.read_bytes()), path.stat().st_mtime_ns)


class _Change(NamedTuple):
    """A change of names: new, set, drop, or move to another name."""

    what: str
    path: str
    file: _File | None
    other: str


class Disk:
    """A disk that remembers what is on it for sure, and what may be.

    Args:
        before: Folder with what is there at the start, all of it on the disk.

    Attributes:
        versions: By name, each content that a file had at the start, or when it got the name.
    """

    def __init__(self, before: Path) -> None:
        self._names: dict[str, _File | None] = {}  # by path; None is a folder
        self._durable: dict[str, _File | None] = {}
        self._later: dict[str, list[_Change]] = {}  # of names, by folder
        self._open: dict[int, _File] = {}  # by inode
        for path in sorted(before.rglob("*")):
            name = path.relative_to(before).as_posix()
            self._names[name] = None if path.is_dir() else _read(path)
        self._durable.update(self._names)
        self.versions = {name: {bytes(file.durable)} for name, file in self._names.items() if file}

    def do(self, operation: Operation) -> None:
        """Do what one record of the journal says."""
        kind, inode, offset, data, path, other = operation
        if kind in ("write", "cut"):
            if (file := self._file(inode, path)) is not None:
                file.later.append((offset, data if kind == "write" else None))
        elif kind == "sync":
            if (file := self._file(inode, path)) is not None:
                file.flush()
            else:
                self._flush_names(path)
        elif kind == "create":
            self._open[inode] = _File()
            self._name("new", path, self._open[inode])
        elif kind == "mkdir":
            self._name("set", path, None)
        elif kind == "link":
            self._name("set", other, self._names.get(path))
        elif kind == "rename":
            self._rename(path, other)
        elif kind == "unlink":
            self._name("drop", path, None)
        else:
            raise ValueError(kind)

    def after_cut(self, folder: Path, rng: random.Random) -> None:
        """Write into a new folder what a power cut at this moment may leave."""
        names = dict(self._durable)
        for changes in self._later.values():
            for change in changes[: rng.randrange(len(changes) + 1)]:
                _change(names, *change)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        contents: dict[int, bytes] = {}  # two names of one file have one content
        for name in sorted(names):
            file, path = names[name], folder / name
            if not path.parent.is_dir():
                continue  # its folder was lost
            if file is None:
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(contents.setdefault(id(file), file.after_cut(rng)))
                if file.mtime_ns:
                    os.utime(path, ns=(file.mtime_ns, file.mtime_ns))

    def _file(self, inode: int, path: str) -> _File | None:
        """Return an open file; None is a folder."""
        if inode not in self._open:
            file = self._names.get(path)
            if file is None:
                return None if path in self._names or not path else _File()
            self._open[inode] = file
        return self._open[inode]

    def _rename(self, path: str, other: str) -> None:
        for folder in [name for name in self._later if f"{name}/".startswith(f"{path}/")]:
            moved = [
                _Change(what, _moved(name, path, other), file, _moved(new, path, other))
                for what, name, file, new in self._later.pop(folder)
            ]
            self._later[_moved(folder, path, other)] = moved
        self._name("move", path, self._names.get(path), other)

    def _name(self, what: str, path: str, file: _File | None, other: str = "") -> None:
        change = _Change(what, path, file, other)
        folder = PurePosixPath(other or path).parent.as_posix()
        self._later.setdefault("" if folder == "." else folder, []).append(change)
        _change(self._names, *change)
        if file is not None and what != "new":
            self.versions.setdefault(other or path, set()).add(bytes(file.now()))

    def _flush_names(self, folder: str) -> None:
        for change in self._later.pop(folder, []):
            _change(self._durable, *change)


def _moved(name: str, old: str, new: str) -> str:
    """Return the name of what lies in a folder after that was renamed."""
    return f"{new}{name.removeprefix(old)}" if f"{name}/".startswith(f"{old}/") else name


def _change(
    names: dict[str, _File | None], what: str, path: str, file: _File | None, other: str
) -> None:
    if what in ("new", "set"):
        names[path] = file
    elif what == "drop":
        names.pop(path, None)
    else:
        inside = {name: names.pop(name) for name in list(names) if name.startswith(f"{path}/")}
        names[other] = names.pop(path, file)
        names.update({_moved(name, path, other): value for name, value in inside.items()})


def states(
    disk: Disk, operations: Sequence[Operation], folder: Path, *, count: int, seed: int
) -> Iterator[int]:
    """Write states after power cuts into a folder, one after the other.

    Args:
        disk: The disk at the start. Operations are done on it.
        operations: Everything that was done.
        folder: Where each state is written; what is in it is lost.
        count: Number of states. They are spread over the journal; the last one is after its end.
        seed: Seed of the draws.

    Yields:
        How many operations were done before the cut.
    """
    rng = random.Random(seed)
    cuts = sorted(rng.randrange(len(operations) + 1) for _ in range(count - 1))
    done = 0
    for cut in (*cuts, len(operations)):
        for operation in operations[done:cut]:
            disk.do(operation)
        done = cut
        disk.after_cut(folder, rng)
        yield cut
