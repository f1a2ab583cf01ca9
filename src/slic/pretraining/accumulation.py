"""Embed a batch in parts, so that a large batch fits into memory."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slic.models.recompute import recompute


class EmbedInParts(nn.Module):
    """An encoder that embeds a batch in parts and keeps the activations of one part at a time.

    The head and the loss see the features of the whole batch, so each video has all negatives. The
    backward pass computes each part again (Gao et al., arXiv 2101.06983). The gradients are those
    of the whole batch, unless the backbone has batch norm: it normalises each part on its own.

    Args:
        backbone: Clips to features.
        head: Features to embeddings; it is small, and may have batch norm.
        parts: Number of parts, at least 2.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, parts: int) -> None:
        super().__init__()
        self.backbone, self.head, self.parts = backbone, head, parts

    def forward(
        self, clips: Float[Tensor, "b 3 t h w"] | Float[Tensor, "b s"]
    ) -> Float[Tensor, "b d"]:
        """Return the embeddings of clips, or of clips by their fixed features."""
        features = [recompute(self.backbone, part) for part in clips.chunk(self.parts)]
        embeddings: Tensor = self.head(torch.cat(features))
        return embeddings
