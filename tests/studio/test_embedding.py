"""An uploaded video is embedded as the index embeds videos, and errors hide its path."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import IndexedVideo, query_from_video
from slic.studio.embedding import embed_upload, preload_encoder
from slic.studio.state import Studio


def test_the_vectors_are_those_of_the_query(
    studio: Studio, video_of: Callable[[str], IndexedVideo]
) -> None:
    video = video_of("jump").video
    preload_encoder(studio.index.path)
    vectors = embed_upload(studio.index.path, video, 0.5, 2.5)
    query = query_from_video(studio.index, video, start_seconds=0.5, end_seconds=2.5)
    assert np.array_equal(vectors, query.vectors)


def test_an_error_does_not_contain_the_path(
    studio: Studio, video_of: Callable[[str], IndexedVideo]
) -> None:
    video = video_of("jump").video
    with pytest.raises(SearchError, match=r"^The uploaded video: ") as caught:
        embed_upload(studio.index.path, video, 2.9, 2.9)
    assert str(video.path) not in str(caught.value)
