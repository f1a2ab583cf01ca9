"""Every command and every block of code of the documents is run on a sample, page by page.

A block that a test cannot run has ``<!-- skip: next "why" -->`` before it. Its commands are checked
by the parser of the command, and it is listed as skipped.
"""

import importlib
import json
import re
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

import slic
from slic.sample.index import SampleFolders
from slic.studio import server
from tests.documents.pages import PAGES, Block, blocks_of, name_of
from tests.documents.shell import check, commands, make_way, run

BLOCKS = {page: blocks_of(page) for page in PAGES}
SKIPPED = [block for page in PAGES for block in BLOCKS[page] if block.reason]
NOT_CODE = {"text", "csv", "bibtex", "html", "mermaid"}
CODE = {"sh", "python", "yaml", "json", "toml"}
OTHER_MACHINES = {"powershell", "dockerfile"}
TESTED_ELSEWHERE = {"docs/how-to/extend.md"}  # in tests/test_extending.py, section by section


def with_code(page: Path) -> bool:
    return any(b.language in CODE and not b.reason for b in BLOCKS[page])


@pytest.fixture
def nothing_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slic.recipe.length.AUTO_STEPS", 4)
    monkeypatch.setattr(server, "serve_studio", Mock())
    made = SampleFolders(Path("index"), Path())  # its own test makes one
    monkeypatch.setattr("slic.sample.index.make_sample_index", Mock(return_value=made))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("place", "hub", "nothing_takes_long")
@pytest.mark.parametrize("page", [page for page in PAGES if with_code(page)], ids=name_of)
def test_the_code_of_a_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in BLOCKS[page]:
        if module := write_module(block):
            monkeypatch.delitem(sys.modules, module, raising=False)  # of another page
    for block in BLOCKS[page]:
        if block.reason is None:
            run_block(block, names, monkeypatch)


def run_block(block: Block, names: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    if block.language == "sh":
        for command in commands(block.text):
            if name_of(block.page) in TESTED_ELSEWHERE:
                check(command)
            else:
                run(command, patch)
    elif block.language == "python":
        run_python(block, names)
    elif block.language == "yaml":
        load_yaml(block.text)
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)


def write_module(block: Block) -> str | None:
    """Write a block that begins with ``# name.py`` to that file, and return its name."""
    head = re.match(r"# (\w+)\.py\n", block.text)
    if block.language != "python" or head is None:
        return None
    Path(f"{head[1]}.py").write_text(block.text)
    importlib.invalidate_caches()
    return head[1]


def run_python(block: Block, names: dict[str, Any]) -> None:
    if write_module(block):
        return
    if name_of(block.page) not in TESTED_ELSEWHERE:
        if folder := re.search(r'pretrain\(.*out="(\w+)"', block.text):
            make_way(["pretrain", "--out", folder[1]])
        exec(compile("\n" * block.line + block.text, str(block.page), "exec"), names)


def load_yaml(text: str) -> None:
    """Load YAML; if its keys are those of a recipe, as a recipe, without flow if it names none."""
    data = yaml.safe_load(text)
    if isinstance(data, dict) and set(data) <= {field.name for field in fields(slic.Recipe)}:
        whole = {"sampling": {"flow_probability": 0.0}, "rounds": {"inputs": ["rgb"]}} | data
        Path("recipe-of-a-page.yaml").write_text(yaml.safe_dump(whole))
        slic.load_recipe("recipe-of-a-page.yaml")


@pytest.mark.parametrize("block", SKIPPED, ids=lambda block: block.place)
def test_what_is_not_run_is_at_least_understood(block: Block) -> None:
    if block.language == "sh":
        for command in commands(block.text):
            check(command, any_program=True)
    elif block.language == "python":
        compile(block.text, block.place, "exec")
    pytest.skip(f"{block.place}: {block.reason}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in BLOCKS[page]:
        known = CODE | NOT_CODE | (OTHER_MACHINES if block.reason else set())
        assert block.language in known, f"{block.place}: {block.language!r} is not in {known}"


def test_nearly_everything_is_run() -> None:
    code = [b for page in PAGES for b in BLOCKS[page] if b.language in CODE]
    assert len([b for b in code if b.reason]) < 0.25 * len(code)
