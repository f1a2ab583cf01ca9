"""Observers see pseudo-labels beside ground truth. Training gets nothing back from them."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Observer(Protocol):
    """Sees the pseudo-labels of every round, and cannot change them."""

    def clustered(self, ids: Sequence[str], pseudo_labels: Sequence[int]) -> Mapping[str, float]:
        """Return numbers to log beside the round, such as its agreement with labels.

        Args:
            ids: The training videos.
            pseudo_labels: One pseudo-label for each of them.
        """
        ...
