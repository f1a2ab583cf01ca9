"""A finished demo reports the run that exists."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from slic.errors import CheckpointError
from slic.evaluation.base import LabelledSplit
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.pretraining.folder import RunFolder
from slic.recipe import Recipe, load_recipe, save_recipe
from slic.report.run_report import HeadlineScore
from slic.sample import demo
from slic.videos.catalog import Catalog


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


def test_the_summary_says_what_learning_changed(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    precision, recall = (
        HeadlineScore(
            name=name,
            value=value,
            protocol="",
            baselines={"chance": 0.1, "before learning": before},
        )
        for name, value, before in (("mAP", 0.952, 0.818), ("R@1", 1.0, 0.992))
    )
    for number in range(3):
        make_video(tmp_path / f"{number}.mp4", frames=4, size=(64, 48))
    catalog = Catalog.from_folder(tmp_path, progress=False)
    labels = ["run", "jump", "run"]
    split = LabelledSplit(train=catalog, train_labels=labels, test=catalog, test_labels=labels)
    asked, out, beside, means = (text for _, text in demo.summarise(precision, recall, split))
    assert asked.startswith("Drawn people do 2 actions. An encoder learnt from 3 videos")
    assert "In 100.0 % of the searches" in out
    assert beside == "R@1 of other ways to search: chance 10.0 %, before learning 99.2 %."
    assert "Learning changed mAP by +13.4 points. R@1 was 99.2 % before" in means
