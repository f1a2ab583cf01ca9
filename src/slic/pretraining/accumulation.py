"""Embed a batch in parts, so that a large batch fits into memory."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slic.models.recompute import recompute


class EmbedInParts(nn.Module):
    """An encoder that embeds a batch in parts and keeps the activations of one part at a time.

    The loss then sees the embeddings of the whole batch, so each video has all negatives, and the
    backward pass computes each part again (Gao et al., arXiv 2101.06983). Without batch norm, the
    gradients are those of the whole batch. With it, each part is normalised on its own.

    Args:
        encoder: The encoder.
        parts: Number of parts, at least 2.
    """

    def __init__(self, encoder: nn.Module, parts: int) -> None:
        super().__init__()
        self.encoder, self.parts = encoder, parts

    def forward(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b d"]:
        """Return the embeddings of clips."""
        return torch.cat([recompute(self.encoder, part) for part in clips.chunk(self.parts)])
