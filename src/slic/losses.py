"""The losses of SLIC: mined triplets, multi-positive InfoNCE, and temporal discrimination.

They compute in float32 (or float64, when given that), also under autocast: near a distance of 1,
the margin of 0.04 is ten steps of bf16.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.functional import cosine_similarity, normalize, relu

NegativeRule = Literal["violating", "semi-hard"]
AverageOver = Literal["pairs", "active"]


class Triplets(NamedTuple):
    """The triplets of a batch, as matrices over its ordered pairs (anchor, positive).

    A list of triplets would be as long as the batch happens to have some, and a GPU would have to
    be waited for to know how long.
    """

    negative: Int[Tensor, "n n"]
    """Position of the pair's negative; without meaning where the pair is not active."""
    active: Bool[Tensor, "n n"]
    """Whether the pair is positive and has a lawful negative."""
    positive: Bool[Tensor, "n n"]
    """Whether the pair is positive."""


class InfoNCE(NamedTuple):
    """The loss, and how many entries of the batch had no positive and did not count."""

    loss: Float[Tensor, ""]
    left_out: Int[Tensor, ""]


def cosine_distances(z: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Return 1 - cosine similarity of every pair of rows; 0 is equal, 2 is opposite."""
    return 1.0 - _cosine_similarities(z)


@torch.no_grad()
def mine_triplets(
    distance: Float[Tensor, "n n"],
    pseudo_label: Int[Tensor, " n"],
    *,
    margin: float,
    rule: NegativeRule,
    generator: Generator,
) -> Triplets:
    """Draw one negative for every ordered positive pair of the batch that has a lawful one.

    With every row's negatives sorted by distance, the lawful ones of a pair are a stretch of its
    anchor's row: memory is n², not pairs x n, and the draw is one number per pair. Nothing waits
    for the device.

    Args:
        distance: Distances between the clips of the batch.
        pseudo_label: Clips with equal pseudo-labels are positives of each other.
        margin: How much farther than the positive a negative should be.
        rule: ``"violating"`` allows every negative nearer than ``d(a, p) + margin`` (the paper);
            ``"semi-hard"`` also asks that it be farther than the positive.
        generator: Source of the draw, on the device of ``distance``.
    """
    same = pseudo_label[:, None] == pseudo_label[None, :]
    nearest_first, order = distance.masked_fill(same, torch.inf).sort(dim=1)
    end = torch.searchsorted(nearest_first, distance + margin)
    start = torch.zeros_like(end)
    if rule == "semi-hard":
        start = torch.searchsorted(nearest_first, distance, right=True)
    count = end - start
    draw = torch.rand(distance.shape, generator=generator, device=distance.device)
    # float32 can round draw * count up to count; pairs without a lawful negative would get -1
    rank = (start + torch.minimum((draw * count).long(), count - 1)).clamp(min=0)
    positive = same & ~_diagonal(distance)
    return Triplets(order.gather(1, rank), positive & (count > 0), positive)


def triplet_loss(
    distance: Float[Tensor, "n n"],
    triplets: Triplets,
    *,
    margin: float,
    average_over: AverageOver = "pairs",
) -> Float[Tensor, ""]:
    """Return the mean of ``max(0, d(a, p) - d(a, n) + margin)`` (instance loss of the paper).

    A pair without a lawful negative has the term 0: ``"pairs"`` (the paper) counts it in the mean,
    ``"active"`` leaves it out.
    """
    to_negative = distance.gather(1, triplets.negative)
    terms = relu(distance - to_negative + margin).where(triplets.active, 0.0)
    counted = triplets.positive if average_over == "pairs" else triplets.active
    return terms.sum() / counted.sum().clamp(min=1)


def multi_positive_info_nce(
    z: Float[Tensor, "n d"], pseudo_label: Int[Tensor, " n"], *, temperature: float
) -> InfoNCE:
    """Return InfoNCE over the batch with all entries of an entry's pseudo-label as its positives.

    Supervised contrastive learning (Khosla et al. 2020, ``L_out``): the mean, over the entries that
    have a positive, of the mean over its positives of ``-log softmax`` of the cosine similarities
    to all other entries, divided by ``temperature``.
    """
    itself = _diagonal(z)
    similarity = _cosine_similarities(z) / temperature
    log_probability = similarity.masked_fill(itself, -torch.inf).log_softmax(dim=1)
    positive = (pseudo_label[:, None] == pseudo_label[None, :]) & ~itself
    positives = positive.sum(dim=1)
    total = log_probability.where(positive, 0.0).sum(dim=1)
    counted = positives > 0
    loss = -(total / positives.clamp(min=1)).sum() / counted.sum().clamp(min=1)
    return InfoNCE(loss, left_out=(~counted).sum())


def temporal_loss(
    anchor: Float[Tensor, "b d"],
    *,
    same_moment: Float[Tensor, "b d"],
    other_moment: Float[Tensor, "b d"],
    margin: float,
) -> Float[Tensor, ""]:
    """Ask that a second look at the anchor's moment be nearer to it than another moment is."""
    a, same, other = (_full_precision(z) for z in (anchor, same_moment, other_moment))
    near = 1.0 - cosine_similarity(a, same)
    far = 1.0 - cosine_similarity(a, other)
    return relu(near - far + margin).mean()


def _cosine_similarities(z: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    with torch.autocast(z.device.type, enabled=False):  # it would make the product bf16
        unit = normalize(_full_precision(z), dim=1)
        return unit @ unit.T


def _full_precision(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    return z if z.dtype == torch.float64 else z.float()


def _diagonal(rows: Float[Tensor, "n d"]) -> Bool[Tensor, "n n"]:
    return torch.eye(len(rows), dtype=torch.bool, device=rows.device)
