"""Try things in other processes, which may raise, crash or hang without harm to this one."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIME_LIMIT_SECONDS = 180.0


@dataclass(frozen=True)
class Tried:
    """The outcome of an import or a step in another process.

    Attributes:
        value: What it gave; None if it failed.
        error: Why it failed; empty if it did not.
    """

    value: Any = None
    error: str = ""


_IMPORTS = """
import importlib, json, sys
for module, expression in json.loads(sys.argv[1]).items():
    print(json.dumps([module]), flush=True)
    try:
        found = importlib.import_module(module)
        outcome = [eval(expression, {"m": found}), ""]
    except BaseException as error:
        lines = str(error).strip().splitlines() or [""]
        outcome = [None, f"{type(error).__name__}: {lines[0]}"]
    print(json.dumps([module, *outcome], default=str), flush=True)
"""


def try_imports(expressions: Mapping[str, str]) -> dict[str, Tried]:
    """Import modules in another process, one after the other.

    Args:
        expressions: By module, a Python expression for the value, in which it is named ``m``.
    """
    left, tried = dict(expressions), dict[str, Tried]()
    while left:
        lines, death = run_program(_IMPORTS, json.dumps(left))
        lines = [line for line in lines if line and line[0] in [*left]]  # a module may print too
        for name, *outcome in lines:
            if len(outcome) == 2:
                tried[name] = Tried(*outcome)
        begun = [line[0] for line in lines]
        if crashed := [name for name in begun if name not in tried]:
            tried[crashed[0]] = Tried(error=death)
        elif death:  # the interpreter itself does not start
            tried |= {name: Tried(error=death) for name in left if name not in tried}
        left = {name: text for name, text in left.items() if name not in tried}
    return tried


def run_program(program: str, *words: str) -> tuple[list[list[Any]], str]:
    """Run a Python program that prints JSON lists, one a line.

    Returns:
        The lists, and how the process died; empty if it ended normally.
    """
    command = [sys.executable, "-P", "-c", program, *words]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        output = slow.stdout or b""
        text = output if isinstance(output, str) else output.decode(errors="replace")
        return _lists(text), f"no answer within {TIME_LIMIT_SECONDS:.0f} s"
    except OSError as error:
        return [], f"{sys.executable} cannot be started ({error.strerror})"
    return _lists(done.stdout), _death(done.returncode, done.stderr)


def _lists(output: str) -> list[list[Any]]:
    """Return the lines that are JSON lists; a library may print others."""
    found = []
    for line in output.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, list):
            found.append(value)
    return found


def _death(code: int, errors: str) -> str:
    if code == 0:
        return ""
    if code < 0:
        try:
            return f"the process crashed ({signal.Signals(-code).name})"
        except ValueError:
            return f"the process crashed (signal {-code})"
    last = [line for line in errors.splitlines() if line.strip()][-1:]
    return last[0].strip() if last else f"the process ended with code {code}"
