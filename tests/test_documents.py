"""Documents: links and named functions exist, tables are current, sentences are short."""

import importlib
import importlib.util
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import slic
from slic.cli import build_parser, main
from slic.embeddings import Layer
from slic.models.encoder import to_input
from slic.pretraining.build import build_encoder
from tests.documents.pages import PAGES, blocks_of, name_of
from tests.prose import count

ROOT = Path(__file__).parents[1]


def resolve(name: str) -> object:
    """Return what a dotted name of the package stands for."""
    module, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return getattr(resolve(module), attribute)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_names_of_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for name in re.findall(r"`(slic(?:\.\w+)+)(?:\([^`]*\))?`", text):
        resolve(name)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_a_page_names_exist(page: Path) -> None:
    names = re.findall(r"`((?:src|benchmarks|tests|docs)/[\w/.-]+\.\w+)`", page.read_text("utf-8"))
    for name in names:
        assert (ROOT / name).is_file(), name


def test_the_versions_of_formats_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "reference" / "formats.md").read_text("utf-8")
    versions = re.findall(r"`(slic[\w.]+_FORMAT)` = (\d+)", text)
    assert versions
    for name, version in versions:
        assert resolve(name) == int(version), name


def test_the_picture_of_the_architecture_is_current() -> None:
    script = ROOT / "docs" / "make_architecture.py"
    spec = importlib.util.spec_from_file_location("make_architecture", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PICTURE.read_text("utf-8") == module.draw(), f"run {script}"


def test_the_settings_of_every_ablation_make_a_recipe() -> None:
    page = (ROOT / "docs" / "how-to" / "reproduce.md").read_text("utf-8")
    section = page.partition("## Ablations")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| .+ \| (`.+) \|$", section, re.MULTILINE)
    settings = [code for row in rows for code in re.findall(r"`('?--[^`]+)`", row)]
    assert len(settings) >= len(rows) >= 18
    plain = slic.load_recipe("paper-ucf101")
    for setting in settings:
        words = shlex.split(setting)
        recipe = [] if "--recipe" in words else ["--recipe", "paper-ucf101"]
        command = ["pretrain", "UCF101", *recipe, *words]
        arguments, rest = build_parser().parse_known_args(command)
        assert slic.load_recipe(arguments.recipe, rest) != plain, setting


def test_python_md_runs_and_its_clip_is_the_one_that_embed_takes(
    tmp_path: Path, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=40 + number, size=(160, 120))
    small = ["--clip.size=32", "--clip.stride=2", "--backbone.width=0.125"]
    build_encoder(slic.load_recipe("motion", small)).save_pretrained("run/encoder")
    names: dict[str, Any] = {}
    page = (ROOT / "docs" / "how-to" / "python.md").read_text("utf-8")
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(block, names)
    ours: slic.VideoEncoder = names["encoder"]
    found: dict[Layer, Any] = {"backbone": names["features"], "head": names["embedding"]}
    for layer, vector in found.items():
        wanted = slic.embed(ours, names["catalog"], clips=1, layer=layer, progress=False)
        np.testing.assert_allclose(vector.numpy(), wanted.mean[:1], rtol=1e-4, atol=1e-5)
    assert names["embeddings"].clips.shape[:2] == (2, 10)


@pytest.mark.slow
def test_the_exported_files_are_read_as_sharing_md_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'export' is not installed")
    monkeypatch.chdir(tmp_path)
    small = ["--clip.frames=4", "--clip.size=32", "--backbone.width=0.0625", "--head.hidden=8"]
    recipe = slic.load_recipe("paper-small", [*small, "--head.embedding=4"])
    encoder = build_encoder(recipe).eval()
    encoder.save_pretrained("run")
    clips = np.random.default_rng(0).integers(0, 256, (3, 4, 32, 32, 3), dtype=np.uint8)
    expected = encoder(to_input(torch.from_numpy(clips))).detach()
    blocks = [b.text for b in blocks_of(ROOT / "docs" / "how-to" / "share.md")]
    for kind, suffix in (("onnx", "onnx"), ("torch", "pt2")):
        main(["export", kind, "run", "--out", f"encoder.{suffix}"])
        (block,) = (text for text in blocks if f'"encoder.{suffix}"' in text)
        names: dict[str, Any] = {"clips": clips}
        exec(block, names)
        np.testing.assert_allclose(np.asarray(names["embeddings"].tolist()), expected, atol=1e-4)
        assert names["about"]["fingerprint"] == encoder.fingerprint()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_sentence_is_long(page: Path) -> None:
    long = count(page.read_text("utf-8")).too_long()
    assert not long, [f"line {s.line}, {s.words} words: {s.text}" for s in long]


def test_the_first_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120
