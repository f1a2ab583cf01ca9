"""Trees of tiny real videos under the official names, and lists as the benchmarks write them."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from slic.videos.catalog import Catalog

MakeTree = Callable[[Path, Iterable[str]], Path]
IdsIn = Callable[[Path], list[str]]


@pytest.fixture(scope="session")
def make_tree(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]
) -> MakeTree:
    """Return a function that puts one tiny MPEG-4 video under many names."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny = make_video(folder / "tiny.avi", frames=2, size=(16, 16), codec="mpeg4")

    def make(root: Path, names: Iterable[str]) -> Path:
        for path in (root / name for name in names):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(tiny, path)
        return root

    return make


@pytest.fixture(scope="session")
def ids_in() -> IdsIn:
    """Return a function that scans a folder, all readable, and gives the ids."""

    def scan(root: Path) -> list[str]:
        catalog = Catalog.from_folder(root, progress=False)
        assert not catalog.refused
        return [video.id for video in catalog]

    return scan
