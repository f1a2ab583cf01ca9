"""The moments of an index and their embeddings as a table for other tools."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from slic.embeddings.tables import EmbeddingRows, write_table
from slic.search.index import Index
from slic.search.repository.moments import ROWS_PER_QUERY


def export_embeddings(index: Index, path: Path) -> int:
    """Write a row for each moment: ``id``, ``start_seconds``, ``end_seconds``, ``embedding``.

    The id is the path of the video, as searches show it. The parts of a vector have length 1.

    Args:
        index: The index.
        path: A Parquet file (``.parquet``), or else a NumPy archive.

    Returns:
        The number of moments.

    Raises:
        WriteError: The file cannot be written.

    Example:
        >>> export_embeddings(index, Path("moments.parquet"))
        >>> pandas.read_parquet("moments.parquet")
    """
    settings = index.settings
    about = {"encoder": settings.encoder, "vectors": dict(settings.vectors)}
    return write_table(path, _moment_rows(index), size=settings.dimension, about=about)


def _moment_rows(index: Index) -> Iterator[EmbeddingRows]:
    ids = index.ids()
    for first in range(0, len(ids), ROWS_PER_QUERY):
        part = ids[first : first + ROWS_PER_QUERY]
        moments = index.moments(part)
        start = np.array([moment.start_seconds for moment in moments])
        end = np.array([moment.end_seconds for moment in moments])
        yield EmbeddingRows([moment.path for moment in moments], start, end, index.vectors(part))
