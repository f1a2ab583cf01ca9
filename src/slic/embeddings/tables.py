"""Embeddings as tables for other tools: a Parquet file, or arrays in a NumPy archive."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Float32

from slic.clips.fixed_rate import frame_count, frame_edges
from slic.clips.spans import evenly_spaced_spans
from slic.embeddings.stored import Embeddings
from slic.files import atomic_path
from slic.models.backbones import ClipSpec
from slic.videos.catalog import Catalog
from slic.videos.video import Video

TABLE_FORMAT: Final = 1
"""Version of the tables, in their description."""
DESCRIPTION_KEY: Final = "slic"
"""Key of the description in the metadata of a Parquet file, and its name in a NumPy archive."""


class EmbeddingRows(NamedTuple):
    """Rows of a table, one per clip or moment.

    Attributes:
        id: The video of each row.
        start_seconds: When the clip or moment starts, by presentation time.
        end_seconds: When its last frame ends.
        embedding: Its vector.
    """

    id: list[str]
    start_seconds: Float[np.ndarray, " n"]
    end_seconds: Float[np.ndarray, " n"]
    embedding: Float32[np.ndarray, "n d"]


def is_table(path: Path) -> bool:
    """Return whether the suffix of a path stands for a Parquet file."""
    return path.suffix.lower() in (".parquet", ".pq")


def write_table(
    path: Path, blocks: Iterable[EmbeddingRows], *, size: int, about: Mapping[str, Any]
) -> int:
    """Write rows as a Parquet file (``.parquet`` or ``.pq``), or else as a NumPy archive.

    The columns, or arrays, are ``id``, ``start_seconds``, ``end_seconds`` and ``embedding``.

    Args:
        path: The file.
        blocks: The rows. A Parquet file is written block by block, so that they need not fit
            into memory.
        size: Length of an embedding.
        about: What the reader should know, as plain values; it is kept as JSON text.

    Returns:
        The number of rows.

    Raises:
        WriteError: The file cannot be written.
    """
    text = json.dumps({"format": TABLE_FORMAT, **about})
    write = _write_parquet if is_table(path) else _write_arrays
    with atomic_path(path) as temporary:
        return write(temporary, blocks, size, text)


def write_clip_table(
    path: Path, embeddings: Embeddings, catalog: Catalog, clip: ClipSpec, **about: Any
) -> int:
    """Write the embeddings of evenly spaced clips as a table; see `write_table`.

    Args:
        path: The file.
        embeddings: What `slic.embeddings.embed` returned for a number of clips.
        catalog: The videos.
        clip: The clips of the encoder.
        **about: What else to say about them.

    Returns:
        The number of rows, one per clip.
    """
    facts = {name: getattr(embeddings, name) for name in ("encoder", "layer", "modality")}
    size = embeddings.clips.shape[2]
    blocks = _clip_rows(embeddings, catalog, clip)
    return write_table(path, blocks, size=size, about=facts | about)


def clip_seconds(video: Video, count: int, clip: ClipSpec) -> Float[np.ndarray, "{count} 2"]:
    """Return when the evenly spaced clips of a video start, and when their last frames end."""
    total, edges = frame_count(video, clip.fps), frame_edges(video, clip.fps)
    spans = evenly_spaced_spans(total, count, frames=clip.frames, stride=clip.stride)
    last = np.minimum(spans[:, -1], total - 1)  # a short video repeats its last frame
    seconds: Float[np.ndarray, "{count} 2"] = np.stack([edges[spans[:, 0]], edges[last + 1]], 1)
    return seconds


def _clip_rows(embeddings: Embeddings, catalog: Catalog, clip: ClipSpec) -> Iterator[EmbeddingRows]:
    for video, vectors in zip(catalog, embeddings.clips, strict=True):
        start, end = clip_seconds(video, len(vectors), clip).T
        yield EmbeddingRows([video.id] * len(vectors), start, end, vectors)


def _write_parquet(path: Path, blocks: Iterable[EmbeddingRows], size: int, about: str) -> int:
    columns = {"id": pa.string(), "start_seconds": pa.float64(), "end_seconds": pa.float64()}
    schema = pa.schema(
        columns | {"embedding": pa.list_(pa.float32(), size)}, metadata={DESCRIPTION_KEY: about}
    )
    count = 0
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        for rows in _merged(blocks):
            flat = pa.array(rows.embedding.reshape(-1), pa.float32())
            vectors = pa.FixedSizeListArray.from_arrays(flat, size)
            writer.write_table(
                pa.Table.from_arrays([*map(pa.array, rows[:3]), vectors], schema=schema)
            )
            count += len(rows.id)
    return count


def _write_arrays(path: Path, blocks: Iterable[EmbeddingRows], size: int, about: str) -> int:
    no_time = np.empty(0)
    none = EmbeddingRows([], no_time, no_time, np.empty((0, size), np.float32))
    rows = _joined([none, *blocks])
    arrays = rows._asdict() | {"id": np.array(rows.id, dtype=str), DESCRIPTION_KEY: about}
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return len(rows.id)


def _merged(blocks: Iterable[EmbeddingRows], least: int = 8192) -> Iterator[EmbeddingRows]:
    """Join small blocks: a group of rows in a Parquet file has an overhead."""
    held: list[EmbeddingRows] = []
    for rows in blocks:
        held.append(rows)
        if sum(len(block.id) for block in held) >= least:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(blocks: list[EmbeddingRows]) -> EmbeddingRows:
    ids, *arrays = zip(*blocks, strict=True)
    return EmbeddingRows([i for part in ids for i in part], *map(np.concatenate, arrays))
