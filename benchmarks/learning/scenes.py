"""Two remedies against learning the scene: backgrounds mixed in, and still clips as negatives.

Both are the product's loop with other clips in a batch; all else is as in the row of a recipe. The
first is after Wang et al. 2021, who take a frame of the same video.
"""

from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Generator, Tensor, nn

from learning.training import StoredRun
from slic.clips.datasets import TripletSample
from slic.pretraining.objective import LossTerms

MIXED = 0.3  # at most so much of a positive is a frame of another video
STILL = 16  # still clips beside the pairs of a batch


def with_background(
    clips: UInt8[Tensor, "n t h w 3"], generator: Generator
) -> UInt8[Tensor, "n t h w 3"]:
    """Lay a frame of another clip over all frames of each, with a weight of up to ``MIXED``."""
    n, t = clips.shape[:2]
    other = (torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n
    background = clips[other, torch.randint(t, (n,), generator=generator), None]
    weight = MIXED * torch.rand(n, 1, 1, 1, 1, generator=generator)
    return torch.lerp(clips.float(), background.float(), weight).round().byte()


def still(clips: UInt8[Tensor, "n t h w 3"], generator: Generator) -> UInt8[Tensor, "m t h w 3"]:
    """Return up to ``STILL`` clips that show one frame each, of different clips."""
    n, t = clips.shape[:2]
    chosen = torch.randperm(n, generator=generator)[:STILL]
    frame = clips[chosen, torch.randint(t, (len(chosen),), generator=generator), None]
    return frame.expand(-1, t, -1, -1, -1)


@dataclass(kw_only=True)
class BackgroundRun(StoredRun):
    """The positives have a frame of another video laid over them: it must not matter."""

    def losses(self, model: nn.Module, samples: TripletSample) -> LossTerms:
        anchor, positive = samples.clips.unbind(1)
        mixed = with_background(positive, self.generator(positive.device))
        return super().losses(model, samples._replace(clips=torch.stack([anchor, mixed], 1)))


@dataclass(kw_only=True)
class StillRun(StoredRun):
    """Still clips of the batch are negatives of every pair: what does not move must not do."""

    def losses(self, model: nn.Module, samples: TripletSample) -> LossTerms:
        assert self.pseudo_labels is not None
        pairs = samples.clips.flatten(0, 1)
        negatives = still(samples.clips[:, 0], self.generator(pairs.device))
        self.clips_trained += len(pairs) + len(negatives)
        z = self.embedded(model, torch.cat([pairs, negatives]))
        label = torch.as_tensor(self.pseudo_labels.labels)[samples.video].repeat_interleave(2)
        alone = -1 - torch.arange(len(negatives))  # a label of its own: no pair of the loss
        term = self.instance(z, torch.cat([label, alone]).to(z.device), self.generator(z.device))
        unit = nn.functional.normalize(z.detach(), dim=1)
        return LossTerms(
            total=term.loss,
            instance=term.loss.detach(),
            temporal=term.loss.new_zeros(()),
            active=term.active,
            spread=1 - unit.mean(0).square().sum(),
        )
