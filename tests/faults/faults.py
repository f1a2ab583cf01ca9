"""A disk that fails on command, and a process on it that runs the command again and again.

The disk is `faulty_disk.c`. The process has loaded torch; each command runs in a fork of it.
"""

import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

WRITE, SYNC, NAMES, READ, LOCK, LINK = (1 << bit for bit in range(6))
CHANGES: Final = WRITE | SYNC | NAMES
"""Every call that changes a file or a folder."""

_STATE: Final = struct.Struct("@6q512s512s")
_SERVER: Final = """
import json, os, resource, signal, sys
sys.path.append("")
import slic.sample.demo, slic.cli
from slic.cli import main
import numpy, pyarrow.pandas_compat, pyarrow.parquet, yaml, sklearn.linear_model
import torch, torch._dynamo, torch._inductor.config, torch.distributed  # takes a second
import slic.search
try:
    import faiss
except ImportError:
    pass
import slic.videos.frames, slic.videos.scanning
from slic.videos.inspection import inspect_video
from slic.videos.sources import resized_frames
def read_here(video, places, size):
    return (frame[None] for frame in resized_frames(video, list(map(int, places)), size))
isolated = slic.videos.frames.read_isolated, slic.videos.scanning.inspect_isolated
slic.videos.frames.read_isolated = read_here  # a process that decodes starts in a second
slic.videos.scanning.inspect_isolated = inspect_video
print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(request["folder"])
        for name, stream in (("out", 1), ("err", 2)):
            os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.alarm(request["seconds"])
        exec(request["before"], {})
        main(request["words"])
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Faults(NamedTuple):
    """Which calls fail.

    Attributes:
        classes: Which calls count, such as ``WRITE | NAMES``.
        nth: The first that fails, from 1; none if 0.
        error: Its ``errno``.
        sticky: Whether all that follow fail too.
        journal: File to which the calls are written; none if empty.
    """

    classes: int = CHANGES
    nth: int = 0
    error: int = 0
    sticky: bool = False
    journal: str = ""


@dataclass(frozen=True)
class Trial:
    """What a command did.

    Attributes:
        code: Its exit code; -n if signal n ended it.
        out: What it printed to stdout.
        err: What it printed to stderr.
        calls: How many calls counted.
        failed: How many of them failed.
        what: The first that failed: the call and its path.
    """

    code: int
    out: str
    err: str
    calls: int
    failed: int
    what: str


class FaultyDisk:
    """A folder whose files fail on command.

    Args:
        library: What `build` built.
        folder: A new folder for everything.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        self.root = folder / "disk"
        self.root.mkdir(parents=True)
        self._outside = folder
        state = folder / "state"
        state.write_bytes(bytes(_STATE.size))
        with state.open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), _STATE.size)
        environment = os.environ | {
            "LD_PRELOAD": str(library),
            "FAULT_STATE": str(state),
            "FAULT_ROOT": str(self.root),
            "TMPDIR": str(self.root / "tmp"),
            "XDG_CACHE_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER], env=environment, cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        if self._server.stdout is None or self._server.stdout.readline() != "ready\n":
            raise RuntimeError("the process below the faulty disk did not start")

    def fill(self, template: Path) -> None:
        """Replace what is in the folder by a copy of another."""
        shutil.rmtree(self.root)
        shutil.copytree(template, self.root, symlinks=True)
        (self.root / "tmp").mkdir(exist_ok=True)

    def copy_to(self, folder: Path) -> None:
        """Copy what is in the folder to a new one."""
        shutil.copytree(self.root, folder, symlinks=True)

    def run(
        self, *words: object, faults: Faults | None = None, before: str = "", seconds: int = 100
    ) -> Trial:
        """Run ``slic WORDS`` in the folder.

        Args:
            *words: Words after ``slic``.
            faults: Which calls fail.
            before: Python source to run first.
            seconds: Limit of time.
        """
        out, err = self._outside / "out", self._outside / "err"
        request = {
            "words": list(map(str, words)), "folder": str(self.root), "out": str(out),
            "err": str(err), "before": before, "seconds": seconds,
        }  # fmt: skip
        wanted = faults or Faults(classes=0)
        self._write(wanted)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        *_, calls, failed, _, what = _STATE.unpack(self._state[:])
        self._write(Faults(classes=0))
        return Trial(
            code, out.read_text(), err.read_text(), calls, failed,
            what.rstrip(b"\0").decode(errors="replace"),
        )  # fmt: skip

    def close(self) -> None:
        """End the process."""
        self._server.kill()
        self._server.communicate()
        self._state.close()

    def _write(self, faults: Faults) -> None:
        classes, nth, error, sticky, journal = faults
        packed = _STATE.pack(classes, nth, error, sticky, 0, 0, journal.encode(), b"")
        self._state[:] = packed


def build(folder: Path) -> Path | None:
    """Compile the library, and return it; None if there is no compiler or this is not Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "faulty_disk.so"
    source = Path(__file__).with_name("faulty_disk.c")
    flags = ["-O1", "-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run([compiler, *flags, "-o", library, source, "-ldl", "-lpthread"], check=True)
    return library
