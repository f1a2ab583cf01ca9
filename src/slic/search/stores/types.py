"""What the index asks of a vector store.

A store is a derivative of the database: it knows up to which generation it has followed, is given
what changed since, and may be filled anew at any time. So it need not take part in transactions;
all it promises is that it has everything up to the generation that it tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64

Block = tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]


class Neighbours(NamedTuple):
    """The nearest moments of every query, nearest first; id -1 where there are fewer than k."""

    ids: Int64[np.ndarray, "q k"]
    similarities: Float32[np.ndarray, "q k"]


@dataclass(frozen=True)
class Change:
    """What came to the database and went from it since a generation.

    Attributes:
        generation: Of the database now.
        count: Moments in the database now.
        removed: Moments that are gone; some may have come and gone since, and be unknown.
        added: Moments that came, in blocks, with unit vectors; some may be known already.
        whole: The blocks are all there is: forget what was before.
    """

    generation: int
    count: int
    removed: Int64[np.ndarray, " r"]
    added: Iterable[Block]
    whole: bool


@runtime_checkable
class VectorStore(Protocol):
    """Nearest neighbours by cosine similarity, of unit vectors with lasting ids."""

    @property
    def generation(self) -> int | None:
        """What the store has followed up to; None when it must be filled anew."""

    def apply(self, change: Change) -> None:
        """Follow the database; doing it twice, or again after a crash, does no harm."""

    def save(self) -> None:
        """Make what was applied outlive the process, where that is not so already."""

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours:
        """Return the ``k`` nearest moments of each query."""

    def close(self) -> None:
        """Free what the store holds."""
