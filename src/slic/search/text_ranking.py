"""Ranking the hits of a text again, by a model that compares the text with the clips themselves.

An index compares the embedding of a text with those of its moments. X-CLIP makes more of it: it
adds to the text a prompt that it computes from the patches of the clip. That does not fit into one
vector per moment. So the best hits are read from their videos again, and the model orders them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from slic.errors import SearchError
from slic.models.encoder import to_input
from slic.search.index import Index
from slic.search.query import no_text_message
from slic.search.results import Hit
from slic.search.streaming import EmbeddingJob, read_moments


def rank_by_text(index: Index, hits: Sequence[Hit], text: str) -> list[Hit]:
    """Return hits in the order of the model's own similarities to a text, which become the scores.

    Each hit costs one forward pass for every clip of its best moment. Hits of other models than
    X-CLIP have that order already, and stay as they are (`VideoEncoder.text_needs_clip`).

    Args:
        index: The index.
        hits: The best hits of the text, see `slic.search.results.search`.
        text: The text.

    Raises:
        SearchError: The encoder of the index has no text tower.
        VideoError: A video cannot be read any more.

    Example:
        >>> hits = search(index, query_from_text(index, "a person falls"), k=20)
        >>> hits = rank_by_text(index, hits, "a person falls")
    """
    if not index.has_text:
        raise SearchError(no_text_message(index))
    if not index.encoder.text_needs_clip:
        return list(hits)
    scored = [replace(hit, score=_similarity(index, hit, text)) for hit in hits]
    return sorted(scored, key=lambda hit: (-hit.score, hit.moment_id))


def _similarity(index: Index, hit: Hit, text: str) -> float:
    """Return the mean similarity of the clips of a hit's best moment, by their weights."""
    (moment,) = index.moments([hit.moment_id])
    video = index.video(hit.video_id).video
    job = EmbeddingJob(hit.video_id, video, index.cut(video), np.array([moment.number]))
    (found,) = read_moments(job, index.clip)
    encoder = index.encoder
    device = next(encoder.parameters()).device
    similarities = encoder.text_similarities(to_input(found.clips.to(device)), [text])[:, 0]
    weights = found.weights.to(similarities)
    return float((similarities * weights).sum() / weights.sum())
