"""File names do not steer the terminal; memory is kept."""

import platform
import subprocess
import sys

import pytest

from slic.cli.common import printable


def test_what_would_steer_a_terminal_is_replaced() -> None:
    assert printable("a\x1b[31mX\nY.mp4") == "a\ufffd[31mX\ufffdY.mp4"
    assert printable("Ünï cödé 動画.mp4") == "Ünï cödé 動画.mp4"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_there_for_the_next_tensor() -> None:
    """A page that the process still has costs no page fault; 16 new MiB cost 4,096."""
    code = """
import resource, sys
from slic.cli.common import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
[bytes([byte]) * 2**24 for byte in range(3)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    [bytes([byte]) * 2**24 for byte in range(3)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    plain, kept = (
        int(subprocess.check_output([sys.executable, "-c", code, how])) for how in ("plain", "kept")
    )
    assert kept < plain / 4
