"""Trees of tiny real videos under given names, and a benchmark of two classes."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from slic.datasets.benchmark import (
    Benchmark,
    OfficialVideo,
    numbered_lines,
    path_aliases,
)
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


def read_tiny_lists(folder: Path, split_number: str) -> Iterator[OfficialVideo]:
    """Read lines such as ``run/a.avi train`` from ``split<N>.txt``."""
    rows = (line.split() for _, line in numbered_lines(folder / f"split{split_number}.txt"))
    return (OfficialVideo(name, name.split("/")[0], split) for name, split in rows)


@pytest.fixture
def tiny() -> Benchmark:
    """Return a benchmark of two classes; each has ten training and two test videos."""
    return Benchmark(
        name="tiny",
        classes=2,
        arguments=("1",),
        facts={},
        official_counts={"1": {"train": 20, "test": 4}},
        lists_folder="tinyLists",
        lists_patterns=("split[1].txt",),
        read_lists=read_tiny_lists,
        aliases=path_aliases,
    )


@pytest.fixture
def tiny_names() -> list[str]:
    """Return the names of all videos of `tiny`, sorted."""
    return [
        f"{label}/{label}_{number:02d}.avi" for label in ("run", "walk") for number in range(12)
    ]


@pytest.fixture
def tiny_lists(tmp_path: Path, tiny_names: list[str]) -> Path:
    """Return the folder of the lists of `tiny`."""
    folder = tmp_path / "tinyLists"
    folder.mkdir()
    lines = [f"{name} {'test' if name[-6:-4] >= '10' else 'train'}\n" for name in tiny_names]
    (folder / "split1.txt").write_text("".join(lines))
    return folder
