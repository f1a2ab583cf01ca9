"""The package and the help of the command load quickly, and every public name exists."""

import subprocess
import sys

import pytest

import slic


def output_of(program: str) -> str:
    """Return what a new interpreter prints."""
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
    printed = output_of(program)
    assert "usage: slic" in printed
    assert "slow: []" in printed


def test_importing_the_package_does_not_wait_for_torch() -> None:
    assert output_of("import sys, slic; print('torch' in sys.modules)") == "False\n"


def test_every_public_name_exists() -> None:
    for name in slic.__all__:
        assert getattr(slic, name).__name__ == name
    assert sorted(slic.__all__) == sorted(slic._MODULE_OF)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'slic' has no attribute 'nothing'"):
        slic.nothing  # noqa: B018
