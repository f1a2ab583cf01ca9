"""What was not as in the paper is said, and a run of the paper's recipe has nothing to say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.evaluation.deviations import deviations
from slic.recipe import load_recipe, save_recipe

ROW = "UCF101 split 1, R@1"


@pytest.fixture
def leave(tmp_path: Path) -> Callable[..., None]:
    """Return a function that writes the files of a run with some settings."""

    def write(*words: str, absent: int = 0) -> None:
        (run := tmp_path / "seed0").mkdir()
        (run / "retrieval-ucf101.json").write_text(json.dumps({"absent_videos": absent}))
        save_recipe(load_recipe("paper-ucf101", words), run / "recipe.yaml")

    return write


def test_seed_and_workers_are_free(leave: Callable[..., None], tmp_path: Path) -> None:
    leave("--train.seed=3", "--train.workers=5")
    assert deviations("retrieval", tmp_path) == {}


def test_other_settings_and_absent_videos_are_listed(
    leave: Callable[..., None], tmp_path: Path
) -> None:
    leave("--clip.size=48", "--train.epochs=2", "--loss.name=info_nce", absent=13287)
    settings, absent = deviations("retrieval", tmp_path)[ROW]
    assert (
        f"{tmp_path}/seed0 is not a run of the recipe paper-ucf101: clip.size is 48, not 128;"
        in (settings)
    )
    assert "loss.name is info_nce, not triplet; loss.margin is None, not 0.2;" in settings
    assert settings.endswith("loss.temperature is 0.1, not None.")
    assert absent.endswith("seed0/retrieval-ucf101.json: 13,287 listed videos were absent.")


def test_a_run_without_recipe_is_listed(tmp_path: Path) -> None:
    (tmp_path / "seed0").mkdir()
    (tmp_path / "seed0" / "retrieval-ucf101.json").write_text("{}")
    assert deviations("retrieval", tmp_path)[ROW][0].endswith("no recipe.yaml that can be read.")
