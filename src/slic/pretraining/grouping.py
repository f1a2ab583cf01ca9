"""Groups of a batch: loss and batch norm of each group apart, as on one GPU of the authors.

The groups are slices of the global batch, so their number of processes does not matter.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from slic.errors import RecipeError
from slic.models.recompute import statistics_kept
from slic.pretraining.objective import LossTerms, Objective, mean_terms


@dataclass(frozen=True)
class GroupedObjective:
    """The mean of an objective over the groups of a batch; negatives come from the same group.

    Args:
        objective: The loss of one group.
        groups: Number of groups.
    """

    objective: Objective
    groups: int

    def __call__(
        self,
        views: Float[Tensor, "b views d"],
        labels: Int[Tensor, "b 2 v"],
        generator: Generator,
    ) -> LossTerms:
        """Return the mean of each term over the groups; see `Objective`."""
        parts = zip(views.chunk(self.groups), labels.chunk(self.groups), strict=True)
        return mean_terms(self.objective(*part, generator) for part in parts)


class EmbedInGroups(nn.Module):
    """An encoder that embeds each group of a batch in a forward pass of its own.

    Batch norm then normalises each group alone. Its running statistics follow the first group, as
    with one group per process, where all processes take the statistics of the first process.

    Args:
        encoder: The encoder.
        groups: Number of groups, at least 2.
    """

    def __init__(self, encoder: nn.Module, groups: int) -> None:
        super().__init__()
        self.encoder, self.groups = encoder, groups

    def forward(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b d"]:
        """Return the embeddings of clips, whose number is a multiple of that of the groups."""
        first, *others = clips.chunk(self.groups)
        embeddings = [self.encoder(first)]
        with statistics_kept(self.encoder):
            embeddings += [self.encoder(group) for group in others]
        return torch.cat(embeddings)


def groups_of_process(groups: int, processes: int) -> int:
    """Return how many groups one process embeds; 1 where the batch is not split.

    Raises:
        RecipeError: The processes cannot have equally many groups.
    """
    if groups > 1 and groups % processes:
        raise RecipeError(
            f"train.groups is {groups}, but {processes} processes take part. Give 1 or a multiple "
            "of the processes, or start a number of processes that divides it."
        )
    return max(1, groups // processes)
