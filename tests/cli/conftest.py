"""The command in this process."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from slic.cli import main
from slic.search import Index

Lines = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return a function that runs the command here: exit code, lines on stdout and on stderr."""

    def run(*words: object) -> tuple[int, list[str], list[str]]:
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run


@pytest.fixture
def make_index(fill: Callable[..., Index], rows: Callable[..., np.ndarray]) -> Callable[..., Index]:
    """Return a function that makes an index of drawn moments, given their number by path."""

    def make(moments: Mapping[str, int], *, name: str = "index") -> Index:
        return fill({path: rows(count) for path, count in moments.items()}, name=name)

    return make
