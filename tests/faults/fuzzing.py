"""Changed files for a reader: it accepts one or refuses it with one line, in bounded memory.

Each input is drawn from its own seed, so that a fault that is reported can be repeated. The inputs
are read in a forked process with a limit of memory, and of CPU time for each. So a crash, an
endless loop and an allocation of what a header promises are faults like any other exception.
"""

import json
import os
import random
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import pytest
import torch

from slic.errors import SlicError
from tests.faults.campaign import Campaign

Kind = Literal["bytes", "text", "json", "lines"]
Accept = Callable[[Any], bool]

SPARE_BYTES: Final = 256 << 20  # above what the process has; a small file needs far less
CPU_SECONDS: Final = 10.0  # for one input
ODD: Final[list[Any]] = [
    None, True, 0, -1, 1, 2**31, 2**63, 10**400, 1e308, -1e308, float("nan"), float("inf"), 0.5,
    1e-300, "", "x", "0", "-1", "1e999", "nan", "\ud800", "\0", "a\nb", "\x1b[31m", "../../x",
    "=1+1", [], {}, [[]], [None], {"": None}, "x" * 3000, list(range(300)),
]  # fmt: skip
ODD_TEXT: Final = [
    b"0", b"-1", b"NaN", b"inf", b"1e308", b"9223372036854775808", b"", b"null", b"\x00", b"\xff",
    b"\xef\xbb\xbf", b"\r\n", b"\n\n", b",", b";", b'"', b"'", b"[" * 200, b"{" * 200, b"]", b"}",
    b"&a [*a]", b"*x", b"!!python/object:os.system", b"<!DOCTYPE a>", b"&amp;", b"&x;", b"\\ud800",
    b"9" * 5000, b"\xe2\x80\xa8", b"a" * 4000, b"\t", b"%", b"/", b"../", b"//", b"..", b"~",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A reader of files and what it promises.

    That an error is one line is `slic.cli.output.exit_with_error`'s work.

    Attributes:
        name: Its name in the record.
        corpus: Valid files.
        read: Reads the file at a path.
        file: Name of the file.
        kind: What is changed: bytes; words of a text; values of a JSON file, or of JSON lines.
        errors: The documented errors.
        accept: Whether a result is one that a changed file may have.
        names: Whether the message of an error names the file.
        spare: Bytes of memory that the process may take.
        seal: Puts what was changed into a file, such as one with a right checksum.
    """

    name: str
    corpus: Sequence[bytes]
    read: Callable[[Path], object]
    file: str = "file"
    kind: Kind = "bytes"
    errors: tuple[type[BaseException], ...] = (SlicError,)
    accept: Accept = lambda _: True
    names: bool = True
    spare: int = SPARE_BYTES
    seal: Callable[[bytes, Path], object] = field(default=lambda data, path: path.write_bytes(data))


@dataclass(frozen=True)
class Outcome:
    """What happened: files accepted and refused, and faults."""

    accepted: int
    refused: int
    faults: list[str]


def changed(reader: Reader, number: int) -> bytes:
    """Return one changed file of a reader; the same for the same number."""
    rng = random.Random(f"{reader.name} {number}")
    data = rng.choice(reader.corpus)
    if reader.kind in ("json", "lines") and rng.random() < 0.7:
        return _with_odd_values(data, rng, lines=reader.kind == "lines")
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        textual = reader.kind != "bytes" and rng.random() < 0.6
        data = _change_text(data, rng) if textual else _change(data, reader.corpus, rng)
    return data


def _change(data: bytes, corpus: Sequence[bytes], rng: random.Random) -> bytes:
    """Flip, set, cut, insert, move or splice bytes. Half of the changes are near the start."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 512)
    at = rng.randrange(end + 1)
    length = rng.choice((1, 2, 4, 8, 64, 1000))
    way = rng.randrange(8)
    if way <= 1 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if way == 2:
        return data[:at]
    if way == 3:
        return data[:at] + data[at + length :]
    if way == 4:
        return data[:at] + rng.randbytes(length) + data[at:]
    if way == 5:
        fill = rng.choice((b"\0", b"\xff", b"\x80", b"\x7f"))
        return data[:at] + fill * length + data[at + length :]
    if way == 6:
        other = rng.randrange(len(data) + 1)
        return data[:at] + data[other : other + length] + data[at:]
    other_file = rng.choice(corpus)
    return data[:at] + other_file[rng.randrange(len(other_file) + 1) :]


def _change_text(data: bytes, rng: random.Random) -> bytes:
    """Replace, repeat or remove a word or a line, or change the encoding."""
    way = rng.randrange(10)
    if way == 0:
        text = data.decode("utf-8", "replace")
        encoding = rng.choice(("utf-16", "utf-8-sig", "latin-1", "utf-32"))
        return text.encode(encoding, "replace")
    if way == 1:
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\0\n", b"\n\n")))
    if way <= 3:
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        lines[at : at + 1] = rng.choice(([], [lines[at]] * 2, [lines[at]] * 40, [b""]))
        return b"\n".join(lines)
    for mark in rng.sample((b" ", b",", b":", b"=", b'"', b">", b"\n", b"."), 8):
        words = data.split(mark)
        if len(words) > 1:
            words[rng.randrange(len(words))] = rng.choice(ODD_TEXT)
            return mark.join(words)
    return data + rng.choice(ODD_TEXT)


def _with_odd_values(data: bytes, rng: random.Random, *, lines: bool) -> bytes:
    """Change values of JSON: odd ones, missing and double keys, deep and long values."""
    if not lines:
        return _odd(json.loads(data), rng)
    records = data.splitlines()
    at = rng.randrange(len(records))
    records[at] = _odd(json.loads(records[at]), rng)
    return b"\n".join(records) + b"\n"


def _odd(value: Any, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 5))):
        value = replaced(value, rng)
    text = json.dumps(value)
    if rng.random() < 0.05:
        text = text.replace("null", "[" * 3000 + "]" * 3000, 1)
    if rng.random() < 0.05 and text.startswith("{"):
        text = text[:-1] + ", " + text[1:]  # every key twice
    return text.encode()


def replaced(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one value in it replaced, removed or nested more deeply."""
    if isinstance(value, dict | list) and value and rng.random() < 0.9:
        copy: Any = value.copy()
        key: Any = rng.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        if rng.random() < 0.1:
            del copy[key]
        else:
            copy[key] = replaced(copy[key], rng)
        return copy
    if rng.random() < 0.1:
        for _ in range(rng.choice((3, 60, 500))):
            value = [value]
        return value
    return rng.choice(ODD)


def fuzz(reader: Reader, count: int, folder: Path) -> Outcome:
    """Let a reader read ``count`` changed files in processes with limits."""
    results = folder / "results.jsonl"
    results.touch()
    done, faults = 0, []
    while done < count:
        pid = os.fork()
        if pid == 0:
            try:
                _serve(reader, range(done, count), folder, results)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        rows = [json.loads(line) for line in results.read_text().splitlines()]
        done = len(rows)
        if done < count:
            assert status < 0, "the harness failed"
            with results.open("a") as file:
                reason = f"ended by {signal.Signals(-status).name}"
                file.write(json.dumps(["fault", f"{reader.name} {done}: {reason}"]) + "\n")
            done += 1
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    faults = [reason for what, reason in rows if what == "fault"]
    accepted = sum(what == "accepted" for what, _ in rows)
    return Outcome(accepted, len(rows) - accepted - len(faults), faults)


def _serve(reader: Reader, numbers: Sequence[int], folder: Path, results: Path) -> None:
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    os.fsync = lambda fd: None  # noqa: ARG005 (most of the time, and no power is cut here)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # warnings of C libraries
    size = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (size + reader.spare, size + reader.spare))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (SPARE_BYTES, SPARE_BYTES))
    path = folder / reader.file
    with results.open("a", buffering=1) as file:
        for number in numbers:
            try:
                reader.seal(changed(reader, number), path)
            except Exception:  # what was changed cannot be put into such a file
                reader.seal(reader.corpus[0], path)
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            what, reason = _read(reader, path)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if what == "fault":
                reason = f"{reader.name} {number}: {reason}"
            file.write(json.dumps([what, reason]) + "\n")
    os._exit(0)


def _read(reader: Reader, path: Path) -> tuple[str, str]:
    """Return whether a file was accepted or refused as promised, or what is wrong."""
    try:
        result = reader.read(path)
    except reader.errors as error:
        causes: list[BaseException] = []
        cause = error.__cause__ or error.__context__
        while cause is not None and len(causes) < 20:
            causes.append(cause)
            cause = cause.__cause__ or cause.__context__
        message = str(error)
        limited = MemoryError in reader.errors  # read in a worker whose memory is limited
        if not limited and any(
            isinstance(one, MemoryError) or "allocate" in str(one) for one in causes
        ):
            return "fault", f"memory without bound: {message[:300]}"
        if reader.names and isinstance(error, SlicError) and path.name not in message:
            return "fault", f"does not name the file: {message[:300]}"
        return "refused", ""
    except BaseException as error:
        lines = traceback.format_exc(limit=-6).splitlines()
        return "fault", f"{type(error).__name__}: " + "\n".join(lines)[-1500:]
    try:
        fits = reader.accept(result)
    except BaseException:
        return "fault", "a result that cannot be used: " + traceback.format_exc(limit=-6)[-1500:]
    return ("accepted", "") if fits else ("fault", f"another result: {result!r}"[:500])


Check = Callable[..., None]


@pytest.fixture
def check(campaign: Campaign, tmp_path: Path) -> Check:
    """Return a function that fuzzes a reader and fails with the first faults."""

    def run(reader: Reader, *, quick: int = 60, soak: int = 5000) -> None:
        count = campaign.trials(quick=quick, soak=soak)
        folder = tmp_path / f"fuzz {reader.name}"
        folder.mkdir()
        outcome = fuzz(reader, count, folder)
        note = f"{outcome.accepted} accepted, {outcome.refused} refused"
        campaign.record(
            f"fuzz: {reader.name}", tried=count, survived=count - len(outcome.faults), note=note
        )
        assert not outcome.faults, "\n".join([f"{len(outcome.faults)} faults", *outcome.faults[:6]])

    return run
