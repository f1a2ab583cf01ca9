"""Modules that raise, crash or hang do so in another process, and are named."""

from pathlib import Path

import pytest

from slic.doctor import processes
from slic.doctor.processes import Tried, run_program, try_imports


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose modules can be imported by new processes."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_each_module_has_its_own_outcome(modules: Path) -> None:
    (modules / "fine.py").write_text("version = 3\nprint('hello')\nprint('[1]')")
    (modules / "raising.py").write_text("raise OSError('libGL.so.1: cannot open\\nsecond line')")
    (modules / "leaving.py").write_text("raise SystemExit('no licence')")
    (modules / "crashing.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    (modules / "after.py").write_text("")
    names = {"fine": "m.version", "raising": "1", "leaving": "1", "crashing": "1", "after": "7",
             "no_such_module": "1"}  # fmt: skip
    assert try_imports(names) == {
        "fine": Tried(3),
        "raising": Tried(error="OSError: libGL.so.1: cannot open"),
        "leaving": Tried(error="SystemExit: no licence"),
        "crashing": Tried(error="the process crashed (SIGSEGV)"),
        "after": Tried(7),
        "no_such_module": Tried(error="ModuleNotFoundError: No module named 'no_such_module'"),
    }


def test_a_module_that_hangs_is_named(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TIME_LIMIT_SECONDS", 3.0)
    (modules / "fine.py").write_text("")
    (modules / "hanging.py").write_text("import time; time.sleep(60)")
    tried = try_imports({"fine": "1", "hanging": "1"})
    assert tried == {"fine": Tried(1), "hanging": Tried(error="no answer within 3 s")}


def test_an_interpreter_that_does_not_start_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    assert run_program("") == ([], "/no/such/python cannot be started (No such file or directory)")
    (outcome,) = try_imports({"json": "1"}).values()
    assert "cannot be started" in outcome.error


def test_the_last_line_of_stderr_is_the_reason() -> None:
    lines, death = run_program("import sys; print('[1, 2]'); sys.exit('broken\\npipe')")
    assert (lines, death) == ([[1, 2]], "pipe")
    assert run_program("raise SystemExit(3)") == ([], "the process ended with code 3")
