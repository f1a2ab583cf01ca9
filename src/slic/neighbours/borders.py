"""Which inverted lists a row is compared with, besides its own.

Let a row x be in the list with centre a, and let y be the nearest row found so far. Rows nearer to
another centre b than to a lie beyond the plane halfway between a and b, which is
``(x.a - x.b) / |a - b|`` away from x. Where that is much, beside ``|x - y|``, the other list hardly
ever has a nearer row. The ratio is the *remoteness* of the list from x.

Where many lists in a row are too remote, those behind them are not looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64

from slic.neighbours.exact import NearestRows
from slic.neighbours.lists import Fineness, divide
from slic.neighbours.rows import unit_rows
from slic.neighbours.sharded import in_threads

CANDIDATE_LISTS = 512
LISTS_AT_ONCE = 128
LEAST_LENGTH = 1e-4  # of a difference of unit rows in single precision
MAX_ALL_COMPARED = 16_384  # so many centres are all compared with each other
COMPARED_CENTRES = 8192  # more than so many are not
GROUPS = Fineness(64, branches=2048, steps=4)  # of centres


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
        beside = beside_each(centres, CANDIDATE_LISTS)
        return cls(centres, beside.indices, _lengths(beside.similarities))

    def remoteness(
        self,
        rows: Float32[np.ndarray, "m d"],
        one_list: int,
        similarity: Float32[np.ndarray, " m"],
    ) -> Float32[np.ndarray, "m c"]:
        """Return how remote the lists beside a list are from rows of that list.

        A list counts as at least as remote as the nearest of each `LISTS_AT_ONCE` before its own.

        Args:
            rows: Unit rows.
            one_list: Their list.
            similarity: Similarity to the nearest row found so far; -inf if there is none.
        """
        parts, least = [], np.full((len(rows), 1), -np.inf, np.float32)
        for some in self._parts():
            parts.append(np.maximum(self._remoteness(rows, one_list, similarity, some), least))
            least = np.maximum(least, parts[-1].min(axis=1, keepdims=True))
        return np.concatenate(parts, axis=1)

    def near(
        self,
        rows: Float32[np.ndarray, "m d"],
        one_list: int,
        similarity: Float32[np.ndarray, " m"],
        limit: float,
    ) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
        """Return pairs of a row, by position, and a list: where the remoteness is up to a limit.

        Most rows are not compared with all lists beside theirs, which saves time.
        """
        left, pairs = np.arange(len(rows)), []
        for some in self._parts():
            near = self._remoteness(rows[left], one_list, similarity[left], some) <= limit
            row, other = near.nonzero()
            pairs.append((left[row], self.beside[one_list, some][other]))
            left = left[near.any(axis=1)]
            if len(left) == 0:
                break
        row, other = (np.concatenate(part) for part in zip(*pairs, strict=True))
        return row, other

    def _parts(self) -> Iterator[slice]:
        return (
            slice(start, start + LISTS_AT_ONCE)
            for start in range(0, self.beside.shape[1], LISTS_AT_ONCE)
        )

    def _remoteness(
        self,
        rows: Float32[np.ndarray, "m d"],
        one_list: int,
        similarity: Float32[np.ndarray, " m"],
        some: slice,
    ) -> Float32[np.ndarray, "m c"]:
        own = rows @ self.centres[one_list]
        others = rows @ self.centres[self.beside[one_list, some]].T
        apart = self.width[one_list, some] * _lengths(similarity)[:, None]
        remoteness: Float32[np.ndarray, "m c"] = (own[:, None] - others) / apart
        return remoteness


def _lengths(similarity: Float32[np.ndarray, "*n"]) -> Float32[np.ndarray, "*n"]:
    """Return the distances between unit rows."""
    squares = 2.0 - 2.0 * np.maximum(similarity, np.float32(-1.0))
    lengths: Float32[np.ndarray, "*n"] = np.sqrt(np.maximum(squares, LEAST_LENGTH**2))
    return lengths


def beside_each(centres: Float32[np.ndarray, "k d"], count: int) -> NearestRows:
    """Return the most similar other centres of every centre, nearest first.

    Of more than `MAX_ALL_COMPARED` centres, each is compared with some `COMPARED_CENTRES`, those of
    the nearest groups. Then some 998 of 1,000 are found.

    Args:
        centres: Unit rows.
        count: How many; all others if there are fewer.
    """
    count = min(count, len(centres) - 1)
    found = NearestRows(
        np.empty((len(centres), count), np.int64), np.empty((len(centres), count), np.float32)
    )
    groups = divide(centres, np.arange(len(centres)), GROUPS, seed=0)
    means = unit_rows(np.stack([centres[group].mean(axis=0) for group in groups]))
    near = np.argsort(-(means @ means.T), axis=1, kind="stable")
    sizes = np.array([len(group) for group in groups])
    compared = len(centres) if len(centres) <= MAX_ALL_COMPARED else COMPARED_CENTRES
    enough = (np.cumsum(sizes[near], axis=1) < compared).sum(axis=1) + 1

    def compare(one: tuple[Int64[np.ndarray, " g"], Int64[np.ndarray, " h"], int]) -> None:
        mine, nearest_groups, groups_compared = one
        others = np.concatenate([groups[g] for g in nearest_groups[:groups_compared].tolist()])
        similarity = torch.from_numpy(centres[mine]) @ torch.from_numpy(centres[others]).T
        similarity[torch.from_numpy(mine[:, None] == others)] = -torch.inf
        top = similarity.topk(count, dim=1)
        found.indices[mine] = others[top.indices.numpy()]
        found.similarities[mine] = top.values.numpy()

    list(in_threads(compare, zip(groups, near, enough.tolist(), strict=True)))
    return found
