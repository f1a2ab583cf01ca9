"""A run's figures reach its trackers, and a tracker that fails does not end the run."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from slic.errors import RecipeError, SlicError
from slic.pretraining import pretrain, trackers
from slic.pretraining.trackers import (
    PROJECT,
    build_trackers,
    default_trackers,
    flat_settings,
    require_trackers,
)
from slic.recipe import load_recipe
from slic.runs import read_log
from slic.videos.catalog import Catalog


class Notebook(GeneralTracker):  # type: ignore[misc]
    """Writes down every call, and fails when it is told to."""

    name, requires_logging_directory, tracker = "notebook", False, None

    def __init__(self, fails_at: str = "") -> None:
        super().__init__()
        self.fails_at = fails_at
        self.calls: list[tuple[str, Any]] = []

    def _note(self, method: str, values: Any = None) -> None:
        if method == self.fails_at:
            raise OSError("no route to host\nmore lines")
        self.calls.append((method, values))

    def start(self) -> None:
        self._note("start")

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self._note("settings", values)

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        self._note("log", (step, values))

    def finish(self) -> None:
        self._note("finish")


def log_three_steps(names: list[str], out: Path) -> None:
    accelerator = Accelerator(cpu=True, log_with=build_trackers(names, out), project_dir=str(out))
    accelerator.init_trackers(PROJECT, config={"train.epochs": 3})
    for step in (1, 2, 3):
        accelerator.log({"loss": 1 / step}, step=step)
    accelerator.end_training()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """Return a tracker that is in the table as "notebook"."""
    made = Notebook()
    monkeypatch.setitem(trackers.TRACKERS, "notebook", (lambda _: made,))
    monkeypatch.setattr(trackers, "require_extra", lambda *_, **__: None)
    return made


def test_a_tracker_gets_settings_and_figures(notebook: Notebook, tmp_path: Path) -> None:
    log_three_steps(["notebook", "notebook"], tmp_path)
    assert notebook.calls == [
        ("start", None),
        ("settings", {"train.epochs": 3}),
        *(("log", (step, {"loss": 1 / step})) for step in (1, 2, 3)),
        ("finish", None),
    ]


@pytest.mark.parametrize("method", ["start", "settings", "log", "finish"])
def test_a_tracker_that_fails_is_left_out_with_one_warning(
    notebook: Notebook, tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    notebook.fails_at = method
    with caplog.at_level(logging.WARNING, "slic"):
        log_three_steps(["tensorboard", "notebook"], tmp_path)
    (warning,) = caplog.messages
    assert warning.startswith("tracker notebook: ")
    assert warning.endswith("(no route to host); the run goes on without it.")
    assert not [call for call in notebook.calls if call[0] == "finish"]
    assert curve(tmp_path) == pytest.approx([1.0, 0.5, 1 / 3])


def test_without_a_login_the_log_is_kept_in_the_run_folder(
    notebook: Notebook,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    builders = (lambda _: Notebook(fails_at="start"), lambda _: notebook)
    monkeypatch.setitem(trackers.TRACKERS, "notebook", builders)
    log_three_steps(["notebook"], tmp_path)
    text = "tracker notebook: cannot start (no route to host); it logs to the run folder."
    assert caplog.messages == [text]
    assert len(notebook.calls) == 6


def curve(out: Path) -> list[float]:
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return [event.value for event in events.Scalars("loss")]


@pytest.mark.filterwarnings("ignore")  # those of the library and its database
def test_mlflow_logs_to_a_database_in_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra 'mlflow' is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    log_three_steps(["mlflow"], tmp_path)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string=f"name = '{PROJECT}'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params == {"train.epochs": "3"}
    values = [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")]
    assert values == pytest.approx([1.0, 0.5, 1 / 3])
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_unknown_and_missing_trackers_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match=r"unknown tracker 'wandbb'\. Did you mean 'wandb'\?"):
        require_trackers(["tensorboard", "wandbb"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SlicError, match=r"tracker 'wandb' needs .* 'slic-video\[wandb\]'"):
        build_trackers(["wandb"], Path("run"))


def test_the_default_is_tensorboard_if_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_trackers() == ("tensorboard",)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert default_trackers() == ()


def test_settings_become_flat_plain_values() -> None:
    nested = {"train": {"epochs": 3, "of": {"deep": None}}, "seed": 0, "rgb": ["rgb"], "on": True}
    assert flat_settings(nested) == {
        "train.epochs": 3,
        "train.of.deep": None,
        "seed": 0,
        "rgb": "['rgb']",
        "on": True,
    }


@pytest.mark.slow
def test_a_run_logs_every_step_and_its_settings(
    tmp_path: Path, catalog: Catalog, tiny: Path, notebook: Notebook
) -> None:
    out = tmp_path / "run"
    recipe = load_recipe(tiny)
    pretrain(catalog, out=out, recipe=recipe, log_with=["notebook"], progress=False)
    (_, settings), *logged = [call for call in notebook.calls if call[0] != "start"]
    assert settings["train.epochs"] == 3
    assert settings["backbone.name"] == "slic/r3d10"
    steps = [record for record in read_log(out / "log.jsonl") if record["kind"] == "step"]
    values = [(step["step"], step["loss"]) for step in steps]
    assert [(step, figures["loss"]) for _, (step, figures) in logged[:-1]] == values
    assert logged[-1] == ("finish", None)
    assert not (out / "tensorboard").exists()
