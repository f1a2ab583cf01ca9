"""The classifier: a backbone, dropout on its features, and one linear layer."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder


class VideoClassifier(nn.Module):
    """Map clips to class scores.

    A frozen backbone never changes, in whatever mode the classifier is: it gets no gradient, and
    its batch normalisation uses the running statistics without updating them.

    Args:
        encoder: Its backbone is copied; the encoder itself is not changed.
        classes: Number of classes.
        frozen: Keep the backbone as it is and train the linear layer only.
        dropout: Probability with which a feature is set to 0 in training.
        seed: Seed of the first weights of the linear layer.
    """

    def __init__(
        self, encoder: VideoEncoder, classes: int, *, frozen: bool, dropout: float, seed: int
    ) -> None:
        super().__init__()
        self.encoder = without_head(encoder).requires_grad_(not frozen)
        self.frozen = frozen
        self.dropout = dropout
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.linear = nn.Linear(encoder.feature_size, classes)

    def forward(
        self, clips: Float[Tensor, "b 3 t h w"], generator: Generator | None = None
    ) -> Float[Tensor, "b k"]:
        """Return the class scores before the softmax.

        Args:
            clips: Clips with values in [-1, 1].
            generator: Source of the dropout; None for no dropout.
        """
        features = self.encoder.features(clips)
        if generator is not None:
            features = drop_features(features, probability=self.dropout, generator=generator)
        scores: Tensor = self.linear(features)
        return scores

    def train(self, mode: bool = True) -> "VideoClassifier":
        """Set the training mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    @property
    def trained_part(self) -> nn.Module:
        """The module that training changes."""
        return self.linear if self.frozen else self


def without_head(encoder: VideoEncoder) -> VideoEncoder:
    """Return a copy of an encoder whose embeddings are the features of its backbone."""
    copy = VideoEncoder(replace(encoder.config, head=HeadSpec(embedding=0)))
    state = encoder.state_dict().items()
    copy.load_state_dict({k: v for k, v in state if not k.startswith("head.")})
    return copy.train(encoder.training)


def random_encoder(config: EncoderConfig, *, seed: int) -> VideoEncoder:
    """Return an encoder with random weights that depend on the configuration and the seed only."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VideoEncoder(config)


def drop_features(
    features: Float[Tensor, "b f"], *, probability: float, generator: Generator
) -> Float[Tensor, "b f"]:
    """Apply inverted dropout: set features to 0 and scale the others by ``1 / (1 - p)``.

    Unlike `torch.nn.functional.dropout`, the random numbers come from the given generator. A
    resumed run can therefore repeat them.
    """
    drawn = torch.rand(features.shape, generator=generator, device=features.device)
    return features * (drawn >= probability) / (1 - probability)
