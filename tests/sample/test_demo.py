"""A finished demo reports the run that exists."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from slic.errors import CheckpointError
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.pretraining.folder import RunFolder
from slic.recipe import Recipe, load_recipe, save_recipe
from slic.sample import demo


def test_a_finished_demo_is_reported_with_its_own_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    config = EncoderConfig(
        backbone="slic/r3d10", arguments={"width": 0.125}, head=HeadSpec(hidden=16, embedding=8)
    )
    VideoEncoder(config).save_pretrained(run.encoder)
    recipe = load_recipe("motion", ["--train.seed=7", "--train.epochs=3"])
    save_recipe(recipe, run.recipe)
    reported: list[Recipe] = []
    for part in ("write_sample", "read_labels", "split_by_labels"):
        monkeypatch.setattr(demo, part, lambda *_, **__: None)
    monkeypatch.setattr(demo, "Catalog", SimpleNamespace(from_folder=lambda _: None))
    monkeypatch.setattr(
        demo, "_write_demo_report", lambda _, __, own, *___, **____: reported.append(own)
    )
    monkeypatch.setattr(demo, "_describe_demo", lambda *_, **__: [])
    demo.run_demo(tmp_path, seed=7)
    assert reported == [recipe]
    with pytest.raises(CheckpointError, match="was trained with seed 7, not 0"):
        demo.run_demo(tmp_path)
