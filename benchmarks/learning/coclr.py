"""CoCLR's idea (Han, Xie and Zisserman, NeurIPS 2020) in a compact form.

Two encoders, one of RGB and one of flow, each first learn from two clips of a video; then they
take turns: the one at rest names every video's nearest neighbours, and those are positives, beside
the video itself, of the other. Each gets half of the budget's steps; the RGB encoder is kept.

Simplified: neighbours are found once a turn, over one embedding of each whole video, in place of
every batch against a queue of momentum keys; negatives are those of the batch; a mined positive is
put into the batch with its video, because in a batch of 32 it would seldom be there by chance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.data import Sampler
from tqdm import tqdm

from learning.tasks import Task
from learning.training import Trained
from slic.clips.augmentation import Augmentation
from slic.clips.datasets import SampleIndex, TripletDataset, TripletSample, batch_loader
from slic.clips.reader import ClipReader, Shown
from slic.embeddings import embed
from slic.models.encoder import VideoEncoder, to_input
from slic.pretraining.folder import RunFolder
from slic.pretraining.parts import (
    fade_mean_frame,
    learning_rate,
    new_encoder,
    new_optimizer,
    precision_of,
)
from slic.recipe import Recipe, save_recipe

Modality = Literal["rgb", "flow"]
Mined = Int[np.ndarray, "n k"]  # for every video, the videos that are its positives, itself first

POSITIVES = 5  # mined for a video, as in the paper
MINING_CLIPS = 4
# Who learns, whose neighbours are its positives (None: the video itself), and until which share
# of its own steps.
TURNS: Sequence[tuple[Modality, Modality | None, float]] = (
    ("flow", None, 0.5),
    ("rgb", None, 0.5),
    ("flow", "rgb", 0.75),
    ("rgb", "flow", 0.75),
    ("flow", "rgb", 1.0),
    ("rgb", "flow", 1.0),
)


class OneModality(TripletDataset):
    """Pairs of clips that are both shown as pictures, or both as flow."""

    modality: Modality = "rgb"

    def _drawn(self, *place: Any, may_be_flow: bool) -> Shown:
        shown = super()._drawn(*place, may_be_flow=may_be_flow)
        return shown._replace(view=self.modality)


class MinedBatches(Sampler[list[SampleIndex]]):
    """Some of the batches of a long run: every video once a pass, with one of its positives."""

    def __init__(self, mined: Mined, *, batch_size: int, steps: range, seed: int) -> None:
        self.mined = mined
        self.batch_size = min(batch_size, len(mined))
        self.steps = steps
        self.seed = seed

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        for step in self.steps:
            epoch, batch = divmod(step, len(self.mined) // self.batch_size)
            order = np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.mined))
            rng = np.random.default_rng([self.seed, epoch, 1, batch])
            videos = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield [SampleIndex(epoch, int(v), int(rng.choice(self.mined[v]))) for v in videos]


def info_nce(
    z: Float[Tensor, "b 2 d"], related: Bool[Tensor, "b b"], *, temperature: float
) -> Float[Tensor, ""]:
    """Return ``-log`` of the share that all positives of an entry have, as in MIL-NCE.

    The two clips of a sample, and those of related samples, are positives.
    """
    unit = normalize(z.flatten(0, 1), dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=z.device)
    similarity = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    positive = related.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
    of_positives = similarity.masked_fill(~positive, -torch.inf).logsumexp(1)
    return (similarity.logsumexp(1) - of_positives).mean()


@dataclass
class Learner:
    """One of the two encoders, and how far it is."""

    modality: Modality
    recipe: Recipe
    total_steps: int
    step: int = 0
    encoder: VideoEncoder = field(init=False)

    def __post_init__(self) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.precision = precision_of(self.recipe, torch.device(device))
        self.encoder = new_encoder(self.recipe).to(device)
        self.optimizer = new_optimizer(self.encoder, self.recipe.train)

    def train_step(self, samples: TripletSample, mined: Mined) -> None:
        train = self.recipe.train
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(train, self.step, self.total_steps)
        fade_mean_frame(self.encoder, train.mean_frame, self.step, self.total_steps)
        device = next(self.encoder.parameters()).device
        clips = to_input(samples.clips.flatten(0, 1).to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            z = self.encoder(clips).float().unflatten(0, (-1, 2))
        named = torch.from_numpy(mined)[samples.video]
        names = (named[:, None, :] == samples.video[None, :, None]).any(2)
        related = (names | names.T).to(device)
        loss = info_nce(z, related, temperature=self.recipe.loss.temperature)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1

    def neighbours(self, task: Task, reader: ClipReader) -> Mined:
        """Return the nearest videos of every training video, itself first."""
        rows = embed(
            self.encoder, task.training, clips=MINING_CLIPS, view=self.modality, reader=reader,
            workers=self.recipe.train.workers, precision=self.precision,
            progress=False,
        ).mean  # fmt: skip
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        similarity = unit @ unit.T
        np.fill_diagonal(similarity, np.inf)
        return np.argsort(-similarity, axis=1)[:, : 1 + POSITIVES]


def coclr(recipe: Recipe, task: Task, folder: Path) -> Trained:
    """Train both encoders by turns and keep the RGB one."""
    train, count = recipe.train, len(task.training)
    batch_size = min(train.batch_size, count)
    total = train.epochs * (count // batch_size)
    reader = task.reader(recipe)
    learners = {name: Learner(name, recipe, total // 2) for name in ("rgb", "flow")}
    data = OneModality(
        task.training, reader, Augmentation(**asdict(recipe.augmentation)),
        flow_probability=0.0, second_view=False, seed=train.seed,
    )  # fmt: skip
    embedded = 0
    with RunFolder(folder) as files, tqdm(total=total, unit="step") as bar:
        save_recipe(recipe, files.recipe)
        for name, miner, until in TURNS:
            learner, mined = learners[name], np.arange(count)[:, None]
            if miner:
                mined = learners[miner].neighbours(task, reader)
                embedded += count * MINING_CLIPS
            data.modality = name
            steps = range(learner.step, round(until * learner.total_steps))
            batches = MinedBatches(mined, batch_size=batch_size, steps=steps, seed=train.seed)
            learner.encoder.train()
            for samples in batch_loader(data, batches, workers=train.workers):
                learner.train_step(samples, mined)
                bar.update()
            if name == "rgb":
                learner.encoder.save_pretrained(files.snapshot(bar.n))
        learners["rgb"].encoder.eval().save_pretrained(files.encoder)
    steps_done = sum(learner.step for learner in learners.values())
    return Trained(
        steps=steps_done,
        clips_trained=2 * batch_size * steps_done,
        clips_embedded=embedded,
        rounds=[],
    )
