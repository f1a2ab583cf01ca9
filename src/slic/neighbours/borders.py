"""Which inverted lists a row is compared with, besides its own.

Let a row x be in the list with centre a, and let y be the nearest row found so far. Rows nearer to
another centre b than to a lie beyond the plane halfway between a and b, which is
``(x.a - x.b) / |a - b|`` away from x. Where that is much, beside ``|x - y|``, the other list hardly
ever has a nearer row. The ratio is the *remoteness* of the list from x.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64

CANDIDATE_LISTS = 64
LEAST_LENGTH = 1e-4  # of a difference of unit rows in single precision
BLOCK_CENTRES = 512


@dataclass(frozen=True)
class Borders:
    """The lists with the most similar centres, for every list.

    Attributes:
        centres: The mean direction of every list.
        beside: The most similar lists, nearest first, without the list itself.
        width: Distances to their centres.
    """

    centres: Float32[np.ndarray, "k d"]
    beside: Int64[np.ndarray, "k c"]
    width: Float32[np.ndarray, "k c"]

    @classmethod
    def of(cls, centres: Float32[np.ndarray, "k d"]) -> "Borders":
        """Find the most similar centres of every centre."""
        others, count = torch.from_numpy(centres), min(CANDIDATE_LISTS, len(centres) - 1)
        beside = np.empty((len(centres), count), np.int64)
        width = np.empty((len(centres), count), np.float32)
        for start in range(0, len(centres), BLOCK_CENTRES):
            part = slice(start, start + BLOCK_CENTRES)
            similarity = others[part] @ others.T
            similarity[:, part].fill_diagonal_(-torch.inf)
            top = similarity.topk(count, dim=1)
            beside[part] = top.indices.numpy()
            width[part] = _lengths(top.values.numpy())
        return cls(centres, beside, width)

    def remoteness(
        self,
        rows: Float32[np.ndarray, "m d"],
        one_list: int,
        similarity: Float32[np.ndarray, " m"],
    ) -> Float32[np.ndarray, "m c"]:
        """Return the remoteness of the lists beside a list from rows of that list.

        Args:
            rows: Unit rows.
            one_list: Their list.
            similarity: Similarity to the nearest row found so far; -inf if there is none.
        """
        own = rows @ self.centres[one_list]
        others = rows @ self.centres[self.beside[one_list]].T
        apart = self.width[one_list] * _lengths(similarity)[:, None]
        remoteness: Float32[np.ndarray, "m c"] = (own[:, None] - others) / apart
        return remoteness


def _lengths(similarity: Float32[np.ndarray, "*n"]) -> Float32[np.ndarray, "*n"]:
    """Return the distances between unit rows."""
    squares = 2.0 - 2.0 * np.maximum(similarity, np.float32(-1.0))
    lengths: Float32[np.ndarray, "*n"] = np.sqrt(np.maximum(squares, LEAST_LENGTH**2))
    return lengths
