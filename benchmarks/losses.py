"""Mining and triplet loss of one batch, against plain Python loops over pairs, in one run."""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from slic.losses import cosine_distances, mine_triplets, triplet_loss

EMBEDDINGS, WIDTH, CLUSTERS, MARGIN, RUNS = 2 * 104, 128, 30, 0.2, 7


def ours(z: Tensor, label: Tensor, generator: Generator) -> Tensor:
    distance = cosine_distances(z)
    mined = mine_triplets(distance, label, margin=MARGIN, rule="violating", generator=generator)
    return triplet_loss(distance, mined, margin=MARGIN)


def loops(z: Tensor, label: Tensor, generator: Generator) -> Tensor:
    """Take the pairs one by one, as it is often written; only the distances are one product."""
    distance, labels, terms = cosine_distances(z), label.tolist(), []
    for a in range(len(labels)):
        negatives = (label != label[a]).nonzero().squeeze(1)
        for p in range(len(labels)):
            if a == p or labels[a] != labels[p]:
                continue
            lawful = negatives[distance[a, negatives] < distance[a, p] + MARGIN]
            if len(lawful):
                n = lawful[torch.randint(len(lawful), (1,), generator=generator)].squeeze(0)
                terms.append(torch.relu(distance[a, p] - distance[a, n] + MARGIN))
            else:
                terms.append(distance[a, a] * 0.0)
    return torch.stack(terms).mean()


def seconds(loss: Callable[[Tensor, Tensor, Generator], Tensor]) -> list[float]:
    times = []
    for run in range(RUNS):
        generator = Generator().manual_seed(run)
        z = torch.randn(EMBEDDINGS, WIDTH, generator=generator, requires_grad=True)
        label = torch.randint(0, CLUSTERS, (EMBEDDINGS,), generator=generator)
        start = time.perf_counter()
        torch.autograd.grad(loss(z, label, generator), z)
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    torch.set_num_threads(1)  # as the loops use; more threads wait for each other on small matrices
    seconds(ours)  # warms up
    quick, slow = statistics.median(seconds(ours)), statistics.median(seconds(loops))
    print(f"loss, mining and backward at {EMBEDDINGS} embeddings, median of {RUNS} runs:")
    print(
        f"  slic {quick * 1e3:.2f} ms, loops over pairs {slow * 1e3:.1f} ms: {slow / quick:.0f} x"
    )
    if slow < 10 * quick:
        sys.exit("less than 10 x")


if __name__ == "__main__":
    main()
