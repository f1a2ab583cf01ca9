"""Every example of docs/how-to/extend.md runs: a part from outside the package trains or scores."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import slic
from slic.clustering import CLUSTERERS
from slic.losses import LOSSES
from slic.models.backbones import BACKBONES
from slic.pretraining.build import build_encoder
from slic.recipe import PARTS
from slic.search import create_index, query_from_clip, search, update_index

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "extend.md"
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def folder(
    tmp_path: Path, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Change to a folder with videos and the modules of the page."""
    for number in range(8):
        name = f"{('walk', 'run')[number % 2]}_{('train', 'train', 'test', 'test')[number % 4]}"
        make_video(tmp_path / "videos" / f"{name}_{number}.mp4", frames=40 + 9 * number)
    modules = []
    for block in python_blocks(PAGE.read_text("utf-8")):
        if head := re.match(r"# (my_\w+)\.py\n", block):
            (tmp_path / f"{head[1]}.py").write_text(block)
            modules.append(head[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    torch.set_num_threads(1)
    yield tmp_path
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def names(folder: Path) -> dict[str, Any]:
    """Return the names that the introduction of the page defines; `run` has a small encoder."""
    names: dict[str, Any] = {}
    for block in python_blocks(INTRODUCTION):
        exec(block, names)
    recipe = slic.load_recipe("paper-small", [*names["small"], "--backbone.width=0.125"])
    build_encoder(recipe).save_pretrained(folder / "run" / "encoder")
    return names


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.partition("\n")[0])
def test_a_part_from_outside_the_package_is_used(
    section: str, folder: Path, names: dict[str, Any]
) -> None:
    module, *examples = python_blocks(section)
    assert re.match(r"# my_\w+\.py\n", module)
    assert examples
    if "slic.pretrain" in "".join(examples):
        shutil.rmtree(folder / "run")
    for block in examples:
        exec(block, names)
    if "store" in section.partition("\n")[0]:
        index = create_index(folder / "embedded", names["encoder"], window_seconds=1.0)
        update_index(index, names["catalog"])
        wanted = search(index, query_from_clip(index, names["catalog"][0].path), k=3)
        assert [hit.score for hit in names["hits"]] == pytest.approx([h.score for h in wanted])


def test_every_table_has_a_section() -> None:
    tables = re.findall(r"`slic[\w.]*\.([A-Z]+)` \|$", INTRODUCTION, flags=re.MULTILINE)
    assert tables == [
        "BACKBONES", "LOSSES", "CLUSTERERS", "OPTIMIZERS", "SCHEDULES", "CALLBACKS", "DATASETS",
        "PROTOCOLS", "STORES",
    ]  # fmt: skip
    assert len(SECTIONS) == len(tables)


def test_the_table_of_sections_is_the_recipe() -> None:
    rows = re.findall(r"^\| (`.+`) \| (.+) \|$", INTRODUCTION, flags=re.MULTILINE)
    names = {word: owners for words, owners in rows for word in re.findall(r"`(\w+)`", words)}
    recipe = slic.Recipe()
    assert sorted(names) == sorted(field.name for field in fields(recipe))
    for name, owners in names.items():
        if is_dataclass(value := getattr(recipe, name)) and name not in PARTS:
            assert f".{type(value).__name__}`" in owners


@pytest.mark.parametrize(
    "parts",
    [{entry.build for entry in BACKBONES.values()}, {*LOSSES.values()}, {*CLUSTERERS.values()}],
    ids=["backbone", "loss", "clustering"],
)
def test_every_part_of_the_package_is_one_file(parts: set[Callable[..., Any]]) -> None:
    assert len({part.__module__ for part in parts}) == len(parts)
