"""MoCo and BYOL on clips: two clips of a video are positives, and a slow copy gives the targets.

Both are the product's loop with another loss, so clips, looks, network, optimizer and steps are
those of the other rows. Each needs no cluster: rows are run with ``clustering.method=none``.
"""

import copy
import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, normalize

from learning.training import StoredRun
from slic.clips.datasets import TripletSample
from slic.models.encoder import VideoEncoder
from slic.pretraining.objective import LossTerms

START = 0.97  # weight of the slow copy's past; rises to 1 by a cosine (Grill et al. 2020, from .99)
QUEUE = 1024  # keys of MoCo: at most two passes over 400 videos with two clips each


@dataclass(kw_only=True)
class MomentumRun(StoredRun):
    """A run beside whose encoder a slow copy goes."""

    slow: VideoEncoder = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.slow = copy.deepcopy(self.encoder).requires_grad_(False).train()

    def train_step(self, model: nn.Module, samples: TripletSample) -> None:
        super().train_step(model, samples)
        past = 1 - (1 - START) * (1 + math.cos(math.pi * self.step / self.total_steps)) / 2
        with torch.no_grad():
            for slow, now in zip(self.slow.parameters(), self.encoder.parameters(), strict=True):
                slow.lerp_(now, 1 - past)

    def losses(self, model: nn.Module, samples: TripletSample) -> LossTerms:
        clips = samples.clips[:, :2].flatten(0, 1)
        self.clips_trained += len(clips)
        self.clips_embedded += len(clips)
        self.slow.mean_frame = self.encoder.mean_frame
        z = self.embedded(model, clips).view(len(samples.clips), 2, -1)
        with torch.no_grad():
            target = self.embedded(self.slow, clips).view(z.shape)
        loss = self.contrast(z, target, samples.video)
        unit = normalize(z.detach().flatten(0, 1), dim=1)
        return LossTerms(
            total=loss,
            instance=loss.detach(),
            temporal=loss.new_zeros(()),
            active=loss.new_ones(()),
            spread=1 - unit.mean(0).square().sum(),
        )

    def contrast(
        self, z: Float[Tensor, "b 2 d"], target: Float[Tensor, "b 2 d"], video: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """Return the loss of two clips' embeddings, given those of the slow copy."""
        raise NotImplementedError


@dataclass(kw_only=True)
class ByolRun(MomentumRun):
    """BYOL (Grill et al. 2020): a predictor gives the slow copy's embedding of the other clip."""

    predictor: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        settings = self.recipe.encoder
        with torch.random.fork_rng():
            torch.manual_seed(self.recipe.train.seed)
            self.predictor = nn.Sequential(
                nn.Linear(settings.embedding, settings.hidden),
                nn.BatchNorm1d(settings.hidden),
                nn.ReLU(),
                nn.Linear(settings.hidden, settings.embedding),
            ).to(self.accelerator.device)
        self.optimizer.add_param_group({"params": self.predictor.parameters()})

    def contrast(
        self, z: Float[Tensor, "b 2 d"], target: Float[Tensor, "b 2 d"], video: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        del video
        predicted = normalize(self.predictor(z.flatten(0, 1)), dim=1)
        other = normalize(target.flip(1).flatten(0, 1), dim=1)
        return mse_loss(predicted, other, reduction="none").sum(1).mean()


@dataclass(kw_only=True)
class MocoRun(MomentumRun):
    """MoCo (He et al. 2020), both clips as query once: InfoNCE against keys of now and before.

    Keys of the query's own video are no negatives: on sets this small the queue is full of them.
    The batch's own keys are negatives as in MoCo v3 (Chen et al. 2021): they share the positive's
    batch statistics, by which it would be known among older keys alone.
    """

    keys: Tensor = field(init=False)
    owners: Tensor = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        device = self.accelerator.device
        self.keys = torch.empty(0, self.recipe.encoder.embedding, device=device)
        self.owners = torch.empty(0, dtype=torch.long, device=device)

    def contrast(
        self, z: Float[Tensor, "b 2 d"], target: Float[Tensor, "b 2 d"], video: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        queries = normalize(z.flatten(0, 1), dim=1)
        keys = normalize(target, dim=2)
        owner = video.to(queries.device).repeat_interleave(2)
        positive = (queries * keys.flip(1).flatten(0, 1)).sum(1, keepdim=True)
        self.keys = torch.cat([keys.flatten(0, 1), self.keys])[:QUEUE]
        self.owners = torch.cat([owner, self.owners])[:QUEUE]
        negative = (queries @ self.keys.T).masked_fill(
            owner[:, None] == self.owners[None], -torch.inf
        )
        similarity = torch.cat([positive, negative], dim=1) / self.recipe.loss.temperature
        return cross_entropy(similarity, torch.zeros_like(owner))
