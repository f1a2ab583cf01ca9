"""Ranking of a gallery by cosine similarity to a query, and the ranks of its matches."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.errors import EmbeddingsError
from slic.neighbours.exact import MAX_BLOCK_SIMILARITIES, NearestRows, nearest_rows
from slic.neighbours.rows import centred, unit_rows


def rank(
    queries: Float[np.ndarray, "q ... d"],
    gallery: Float[np.ndarray, "n ... d"],
    k: int,
    *,
    centre: bool = False,
) -> NearestRows:
    """Return the ``k`` gallery videos of greatest cosine similarity for every query.

    Args:
        queries: One embedding per video, or one per clip; clips are averaged.
        gallery: As ``queries``.
        k: Videos per query; the whole gallery if it has fewer.
        centre: Subtract the queries' mean from the queries and the gallery's from the gallery.

    Raises:
        EmbeddingsError: A side is empty, or an embedding is not finite.

    Example:
        >>> rank(query.clips, gallery.clips, 5).indices[0]
        array([12,  3, 44,  8, 31])
    """
    query, other = (video_vectors(side, centre=centre) for side in (queries, gallery))
    return nearest_rows(query, other, k)


def similarity_rows(
    queries: Float[np.ndarray, "q ... d"], gallery: Float[np.ndarray, "n ... d"], *, centre: bool
) -> Iterator[Float32[np.ndarray, " n"]]:
    """Yield the cosine similarities to the whole gallery, one query at a time; see `rank`."""
    query, other = (video_vectors(side, centre=centre) for side in (queries, gallery))
    at_once = max(1, MAX_BLOCK_SIMILARITIES // len(other))
    for start in range(0, len(query), at_once):
        yield from query[start : start + at_once] @ other.T


def video_vectors(
    embeddings: Float[np.ndarray, "n ... d"], *, centre: bool
) -> Float32[np.ndarray, "n d"]:
    """Return one unit vector per video: the mean over its clips, centred if asked.

    Args:
        embeddings: Axes between the first and the last are clips, which are averaged as they are,
            before any scaling to unit length.
        centre: Subtract the mean vector of these videos.

    Raises:
        EmbeddingsError: There is no video, or an embedding is not finite.
    """
    if embeddings.size == 0:
        raise EmbeddingsError(
            f"retrieval needs at least one video on each side, got {embeddings.shape}."
        )
    clips = embeddings.reshape(len(embeddings), -1, embeddings.shape[-1])
    vectors: Float32[np.ndarray, "n d"] = clips.mean(axis=1, dtype=np.float32)
    vectors = centred(vectors) if centre else vectors
    return unit_rows(vectors, out=vectors)


def first_match_rank(row: Float32[np.ndarray, " n"], matches: Int[np.ndarray, " m"]) -> int:
    """Return the rank of the best match, from 1; equal similarities rank in gallery order.

    It counts the videos ahead of the match, which is faster than a sort.

    Args:
        row: Similarities of one query to the gallery.
        matches: Positions of the matches in the gallery, ascending, at least one.
    """
    best = matches[row[matches].argmax()]  # the first of equal ones
    ahead = np.count_nonzero(row > row[best]) + np.count_nonzero(row[:best] == row[best])
    return int(ahead) + 1


def match_ranks(
    row: Float32[np.ndarray, " n"], matches: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " m"]:
    """Return the ranks of all matches, from 1, ascending; equal similarities in gallery order.

    Values are sorted without their positions, in a third of the time. Positions matter only if a
    match has exactly the similarity of a video that is no match; then the full ranking is made.

    Args:
        row: Similarities of one query to the gallery.
        matches: Positions of the matches in the gallery, ascending, at least one.
    """
    value = -np.sort(-row[matches])
    ascending = np.sort(row)
    ahead = len(row) - np.searchsorted(ascending, value, side="right")
    first_equal = np.searchsorted(-value, -value, side="left")
    equal_matches = np.searchsorted(-value, -value, side="right") - first_equal
    equal = len(row) - ahead - np.searchsorted(ascending, value, side="left")
    if (equal > equal_matches).any():
        places: Int[np.ndarray, " n"] = np.argsort(-row, kind="stable")
        return np.flatnonzero(np.isin(places, matches)) + 1
    return np.asarray(ahead + 1 + np.arange(len(value)) - first_equal)
