"""The command starts at once, and every public name is there."""

import subprocess
import sys

import pytest

import slic


def said_by(program: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_help_does_not_wait_for_torch() -> None:
    program = """
import sys
from slic.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
slow = {"torch", "cv2", "sklearn", "scipy", "accelerate", "pyarrow", "numpy"}
print("slow:", sorted(slow & set(sys.modules)))
"""
    printed = said_by(program)
    assert "usage: slic" in printed
    assert "slow: []" in printed


def test_importing_the_package_does_not_wait_for_torch() -> None:
    assert said_by("import sys, slic; print('torch' in sys.modules)") == "False\n"


def test_every_public_name_is_there() -> None:
    for name in slic.__all__:
        assert getattr(slic, name).__name__ == name
    assert sorted(slic.__all__) == sorted(slic._HOMES)


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'slic' has no attribute 'nothing'"):
        slic.nothing  # noqa: B018
