"""Embedding of uploaded query videos and of texts, in the worker process that keeps the encoder."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from slic.errors import SearchError, VideoError
from slic.search import Index, query_from_video
from slic.search.query import embed_texts
from slic.videos.video import Video


@lru_cache(maxsize=1)
def _open_index(folder: Path) -> Index:
    return Index.open(folder)


def preload_encoder(folder: Path) -> None:
    """Load the encoder of an index, so that the first query does not wait for it.

    Raises:
        CheckpointError: The files of the encoder are damaged.
        SearchError: There is no index, or its encoder was replaced by another one.
    """
    _ = _open_index(folder).encoder


def embed_upload(
    folder: Path, video: Video, start_seconds: float, end_seconds: float
) -> Float32[np.ndarray, "w d"]:
    """Return the query vectors of a span of an uploaded video.

    Args:
        folder: The index, whose encoder and windows are used.
        video: The uploaded video.
        start_seconds: Start of the span from the start of the video.
        end_seconds: End of the span.

    Returns:
        Unit embeddings, one for each window of the span.

    Raises:
        SearchError: The span is empty or too long. The message does not contain the path.
        VideoError: A frame cannot be decoded.
    """
    try:
        query = query_from_video(
            _open_index(folder), video, start_seconds=start_seconds, end_seconds=end_seconds
        )
    except (SearchError, VideoError) as error:
        message = str(error).replace(f"{video.path}: ", "The uploaded video: ")
        raise type(error)(message) from None
    return query.vectors


def embed_text(folder: Path, text: str) -> Float32[np.ndarray, " e"]:
    """Return the unit embedding of a text.

    Args:
        folder: The index, whose encoder is used.
        text: The text.

    Raises:
        SearchError: The encoder has no text tower.
    """
    return np.asarray(embed_texts(_open_index(folder), [text])[0])
