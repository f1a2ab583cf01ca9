"""Embedding the part of a clip that is looked for; runs in the worker, which keeps the encoder."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from slic.errors import SearchError, VideoError
from slic.search import Index, query_from_video
from slic.videos.video import Video


@lru_cache(maxsize=1)
def _opened(folder: Path) -> Index:
    return Index.open(folder)


def warm_up(folder: Path) -> None:
    """Load the encoder, so that the first clip does not wait for it."""
    _ = _opened(folder).encoder


def embed_clip(
    folder: Path, video: Video, start_seconds: float, end_seconds: float
) -> Float32[np.ndarray, "w d"]:
    """Return the query vectors of a part of a clip.

    Raises:
        SearchError: The part is empty or too long.
        VideoError: A frame does not decode.
    """
    try:
        query = query_from_video(
            _opened(folder), video, start_seconds=start_seconds, end_seconds=end_seconds
        )
    except (SearchError, VideoError) as error:
        message = str(error).replace(f"{video.path}: ", "The clip: ")
        raise type(error)(message) from None
    return query.vectors
