"""Two processes make the step of one: the same triplets, loss and gradient, each video once."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Generator, nn

from slic.clips.reader import ClipReader
from slic.pretraining.folder import RunFolder
from slic.pretraining.objective import info_nce_instance, loss_terms, triplet_instance
from slic.pretraining.rounds import cluster_round
from slic.runs import read_log
from slic.videos.catalog import Catalog

BATCH, LOOKS = 8, 3
STEP = """
import sys, torch
from accelerate import Accelerator
from torch import Generator, nn
from slic.pretraining import objective
from slic.pretraining.objective import loss_terms, info_nce_instance, triplet_instance
from slic.pretraining.parts import gather_with_gradient, in_parallel
mined = []
mine_triplets = objective.mine_triplets
def noted(*arguments, **named):
    mined.append(mine_triplets(*arguments, **named))
    return mined[-1]
objective.mine_triplets = noted
accelerator = Accelerator(cpu=True)
given = torch.load({given!r})
toy = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 5))
toy.load_state_dict(given["toy"])
model = in_parallel(toy, accelerator)
share = len(given["x"]) // accelerator.num_processes
mine = slice(accelerator.process_index * share, (accelerator.process_index + 1) * share)
x, label = given["x"][mine], given["label"][mine]
z = model(x.flatten(0, 1)).unflatten(0, x.shape[:2])
instance = (
    info_nce_instance(temperature=0.1)
    if {kind!r} == "info_nce"
    else triplet_instance(margin=0.2, rule="violating", average_over="active")
)
terms = loss_terms(
    gather_with_gradient(z, accelerator), accelerator.gather(label), instance=instance,
    temporal_weight=1.0, temporal_margin=0.04, generator=Generator().manual_seed(7),
)
terms.total.backward()
result = dict(
    terms=[t.item() for t in terms],
    gradient=[p.grad for p in toy.parameters()],
    mined=[tuple(t) for t in mined],
)
torch.save(result, {results!r} + f"/{{accelerator.process_index}}.pt")
accelerator.end_training()
"""
ROUND = """
import json
from accelerate import Accelerator
from slic.clips.reader import ClipReader
from slic.models.encoder import VideoEncoder
from slic.clustering.finch import FINCH
from slic.pretraining import rounds
from slic.videos.catalog import Catalog
embedded = []
embed = rounds.embed
def noted(encoder, catalog, **named):
    embedded.extend(video.id for video in catalog)
    return embed(encoder, catalog, **named)
rounds.embed = noted
accelerator = Accelerator(cpu=True)
if {differ}:  # as another processor may cluster
    def shifted(**arguments):
        def cluster(x, *, seed):
            labels = FINCH(**arguments)(x, seed=seed)
            return labels if accelerator.is_main_process else labels.shifted()
        return cluster
    rounds.CLUSTERERS = {{"finch": shifted}}
labels = rounds.cluster_round(
    VideoEncoder.from_pretrained({encoder!r}), Catalog.from_folder({videos!r}), accelerator,
    reader=ClipReader(frames=4, stride=1, size=32), **{settings!r}
)
with open({results!r} + f"/{{accelerator.process_index}}.json", "w") as file:
    json.dump([embedded, labels.labels.tolist()], file)
"""
SUMS = """
import torch
from accelerate import Accelerator
from slic.pretraining.parts import in_parallel, new_encoder
from slic.recipe import load_recipe
torch.set_num_threads(1)
accelerator = Accelerator(cpu=True)
encoder = new_encoder(load_recipe({recipe!r}, ["--encoder.width=0.5"]))
model = in_parallel(encoder, accelerator)
own = torch.Generator().manual_seed(accelerator.process_index)
clips = torch.randn(2, 3, 4, 32, 32, generator=own)
sums = []
for _ in range(3):
    encoder.zero_grad()
    model(clips).square().mean().backward()
    sums.append(torch.cat([p.grad.flatten() for p in encoder.parameters()]))
assert sums[0].any()
assert torch.equal(sums[0], sums[1]) and torch.equal(sums[1], sums[2])
accelerator.end_training()
"""
STOP = """
import signal
from slic.pretraining import StopRequested, pretrain, run
run.STEPS_TOGETHER = 2
train_step = run.Run.train_step
def asked(self, *arguments):
    train_step(self, *arguments)
    if self.step == 3 and self.accelerator.process_index == 1:
        os.kill(os.getpid(), signal.SIGTERM)
run.Run.train_step = asked
try:
    pretrain({videos!r}, out={out!r}, recipe={recipe!r}, progress=False)
except StopRequested:
    open({results!r} + "/" + os.environ["RANK"], "x").close()
"""
APART = """
import pytest
from slic.errors import CheckpointError
from slic.pretraining import pretrain
from slic.videos.catalog import Catalog
catalog = Catalog.from_folder({videos!r})
rank = int(os.environ["RANK"])
if {where!r} == "videos" and rank:
    catalog = catalog.subset([video.id for video in catalog[1:]])
out = {out!r} + (str(rank) if {where!r} == "folders" else "")
said = "found other videos" if {where!r} == "videos" else "resume elsewhere"
with pytest.raises(CheckpointError, match=said):
    pretrain(catalog, out=out, recipe={recipe!r}, resume={where!r} == "folders", progress=False)
"""
SETTINGS: dict[str, Any] = {
    "view": "rgb", "clips": 2, "layer": "backbone", "centre": True, "method": "finch",
    "partition": 0, "clusters": 2, "seed": 0, "workers": 0,
    "precision": "fp32", "progress": False,
}  # fmt: skip


@pytest.fixture
def in_processes(program: Callable[[str], Any]) -> Callable[..., None]:
    """Return a function that runs a program in some processes that form one group."""

    def run(text: str, world: int = 2) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        group = f"MASTER_ADDR='127.0.0.1', MASTER_PORT='{port}', WORLD_SIZE='{world}'"
        all_of_them = [
            program(f"os.environ.update(RANK='{r}', LOCAL_RANK='{r}', {group})\n{text}")
            for r in range(world)
        ]
        for ended in [running.wait(60) for running in all_of_them]:
            assert ended.code == 0, ended.err

    return run


@pytest.mark.parametrize("kind", ["triplet", "info_nce"])
def test_loss_triplets_and_gradient_are_those_of_one_process(
    in_processes: Callable[..., None], tmp_path: Path, kind: str
) -> None:
    generator = Generator().manual_seed(1)
    x = torch.randn(BATCH, LOOKS, 6, generator=generator)
    label = torch.randint(0, 3, (BATCH,), generator=generator)
    toy = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 5))
    given = tmp_path / "given.pt"
    torch.save({"toy": toy.state_dict(), "x": x, "label": label}, given)
    in_processes(STEP.format(given=str(given), results=str(tmp_path), kind=kind))
    instance = (
        info_nce_instance(temperature=0.1)
        if kind == "info_nce"
        else triplet_instance(margin=0.2, rule="violating", average_over="active")
    )
    terms = loss_terms(
        toy(x.flatten(0, 1)).unflatten(0, x.shape[:2]), label, instance=instance,
        temporal_weight=1.0, temporal_margin=0.04, generator=Generator().manual_seed(7),
    )  # fmt: skip
    terms.total.backward()  # type: ignore[no-untyped-call]
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert one["terms"] == other["terms"]
    assert one["terms"] == pytest.approx([term.item() for term in terms], rel=1e-5)
    for mined, others in zip(one["mined"], other["mined"], strict=True):
        assert mined[1].sum() > 10
        assert all(torch.equal(a, b) for a, b in zip(mined, others, strict=True))
    for parameter, *gradients in zip(
        toy.parameters(), one["gradient"], other["gradient"], strict=True
    ):
        assert parameter.grad is not None
        assert torch.equal(*gradients)
        torch.testing.assert_close(gradients[0], parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("differ", [False, True])
def test_a_round_embeds_every_video_once_and_all_get_the_same_clusters(
    in_processes: Callable[..., None],
    videos: Path,
    catalog: Catalog,
    undisturbed: Path,
    tmp_path: Path,
    *,
    differ: bool,
) -> None:
    from slic.models.encoder import VideoEncoder

    encoder = undisturbed / "encoder"
    in_processes(
        ROUND.format(
            encoder=str(encoder),
            videos=str(videos),
            settings=SETTINGS,
            results=str(tmp_path),
            differ=differ,
        )
    )
    (ids, labels), (other_ids, other_labels) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)
    )
    assert sorted(ids + other_ids) == [video.id for video in catalog]
    alone = cluster_round(
        VideoEncoder.from_pretrained(encoder),
        catalog,
        Accelerator(cpu=True),
        reader=ClipReader(frames=4, stride=1, size=32),
        **SETTINGS,
    )
    assert labels == other_labels == alone.labels.tolist()


def test_all_processes_stop_after_the_same_step_when_one_is_asked_to(
    in_processes: Callable[..., None], videos: Path, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = {"videos": str(videos), "out": str(out), "recipe": str(tiny)}
    in_processes(STOP.format(**words, results=str(tmp_path)))
    assert {path.name for path in tmp_path.iterdir()} == {"run", "0", "1"}
    records = read_log(out / "log.jsonl")
    assert [r["step"] for r in records if r["kind"] == "step"] == [1, 2, 3, 4]
    assert torch.load(RunFolder(out).checkpoint)["step"] == 4


def test_processes_that_found_other_videos_do_not_wait_for_each_other(
    in_processes: Callable[..., None], videos: Path, tiny: Path, tmp_path: Path
) -> None:
    words = {"videos": str(videos), "out": str(tmp_path / "run"), "recipe": str(tiny)}
    in_processes(APART.format(**words, where="videos"))


def test_processes_that_resume_from_folders_of_their_own_do_not_wait_for_each_other(
    in_processes: Callable[..., None], videos: Path, tiny: Path, tmp_path: Path
) -> None:
    words = {"videos": str(videos), "out": str(tmp_path / "run"), "recipe": str(tiny)}
    in_processes(STOP.format(**words, results=str(tmp_path)))
    (tmp_path / "run").rename(tmp_path / "run0")  # that of the other one is on another disk
    in_processes(APART.format(**words, where="folders"))


def test_three_processes_sum_in_one_order_from_the_first_step_on(
    in_processes: Callable[..., None], tiny: Path
) -> None:
    in_processes(SUMS.format(recipe=str(tiny)), world=3)


def test_torchrun_finishes_one_run(videos: Path, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "slic"]
    words = ["pretrain", str(videos), "--out", str(out), "--recipe", str(tiny)]
    done = subprocess.run(
        [sys.executable, "-m", *launch, *words], capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("encoder after 9 steps") == 1
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if r["kind"] == "step"] == list(range(1, 10))
    assert (out / "encoder" / "model.safetensors").exists()
    assert "FutureWarning" not in done.stderr
