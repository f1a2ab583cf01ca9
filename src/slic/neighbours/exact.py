"""Exact search for the most similar other row: products in blocks, none kept."""

import numpy as np
import torch
from jaxtyping import Float32, Int, Int64
from torch import Tensor

BLOCK = 1024
"""Points a side of a block of similarities: its 4 MiB stays in the processor's cache."""


def nearest_others(unit: Float32[np.ndarray, "n d"]) -> Int64[np.ndarray, " n"]:
    """Return the most similar other row of every row, the first one in a tie.

    Every block of similarities serves its rows and its columns: half of n² products.
    """
    rows, order = torch.from_numpy(unit), torch.arange(len(unit))
    best = torch.full((len(rows),), -torch.inf)
    index = torch.zeros(len(rows), dtype=torch.long)
    for start in range(0, len(rows), BLOCK):
        a = slice(start, start + BLOCK)
        for other in range(start, len(rows), BLOCK):
            b = slice(other, other + BLOCK)
            similarity = rows[a] @ rows[b].T
            if a == b:
                similarity.fill_diagonal_(-torch.inf)
            improve(best[a], index[a], similarity, order[b])
            if a != b:
                improve(best[b], index[b], similarity.T, order[a])
    return index.numpy()


def nearest_others_of(
    sampled: Int[np.ndarray, " m"], unit: Float32[np.ndarray, "n d"]
) -> Int64[np.ndarray, " m"]:
    """Return the same for a few of the rows only."""
    rows, order = torch.from_numpy(unit), torch.arange(len(unit))
    queries = rows[sampled]
    best = torch.full((len(sampled),), -torch.inf)
    index = torch.zeros(len(sampled), dtype=torch.long)
    for start in range(0, len(rows), BLOCK):
        b = slice(start, start + BLOCK)
        similarity = queries @ rows[b].T
        similarity[order[b] == torch.from_numpy(sampled)[:, None]] = -torch.inf
        improve(best, index, similarity, order[b])
    return index.numpy()


def improve(
    best: Float32[Tensor, " r"],
    index: Int64[Tensor, " r"],
    similarity: Float32[Tensor, "r c"],
    columns: Int64[Tensor, " c"],
) -> None:
    """Update every row's best similarity, and the point that has it, in place."""
    highest = similarity.amax(dim=1)
    # the maximum is quick, its position is not: look for it only where it counts
    better = (highest > best).nonzero().squeeze(1)
    best[better] = highest[better]
    position = (similarity[better] == highest[better, None]).to(torch.uint8).argmax(dim=1)
    index[better] = columns[position]
