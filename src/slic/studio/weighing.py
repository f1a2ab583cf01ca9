"""Which weights the parts of a vector have in a search, unless the user sets them."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from slic.errors import LabelError
from slic.search import Query, choose_weights, choose_weights_by_labels
from slic.search.parts import present_parts
from slic.search.weighting import AUTOMATIC_LABELS, AUTOMATIC_LIKES
from slic.studio.state import Studio

WeightSource = Literal["you", "likes", "labels", "equal"]


class Weighing(NamedTuple):
    """Weights of the parts of a vector, and what set them.

    Attributes:
        weights: The weights; None weights all parts equally.
        source: ``"you"`` for the user, ``"equal"`` where neither likes nor labels say anything.
    """

    weights: dict[str, float] | None
    source: WeightSource


def weigh(
    studio: Studio,
    query: Query,
    like: Sequence[Query],
    unlike: Sequence[Query],
    *,
    has_text: bool,
) -> Weighing:
    """Return the weights that follow from the likes, else from the labels, else equal ones.

    Beside a text, weights are equal: likes and labels do not tell how much words should count.

    Args:
        studio: The studio.
        query: What is searched for.
        like: Queries of the liked examples.
        unlike: Queries of the unliked examples.
        has_text: Whether the query has a text.
    """
    index = studio.index
    if has_text or len(index.parts) < 2:
        return Weighing(None, "equal")
    if len(like) >= AUTOMATIC_LIKES:
        return Weighing(choose_weights(index, like, unlike, ids=studio.shuffled_ids()), "likes")
    from_labels = studio.cached("weights from labels", lambda: _weights_from_labels(studio))
    present = present_parts(query.vectors, query.parts)
    if from_labels is None or not any(from_labels[part] > 0 for part in present):
        return Weighing(None, "equal")
    return Weighing(from_labels, "labels")


def _weights_from_labels(studio: Studio) -> dict[str, float] | None:
    """Return the weights that the labels give; None if there are too few."""
    try:
        return choose_weights_by_labels(studio.index, least=AUTOMATIC_LABELS)
    except LabelError:
        return None
