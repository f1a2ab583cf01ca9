"""Embedding moments from clips that are shared by several of them."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32

from slic.models.encoder import VideoEncoder
from slic.models.passes import in_passes
from slic.search.moments import mean_direction
from slic.search.streaming import MomentClips


class MomentEmbedder:
    """Embed moments, each clip once.

    It holds the embeddings of the clips of each job's last moment, because later moments may cover
    them too. So the moments of a job have to come in order; those of several jobs may interleave.

    Args:
        encoder: The encoder, on any device.

    Example:
        >>> embed = MomentEmbedder(encoder)
        >>> vectors = embed(list(read_moments(job, encoder.clip)))
    """

    def __init__(self, encoder: VideoEncoder) -> None:
        self.encoder = encoder
        self._held: dict[int, Float32[np.ndarray, "c d"]] = {}

    def __call__(self, moments: Sequence[MomentClips]) -> Float32[np.ndarray, "m d"]:
        """Return the vector of each moment, of unit parts, by one forward pass for all clips."""
        vectors = np.empty((len(moments), self.encoder.embedding_size), np.float32)
        ends = np.cumsum([len(moment.clips) for moment in moments])
        new = np.split(self._embed_clips(moments), ends[:-1]) if moments else []
        for vector, moment, embeddings in zip(vectors, moments, new, strict=True):
            held = self._held.pop(moment.job, embeddings[:0])
            covered = np.concatenate([held, embeddings])[-len(moment.weights) :]
            vector[:] = mean_direction(covered, moment.weights.numpy(), self.encoder.vectors)
            if not moment.last:
                self._held[moment.job] = covered
        return vectors

    @torch.no_grad()
    def _embed_clips(self, moments: Sequence[MomentClips]) -> Float32[np.ndarray, "c d"]:
        clips = [moment.clips for moment in moments if len(moment.clips)]
        if not clips:
            return np.empty((0, self.encoder.embedding_size), np.float32)
        device = next(self.encoder.parameters()).device
        z: Float32[np.ndarray, "c d"] = (
            in_passes(self.encoder, torch.cat(clips).to(device)).float().cpu().numpy()
        )
        return z
