"""Rows of the bench: the training is that of the package, and the budget is kept."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from learning.features import frame_differences
from learning.rows import METHODS, do, identity, read_row, steps_for, within
from learning.tables import read_records, spread, table
from learning.tasks import Task, open_task
from learning.training import train
from slic.clustering.base import PseudoLabels
from slic.errors import RecipeError, SlicError
from slic.models.encoder import VideoEncoder
from slic.pretraining import pretrain
from slic.recipe import Recipe, load_recipe

pytestmark = pytest.mark.slow  # they start programs or train


TINY = (
    "--clip.frames=4", "--clip.size=32", "--backbone.width=0.125", "--head.hidden=16",
    "--head.embedding=8", "--rounds.clips=1", "--train.batch_size=4", "--train.workers=0",
    "--train.precision=fp32",
)  # fmt: skip


def tiny(*words: str, epochs: int = 1) -> Recipe:
    return load_recipe("motion", [*TINY, *words, f"--train.epochs={epochs}"])


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Return a small draw of the foreign set."""
    return open_task("foreign", "test", data=tmp_path_factory.mktemp("tasks"), train=10, test=4)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_row_trains_exactly_as_the_package_does(task: Task, tmp_path: Path) -> None:
    recipe = tiny(epochs=2)
    train(recipe, task, tmp_path / "row")
    product = pretrain(task.training, out=tmp_path / "run", recipe=recipe, progress=False)
    ours, theirs = (
        VideoEncoder.from_pretrained(folder).fingerprint()
        for folder in (tmp_path / "row" / "encoder", product.encoder)
    )
    assert ours == theirs


def test_supervised_pseudo_labels_are_the_true_labels(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[PseudoLabels] = []

    def spied(labels: np.ndarray) -> PseudoLabels:
        given.append(PseudoLabels(labels))
        return given[-1]

    monkeypatch.setattr("learning.training.PseudoLabels", spied)
    train(tiny(), task, tmp_path / "run", supervised=True)
    truth = np.array([task.labels.label[video.id] for video in task.training])
    labels = given[0].labels
    assert np.array_equal(truth[:, None] == truth[None, :], labels[:, None] == labels[None, :])
    assert not [name for name in inspect.signature(pretrain).parameters if "label" in name]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_trains_and_records_its_cost(method: str, task: Task, tmp_path: Path) -> None:
    row = read_row(",".join([method, *TINY]), seed=1)
    row = within(row, videos=len(task.training), steps=4, curve_every=2)
    record = json.loads(json.dumps(do(row, task, tmp_path, start=method != "simclr")))
    assert record["steps"] == 4
    assert set(record["curve"]) - {"2"} == ({"4"} if method == "simclr" else {"0", "4"})
    views = 3 if method == "official" else 2  # the paper's loss has a second view of the anchor
    assert record["clips_trained"] == 4 * 4 * views
    # the first round of `motion` clusters motion descriptors, later ones one clip per video
    embedded = {"slic": 0, "official": 10 * len(record["rounds"])}
    assert record["clips_embedded"] == embedded.get(method, 0)
    assert record["gflop"] > 0
    assert record["recipe"]["train"]["seed"] == 1
    assert not list((tmp_path / record["folder"]).glob("checkpoints/*"))
    shown = [line for line in table([record], tasks=["foreign"], draw="test") if method in line]
    *starts, line = shown  # and a row of random weights, if they were scored
    assert len(starts) == (method != "simclr")
    assert f"{100 * record['curve']['4']['backbone']:.1f}" in line
    *_, line = table([record], tasks=["foreign"], draw="test", score="mAP")
    assert f"{100 * record['curve']['4']['backbone mAP']:.1f} / " in line


@pytest.mark.parametrize("videos", [100, 200, 400, 800, 1600])
def test_a_budget_of_steps_is_kept_on_any_number_of_videos(videos: int) -> None:
    row = within(read_row("motion", seed=0), videos=videos, steps=360, curve_every=120)
    steps_an_epoch = videos // 32
    assert row.recipe.train.epochs
    for epochs, steps in (
        (row.recipe.train.epochs, 360),
        (row.recipe.rounds.every_epochs, 60),
        (row.recipe.train.snapshot_every_epochs, 120),
    ):
        assert abs(epochs * steps_an_epoch - steps) <= max(steps_an_epoch / 2, 0.04 * steps)


def test_three_views_get_two_thirds_of_the_steps_of_two() -> None:
    two, three = (
        steps_for(read_row(f"paper-small,--temporal.weight={w}", seed=0), 1e5) for w in (0, 1)
    )
    assert three == pytest.approx(2 / 3 * two, abs=1)


def test_the_name_of_a_row_is_parsed(task: Task) -> None:
    assert read_row("paper-small", seed=2).method == "slic"
    assert read_row("random:paper-small", seed=2).recipe.backbone.name == "slic/r3d10"
    simclr = read_row("simclr:paper-small,--sampling.flow_probability=0.3", seed=2).recipe
    assert (simclr.clustering.name, simclr.sampling.flow_probability) == ("none", 0.3)
    assert read_row("official", seed=2).recipe.compat == "official"
    with pytest.raises(RecipeError, match="no method 'papa'"):
        read_row("papa:motion", seed=0)
    with pytest.raises(RecipeError, match="no such recipe"):
        read_row("papa", seed=0)
    stem = read_row("motion,--backbone.stem_stride=[2,3,4],--clip.size=32", seed=0).recipe
    assert tuple(stem.backbone.arguments["stem_stride"]) == (2, 3, 4)
    assert stem.clip.size == 32
    rows = [read_row("motion", seed=seed) for seed in (0, 1)] + [read_row("supervised", seed=0)]
    assert len({identity(row, task) for row in rows}) == 3


def test_frame_differences_tell_where_something_moves() -> None:
    clips = np.zeros((1, 3, 32, 32, 3), np.uint8)
    clips[0, 1, 4:8, 12:16] = 100  # on for one frame: two changes of 100
    cells = frame_differences(clips).reshape(8, 8)
    assert cells[1, 3] == pytest.approx(100, rel=1e-3)
    assert np.delete(cells.ravel(), 8 + 3).max() == 0


def test_a_table_has_mean_and_deviation_over_seeds_of_one_recipe(tmp_path: Path) -> None:
    def record(seed: int, share: float, temperature: float = 0.1) -> dict[str, object]:
        words = [
            f"--train.seed={seed}",
            f"--loss.temperature={temperature}",
            f"--train.precision={('fp32', 'bf16')[seed % 2]}",
        ]
        return {
            "id": f"{seed} {share}",
            "task": "easy", "draw": "test", "run": "motion", "seed": seed, "asked_steps": 9,
            "asked_videos": None, "revision": "a", "recipe": load_recipe("motion", words).to_dict(),
            "curve": {
                "0": {"backbone": share - 0.4, "paper": 0.1},
                "9": {"backbone": share, "paper": share / 2},
            },
        }  # fmt: skip

    def lines(*records: dict[str, object]) -> list[str]:
        file = tmp_path / "results.jsonl"
        file.write_text("".join(json.dumps(one) + "\n" for one in records))
        read = read_records([file, tmp_path / "none", file])  # a record counts once
        return list(table(read, tasks=["easy"], draw="test"))

    two = [record(0, 0.5), record(1, 0.6)]
    simclr = record(0, 0.5) | {"id": "same network", "run": "simclr"}
    _, _, start, end, _ = lines(*two, simclr)  # whose random weights count once
    assert start.startswith("| random weights of motion | 15.0 ± 7.1 / 10.0 ± 0.0 (2) |")
    assert end.startswith("| motion, 9 steps | 55.0 ± 7.1 / 27.5 ± 3.5 (2) |")
    *_, first, second = lines(*two, record(2, 0.9, temperature=0.2))
    assert "55.0 ± 7.1" in first  # a name whose recipe has changed is two rows
    assert "90.0 / 45.0" in second
    with pytest.raises(
        SlicError, match=r"motion on easy, seed 1, has another result at revision b"
    ):
        lines(*two, two[1] | {"curve": two[0]["curve"], "revision": "b"})
    assert spread([0.25]) == "25.0"
    assert len(list(table(two, tasks=["easy"], draw="test", score="mAP"))) == 2  # they have none
