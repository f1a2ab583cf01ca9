"""What the rows of the bench do: the product's own training, its rivals' losses, one budget."""

import inspect
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from learning.coclr import info_nce
from learning.features import frame_differences
from learning.momentum import MocoRun
from learning.rows import WAYS, do, identity, read_row, steps_for, within
from learning.scenes import still, with_background
from learning.tables import read_records, spread, table
from learning.tasks import Task, open_task
from learning.training import Looped, SupervisedRun, smaller
from slic.errors import RecipeError, SlicError
from slic.models.encoder import VideoEncoder
from slic.pretraining import pretrain
from slic.pretraining.run import Run
from slic.recipe import Recipe, load_recipe

TINY = (
    "--clip.frames=4", "--clip.size=32", "--encoder.width=0.125", "--encoder.hidden=16",
    "--encoder.embedding=8", "--clustering.clips=1", "--train.batch_size=4", "--train.workers=0",
    "--train.precision=fp32",
)  # fmt: skip


def tiny(*words: str, epochs: int = 1) -> Recipe:
    return load_recipe("best", [*TINY, *words, f"--train.epochs={epochs}"])


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Return a small draw of the foreign set."""
    return open_task("foreign", "test", data=tmp_path_factory.mktemp("tasks"), train=10, test=4)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_row_is_the_training_of_the_product_bit_for_bit(task: Task, tmp_path: Path) -> None:
    recipe = tiny(epochs=2)
    WAYS["slic"].training(recipe, task, tmp_path / "row")
    product = pretrain(task.training, out=tmp_path / "run", recipe=recipe, progress=False)
    ours, theirs = (
        VideoEncoder.from_pretrained(folder).fingerprint()
        for folder in (tmp_path / "row" / "encoder", product.encoder)
    )
    assert ours == theirs


def test_labels_reach_a_run_of_the_bench_only(task: Task, tmp_path: Path) -> None:
    seen: dict[str, int] = {}

    class Spied(SupervisedRun):
        def cluster(self, _: object) -> None:
            super().cluster(None)
            assert self.pseudo_labels is not None
            seen.update(
                zip([v.id for v in self.catalog], self.pseudo_labels.labels.tolist(), strict=True)
            )

    Looped(Spied)(tiny(), task, tmp_path / "run")
    truth = [task.labels.label[name] for name in seen]
    code = list(seen.values())
    same = [(a == b) == (p == q) for a, p in zip(truth, code, strict=True)
            for b, q in zip(truth, code, strict=True)]  # fmt: skip
    assert all(same)
    for product in (pretrain, Run):
        assert not [name for name in inspect.signature(product).parameters if "truth" in name]
    assert set(inspect.signature(pretrain).parameters) == {
        "catalog", "out", "recipe", "resume", "observer", "progress",
    }  # fmt: skip


@pytest.mark.parametrize("method", sorted(WAYS))
def test_every_way_learns_and_tells_what_it_cost(method: str, task: Task, tmp_path: Path) -> None:
    row = read_row(",".join([method, *TINY]), seed=1)
    row = within(row, videos=len(task.training), steps=4, curve_every=2)
    record = json.loads(json.dumps(do(row, task, tmp_path, start=method != "simclr")))
    assert record["steps"] == 4
    assert set(record["curve"]) - {"2"} == ({"4"} if method == "simclr" else {"0", "4"})
    # a second look; a still clip for each pair of four; half as much for half of the steps
    looks = {"official": 3, "still": 3, "growing": 1.5}.get(method, 2)
    assert record["clips_trained"] == 4 * 4 * looks
    assert record["gflop"] > 0
    assert record["recipe"]["train"]["seed"] == 1
    assert not list((tmp_path / record["folder"]).glob("checkpoints/*"))
    shown = [line for line in table([record], tasks=["foreign"], draw="test") if method in line]
    *starts, line = shown  # a row of random weights, where they were tested
    assert len(starts) == (method != "simclr")
    assert f"{100 * record['curve']['4']['backbone']:.1f}" in line
    *_, line = table([record], tasks=["foreign"], draw="test", score="mAP")
    assert f"{100 * record['curve']['4']['backbone mAP']:.1f} / " in line


@pytest.mark.parametrize("videos", [100, 200, 400, 800, 1600])
def test_a_budget_of_steps_is_kept_on_any_number_of_videos(videos: int) -> None:
    row = within(read_row("best", seed=0), videos=videos, steps=360, curve_every=120)
    steps_an_epoch = videos // 32
    for epochs, steps in (
        (row.recipe.train.epochs, 360),
        (row.recipe.clustering.every_epochs, 60),
        (row.recipe.train.snapshot_every_epochs, 120),
    ):
        assert abs(epochs * steps_an_epoch - steps) <= max(steps_an_epoch / 2, 0.04 * steps)


def test_a_budget_of_operations_gives_three_looks_two_thirds_of_the_steps() -> None:
    two, three = (
        steps_for(read_row(f"paper-small,--loss.temporal_weight={w}", seed=0), 1e5) for w in (0, 1)
    )
    assert three == pytest.approx(2 / 3 * two, abs=1)


def test_words_of_a_row_are_read_as_they_are_told(task: Task) -> None:
    assert read_row("paper-small", seed=2).method == "slic"
    assert read_row("random:paper-small", seed=2).recipe.encoder.subtract_mean_frame is False
    simclr = read_row(
        "simclr,--encoder.motion=false,--sampling.flow_probability=0.3", seed=2
    ).recipe
    assert (simclr.clustering.method, simclr.sampling.flow_probability) == ("none", 0.3)
    assert read_row("official", seed=2).recipe.compat == "official"
    with pytest.raises(RecipeError, match="no method 'papa'"):
        read_row("papa:best", seed=0)
    with pytest.raises(RecipeError, match="no such recipe"):
        read_row("papa", seed=0)
    stem = read_row("best,--encoder.stem_stride=[2,3,4],--clip.size=32", seed=0).recipe
    assert (stem.encoder.stem_stride, stem.clip.size) == ((2, 3, 4), 32)
    rows = [read_row("best", seed=seed) for seed in (0, 1)] + [read_row("supervised", seed=0)]
    assert len({identity(row, task) for row in rows}) == 3


def test_mined_positives_loss_matches_plain_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(5, 2, 3, generator=generator)
    related = torch.eye(5, dtype=torch.bool)
    related[0, 3] = related[3, 0] = True
    unit = torch.nn.functional.normalize(z, dim=2).reshape(10, 3)
    terms = []
    for i in range(10):
        weight = {j: float((unit[i] @ unit[j] / 0.1).exp()) for j in range(10) if j != i}
        positive = sum(w for j, w in weight.items() if related[i // 2, j // 2])
        terms.append(-np.log(positive / sum(weight.values())))
    assert info_nce(z, related, temperature=0.1).item() == pytest.approx(np.mean(terms), rel=1e-4)


def test_keys_of_the_same_video_are_no_negatives_of_moco() -> None:
    run = object.__new__(MocoRun)
    run.recipe = tiny("--loss.temperature=1")
    run.keys, run.owners = torch.empty(0, 2), torch.empty(0, dtype=torch.long)
    one, other = torch.tensor([[[1.0, 0.0]] * 2]), torch.tensor([[[0.0, 1.0]] * 2])
    assert run.contrast(one, one, torch.tensor([7])).item() == 0  # two keys, both its own
    assert run.contrast(one, one, torch.tensor([7])).item() == 0  # four
    against_four = run.contrast(other, other, torch.tensor([8])).item()
    assert against_four == pytest.approx(np.log(1 + 4 * np.exp(-1)), rel=1e-5)
    both = torch.cat([one, other])  # each is the other's negative; 4 keys of the queue are as `one`
    wanted = np.mean([np.log(5 * np.e + 4) - 1, np.log(3 * np.e + 6) - 1])
    found = run.contrast(both, both, torch.tensor([1, 2])).item()
    assert found == pytest.approx(wanted, rel=1e-5)


def test_a_background_is_another_clips_frame_and_fades_what_is_there() -> None:
    clips = 10 * torch.arange(15, dtype=torch.uint8).reshape(3, 5, 1, 1, 1).expand(-1, -1, 4, 4, 3)
    mixed = with_background(clips, torch.Generator().manual_seed(0)).int()
    for i, clip in enumerate(mixed):
        share = clip.diff(dim=0).float().mean() / 10  # of the clip: what lies over it stands still
        assert 0.65 < share < 1
        background = (clip[0] - share * clips[i, 0]).float().mean() / (1 - share) / 10
        assert int(background.round()) // 5 != i


def test_still_clips_show_one_frame_of_clips_of_their_own() -> None:
    clips = torch.arange(40 * 3, dtype=torch.uint8).reshape(40, 3, 1, 1, 1).expand(-1, -1, 2, 2, 3)
    shown = still(clips, torch.Generator().manual_seed(0))
    assert shown.shape == (16, 3, 2, 2, 3)
    assert (shown == shown[:, :1]).all()
    assert len({int(clip[0, 0, 0, 0]) // 3 for clip in shown}) == 16


def test_smaller_clips_are_means_of_what_was_there() -> None:
    clips = torch.randint(0, 256, (2, 2, 3, 6, 9, 3), dtype=torch.uint8)
    made = smaller(clips)
    assert made.shape == (2, 2, 3, 4, 6, 3)
    block = clips[1, 0, 2, 0:2, 0:2].float()  # a pixel is 1.5 wide: all that it touches counts
    assert torch.equal(made[1, 0, 2, 0, 0], block.mean(dim=(0, 1)).round().byte())


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
            "task": "easy", "draw": "test", "run": "best", "seed": seed, "asked_steps": 9,
            "asked_videos": None, "revision": "a", "recipe": asdict(load_recipe("best", words)),
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
    assert start.startswith("| random weights of best | 15.0 ± 7.1 / 10.0 ± 0.0 (2) |")
    assert end.startswith("| best, 9 steps | 55.0 ± 7.1 / 27.5 ± 3.5 (2) |")
    *_, first, second = lines(*two, record(2, 0.9, temperature=0.2))
    assert "55.0 ± 7.1" in first  # a name whose recipe has changed is two rows
    assert "90.0 / 45.0" in second
    *_, first, second = lines(*two, record(2, 0.9) | {"version": 2})
    assert "55.0 ± 7.1" in first  # so is a way that has changed
    assert "90.0 / 45.0" in second
    with pytest.raises(SlicError, match=r"best on easy, seed 1, has another result at revision b"):
        lines(*two, two[1] | {"curve": two[0]["curve"], "revision": "b"})
    assert spread([0.25]) == "25.0"
    assert len(list(table(two, tasks=["easy"], draw="test", score="mAP"))) == 2  # they have none
