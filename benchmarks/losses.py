"""Mining, triplet loss and backward of one batch, against loops and pytorch-metric-learning.

The loops are plain Python over pairs. pytorch-metric-learning's `TripletMarginMiner` takes every
violating negative of a pair instead of one at random. They take turns on one thread; CPU time,
medians of 7. Run ``python benchmarks/losses.py``.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator, Tensor

import targets
from slic.losses.base import cosine_distances
from slic.losses.triplet import mine_triplets, triplet_loss
from targets import Target

EMBEDDINGS, WIDTH, CLUSTERS, MARGIN, RUNS = 2 * 104, 128, 30, 0.2, 7


def ours(z: Tensor, label: Tensor, generator: Generator) -> Tensor:
    distance = cosine_distances(z)
    mined = mine_triplets(distance, label, margin=MARGIN, rule="violating", generator=generator)
    return triplet_loss(distance, mined, margin=MARGIN)


Loss = Callable[[Tensor, Tensor, Generator], Tensor]


def loops(z: Tensor, label: Tensor, generator: Generator) -> Tensor:
    """Loop over the pairs; only the distances are one matrix product."""
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


def metric_learning() -> Loss:
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import TripletMarginMiner

    miner = TripletMarginMiner(margin=MARGIN, distance=CosineSimilarity())
    loss = TripletMarginLoss(margin=MARGIN, distance=CosineSimilarity())
    return lambda z, label, _: loss(z, label, miner(z, label))


PEERS: dict[str, Callable[[], Loss]] = {
    "loops over pairs": lambda: loops,
    "pytorch-metric-learning": metric_learning,
}
BOUNDS = {"loops over pairs": 10.0, "pytorch-metric-learning": 1.0}


def milliseconds(losses: dict[str, Loss]) -> dict[str, float]:
    """Return the median CPU time of each. The first turn is a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in losses}
    for run in range(RUNS + 1):
        for name, loss in losses.items():
            generator = Generator().manual_seed(run)
            z = torch.randn(EMBEDDINGS, WIDTH, generator=generator, requires_grad=True)
            label = torch.randint(0, CLUSTERS, (EMBEDDINGS,), generator=generator)
            start = time.process_time()
            torch.autograd.grad(loss(z, label, generator), z)
            times[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)  # more threads are slower on small matrices
    peers, missing = targets.importable(PEERS)
    took = milliseconds({"slic": ours, **peers})
    print(f"loss, mining and backward at {EMBEDDINGS} embeddings, median of {RUNS} runs:")
    for name, taken in took.items():
        print(f"  {name:24}{taken:8.2f} CPU-ms ({taken / took['slic']:.1f} x)")
    rows = [targets.not_run(f"mining and loss, {name}", why) for name, why in missing.items()]
    rows += [
        Target(
            name=f"mining and loss against {name}",
            ours=f"{took['slic']:.1f} CPU-ms at {EMBEDDINGS} embeddings",
            peer=f"{took[name]:.1f}",
            value=took[name] / took["slic"],
            bound=BOUNDS[name],
            at_least=True,
        )
        for name in peers
    ]
    targets.append(rows, options.targets)


if __name__ == "__main__":
    main()
