"""Two processes make the step of one: the same triplets, loss and gradient, each video once."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Generator, nn

from slic.clips.reader import ClipReader
from slic.clustering.finch import FINCH
from slic.losses import InfoNCELoss, TemporalLoss, TripletLoss
from slic.pretraining.distributed import Processes
from slic.pretraining.folder import RunFolder
from slic.pretraining.objective import Objective
from slic.pretraining.rounds import ClusteringRounds
from slic.pretraining.state import CHECKPOINT_FORMAT
from slic.recipe import RoundOptions
from slic.runs import load_checkpoint, read_log
from slic.videos.catalog import Catalog

pytestmark = pytest.mark.slow  # they start programs or train


BATCH, VIEWS = 8, 3
LOSSES: dict[str, Any] = {"triplet": TripletLoss(), "info_nce": InfoNCELoss()}
STEP = """
import torch
from accelerate import Accelerator
from torch import Generator, nn
from slic.losses import LOSSES, TemporalLoss, triplet
from slic.pretraining.distributed import Processes
from slic.pretraining.objective import Objective
mined = []
mine_triplets = triplet.mine_triplets
def noted(*arguments, **named):
    mined.append(mine_triplets(*arguments, **named))
    return mined[-1]
triplet.mine_triplets = noted
processes = Processes(Accelerator(cpu=True))
given = torch.load({given!r})
toy = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 5))
toy.load_state_dict(given["toy"])
model = processes.wrap(toy)
share = len(given["x"]) // processes.count
mine = slice(processes.rank * share, (processes.rank + 1) * share)
x, label = given["x"][mine], given["label"][mine]
z = model(x.flatten(0, 1)).unflatten(0, x.shape[:2])
terms = Objective(LOSSES[{kind!r}](), TemporalLoss())(
    processes.gather_with_gradient(z), processes.gather(label), Generator().manual_seed(7)
)
terms.total.backward()
result = dict(
    terms=[t.item() for t in terms],
    gradient=[p.grad for p in toy.parameters()],
    mined=[tuple(t) for t in mined],
)
torch.save(result, {results!r} + f"/{{processes.rank}}.pt")
processes.accelerator.end_training()
"""
ROUND = """
import json
from accelerate import Accelerator
from slic.clips.reader import ClipReader
from slic.clustering.finch import FINCH
from slic.models.encoder import VideoEncoder
from slic.pretraining import rounds
from slic.pretraining.distributed import Processes
from slic.recipe import RoundOptions
from slic.videos.catalog import Catalog
embedded = []
embed = rounds.embed
def noted(encoder, catalog, **named):
    embedded.extend(video.id for video in catalog)
    return embed(encoder, catalog, **named)
rounds.embed = noted
processes = Processes(Accelerator(cpu=True))
class Clusterer:
    def __call__(self, x, *, seed):
        labels = FINCH()(x, seed=seed)
        differs = {differ} and not processes.is_main  # as on another processor
        return labels.shifted() if differs else labels
labels = rounds.ClusteringRounds(
    clusterer=Clusterer(),
    options=RoundOptions(**{options!r}),
    catalog=Catalog.from_folder({videos!r}),
    reader=ClipReader(frames=4, stride=1, size=32),
    processes=processes, seed=0, workers=0, precision="fp32", progress=False,
).cluster(VideoEncoder.from_pretrained({encoder!r}), epoch=0)
with open({results!r} + f"/{{processes.rank}}.json", "w") as file:
    json.dump([embedded, labels["embedding"].labels.tolist()], file)
"""
SUMS = """
import torch
from accelerate import Accelerator
from slic.pretraining.build import build_encoder
from slic.pretraining.distributed import Processes
from slic.recipe import load_recipe
torch.set_num_threads(1)
accelerator = Accelerator(cpu=True)
encoder = build_encoder(load_recipe({recipe!r}, ["--backbone.width=0.5"]))
model = Processes(accelerator).wrap(encoder)
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
from slic.pretraining import StopRequested, distributed, loop, pretrain
distributed.STOP_CHECK_STEPS = 2
train_step = loop.train_step
def asked(run, *arguments):
    train_step(run, *arguments)
    if run.state.step == 3 and run.processes.rank == 1:
        os.kill(os.getpid(), signal.SIGTERM)
loop.train_step = asked
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
said = "found different videos" if {where!r} == "videos" else "resume at different steps"
with pytest.raises(CheckpointError, match=said):
    pretrain(catalog, out=out, recipe={recipe!r}, resume={where!r} == "folders", progress=False)
"""
OPTIONS: dict[str, Any] = {"inputs": ("rgb",), "clips": 2, "layer": "backbone", "centre": True}


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
        ended = [running.wait(200) for running in all_of_them]  # two busy cores are slow
        assert all(process.code == 0 for process in ended), [process.err for process in ended]

    return run


@pytest.mark.parametrize("kind", ["triplet", "info_nce"])
def test_loss_triplets_and_gradient_are_those_of_one_process(
    in_processes: Callable[..., None], tmp_path: Path, kind: str
) -> None:
    generator = Generator().manual_seed(1)
    x = torch.randn(BATCH, VIEWS, 6, generator=generator)
    label = torch.randint(0, 3, (BATCH, 1, 1), generator=generator).expand(BATCH, 2, 1)
    toy = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 5))
    given = tmp_path / "given.pt"
    torch.save({"toy": toy.state_dict(), "x": x, "label": label}, given)
    in_processes(STEP.format(given=str(given), results=str(tmp_path), kind=kind))
    objective = Objective(LOSSES[kind], TemporalLoss())
    z = toy(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    terms = objective(z, label, Generator().manual_seed(7))
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
            options=OPTIONS,
            results=str(tmp_path),
            differ=differ,
        )
    )
    (ids, labels), (other_ids, other_labels) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)
    )
    assert sorted(ids + other_ids) == [video.id for video in catalog]
    alone = ClusteringRounds(
        clusterer=FINCH(),
        options=RoundOptions(**OPTIONS),
        catalog=catalog,
        reader=ClipReader(frames=4, stride=1, size=32),
        processes=Processes(Accelerator(cpu=True)),
        seed=0,
        workers=0,
        precision="fp32",
        progress=False,
    ).cluster(VideoEncoder.from_pretrained(encoder), epoch=0)
    assert labels == other_labels == alone["embedding"].labels.tolist()


def test_all_processes_stop_after_the_same_step_when_one_is_asked_to(
    in_processes: Callable[..., None], videos: Path, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = {"videos": str(videos), "out": str(out), "recipe": str(tiny)}
    in_processes(STOP.format(**words, results=str(tmp_path)))
    assert {path.name for path in tmp_path.iterdir()} == {"run", "0", "1"}
    records = read_log(out / "log.jsonl")
    assert [r["step"] for r in records if r["kind"] == "step"] == [1, 2, 3, 4]
    assert load_checkpoint(RunFolder(out).checkpoint, version=CHECKPOINT_FORMAT)["step"] == 4


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


RUN = """
from slic.pretraining import StopRequested, distributed, loop, pretrain
import signal
distributed.STOP_CHECK_STEPS = 1
train_step = loop.train_step
def maybe_stop(run, *arguments):
    train_step(run, *arguments)
    if run.state.step == {stop_after}:
        os.kill(os.getpid(), signal.SIGTERM)
loop.train_step = maybe_stop
try:
    pretrain({videos!r}, out={out!r}, recipe={recipe!r}, resume={resume}, progress=False)
except StopRequested:
    pass
"""


@pytest.mark.parametrize(
    ("world", "stop_after"),
    [(1, 6), (2, 2), *(pytest.param(*case, marks=pytest.mark.soak) for case in ((1, 2), (2, 6)))],
)
def test_a_stopped_and_resumed_run_is_the_same_with_any_number_of_processes(
    in_processes: Callable[..., None], videos: Path, tiny: Path, tmp_path: Path,
    world: int, stop_after: int,
) -> None:  # fmt: skip
    words = {"videos": str(videos), "recipe": str(tiny)}
    whole, broken = str(tmp_path / "whole"), str(tmp_path / "broken")
    in_processes(RUN.format(**words, out=whole, resume=False, stop_after=-1), world=world)
    in_processes(RUN.format(**words, out=broken, resume=False, stop_after=stop_after), world=world)
    saved = load_checkpoint(RunFolder(Path(broken)).checkpoint, version=CHECKPOINT_FORMAT)
    assert saved["step"] < 9
    in_processes(RUN.format(**words, out=broken, resume=True, stop_after=-1), world=world)
    one, other = (Path(out) / "encoder" / "model.safetensors" for out in (whole, broken))
    assert one.read_bytes() == other.read_bytes()


@pytest.fixture
def grouped(tiny: Path, tmp_path: Path) -> Path:
    """Return the recipe with two groups, and SGD, which rounding errors disturb little."""
    text = tiny.read_text().replace("batch_size: 4", "batch_size: 6, groups: 2")
    kept = [line for line in text.splitlines() if not line.startswith("optimizer")]
    path = tmp_path / "grouped.yaml"
    path.write_text("\n".join([*kept, "optimizer: {name: sgd, learning_rate: 0.01}"]))
    return path


def test_groups_are_the_same_on_one_process_and_on_two(
    in_processes: Callable[..., None], videos: Path, grouped: Path, tmp_path: Path
) -> None:
    words = {"videos": str(videos), "recipe": str(grouped), "resume": False, "stop_after": -1}
    logs, weights = [], []
    for world in (1, 2):
        out = tmp_path / str(world)
        in_processes(RUN.format(**words, out=str(out)), world=world)
        records = read_log(out / "log.jsonl")
        logs.append([[r["loss"], r["temporal"]] for r in records if r["kind"] == "step"])
        weights.append(load_file(out / "encoder" / "model.safetensors"))
    assert len(logs[0]) == 6
    np.testing.assert_allclose(logs[0], logs[1], rtol=1e-4)
    for name, value in weights[0].items():  # running statistics are among them
        torch.testing.assert_close(value, weights[1][name], rtol=1e-3, atol=1e-5)


def test_a_resumed_run_with_groups_is_the_same(
    in_processes: Callable[..., None], videos: Path, grouped: Path, tmp_path: Path
) -> None:
    words = {"videos": str(videos), "recipe": str(grouped)}
    whole, broken = str(tmp_path / "whole"), str(tmp_path / "broken")
    in_processes(RUN.format(**words, out=whole, resume=False, stop_after=-1), world=1)
    in_processes(RUN.format(**words, out=broken, resume=False, stop_after=3), world=1)
    in_processes(RUN.format(**words, out=broken, resume=True, stop_after=-1), world=1)
    one, other = (Path(out) / "encoder" / "model.safetensors" for out in (whole, broken))
    assert one.read_bytes() == other.read_bytes()
