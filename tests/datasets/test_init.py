"""One word for every source of labels, and one clear line for every wrong one."""

import os
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.datasets import DATASETS, labels_from, sources_of
from slic.errors import LabelError
from slic.videos.catalog import Catalog

MakeTree = Callable[[Path, list[str]], Path]


def test_a_csv_file(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,label,split\na.mp4,walk,train\nb.mp4,run,test\n")
    labels = labels_from(str(file), root=tmp_path)
    assert labels(["a.mp4"]) == labels_from(f"table:{file}", root=tmp_path)(["a.mp4"])
    assert labels(["a.mp4"]).ids("test") == ("b.mp4",)
    with pytest.raises(LabelError, match=r"labels.csv: none of its 2 .* the first is 'a.mp4'"):
        labels(["videos/a.mp4"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ucf101:4", "ucf101: no split '4'; use ucf101:1 or ucf101:2 or ucf101:3."),
        ("ucf101", "ucf101: no split ''; use ucf101:1 or ucf101:2 or ucf101:3."),
        ("hmdb51:one", "hmdb51: no split 'one'; use hmdb51:1 or hmdb51:2 or hmdb51:3."),
        ("kinetics400:1", "kinetics400: no split '1'; use kinetics400."),
        ("lables.csv", "lables.csv: cannot be read as a CSV file (no such file or directory)"),
        ("ucf:1", "unknown data set 'ucf'. Did you mean 'ucf101'? Known: ucf101, hmdb51, "),
        ("tree:1", "tree:1: labels from folders have no variants; use 'tree'."),
        ("hmdb51:1", "hmdb51: no official lists (testTrainMulti_7030_splits/"),
    ],
)
def test_a_wrong_source_is_one_clear_line(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(LabelError) as raised:
        labels_from(source, root=tmp_path)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_annotations_are_for_benchmarks(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="annotations lists: tree has no official lists"):
        labels_from("tree", root=tmp_path, annotations=Path("lists"))


def test_the_data_set_outside_the_package_of_the_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "data.md").read_text(
        encoding="utf-8"
    )
    (code,) = re.findall(r"```python\n# my_sets.py\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "my_sets.py").write_text(code)
    monkeypatch.delitem(sys.modules, "my_sets", raising=False)  # another test may have its own
    monkeypatch.syspath_prepend(tmp_path)
    labels = labels_from("my_sets.MySet:5", root=tmp_path)(["a/walk_04.mp4", "b/run_05.mp4"])
    assert labels.labels_of(labels.ids("test")) == ["walk"]
    assert labels.labels_of(labels.ids("train")) == ["run"]
    assert set(labels_from("my_sets.MySet", root=tmp_path)(["a_1.mp4"]).split.values()) == {"test"}
    with pytest.raises(LabelError, match=r"data set 'my_sets.Other' cannot be imported"):
        labels_from("my_sets.Other", root=tmp_path)
    del sys.modules["my_sets"]


@pytest.mark.parametrize("name", DATASETS)
def test_every_entry_of_the_table_describes_itself(name: str) -> None:
    assert all(source.split(":")[0] == name for source in sources_of(name))
    assert DATASETS[name].facts["layout"]


def test_a_shuffled_directory_changes_nothing(
    tmp_path: Path, make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{label}/v{number} b.avi" for label in ("wave", "run") for number in range(9)]
    root = make_tree(tmp_path / "videos", names)
    for label in ("wave", "run"):
        lines = "".join(f"v{number} b.avi {number % 3}\n" for number in range(9))
        (tmp_path / f"{label}_test_split1.txt").write_text(lines)
    scandir = os.scandir

    def outcome(seed: int) -> tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]]:
        def shuffled(path: str) -> list[os.DirEntry[str]]:
            entries = list(scandir(path))
            random.Random(seed).shuffle(entries)
            return entries

        with monkeypatch.context() as patch:
            patch.setattr("slic.videos.scanning.os.scandir", shuffled)
            ids = [video.id for video in Catalog.from_folder(root, cache=False, progress=False)]
        labels = labels_from("hmdb51:1", root=root)(ids)
        return ids, list(labels.label.items()), list(labels.split.items())

    first = outcome(0)
    assert len(first[0]) == 18
    assert all(outcome(seed) == first for seed in range(1, 5))
