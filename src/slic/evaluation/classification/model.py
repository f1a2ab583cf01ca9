"""The classifier: a backbone, dropout on its features, and one linear layer."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from slic.evaluation.classification.settings import ClassifierSettings
from slic.models.encoder import EncoderConfig, VideoEncoder


class Classifier(nn.Module):
    """Clips to class scores.

    With ``frozen`` the backbone is as it came, whatever the mode of the classifier: no gradient,
    and batch normalisation by the running statistics, which do not move either.
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
        """Return the scores before the softmax; features are dropped where a generator is given."""
        features = self.encoder.features(clips)
        if generator is not None:
            features = drop_features(features, probability=self.dropout, generator=generator)
        scores: Tensor = self.linear(features)
        return scores

    def train(self, mode: bool = True) -> "Classifier":
        """Set the mode of all that learns; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    @property
    def learner(self) -> nn.Module:
        """The part that training changes."""
        return self.linear if self.frozen else self

    def optimizer(self, settings: ClassifierSettings) -> torch.optim.Adam:
        """Return Adam over the linear layer and, unless it is frozen, the backbone."""
        groups = [{"params": list(self.linear.parameters()), "lr": settings.learning_rate}]
        if not self.frozen:
            rate = settings.backbone_learning_rate
            groups.append({"params": list(self.encoder.parameters()), "lr": rate})
        return torch.optim.Adam(groups, weight_decay=settings.weight_decay)


def without_head(encoder: VideoEncoder) -> VideoEncoder:
    """Return a copy of the backbone as an encoder whose embeddings are its features."""
    copy = VideoEncoder(replace(encoder.config, embedding=0))
    parts = encoder.state_dict().items()
    copy.load_state_dict({k: v for k, v in parts if not k.startswith("projection.")})
    return copy.train(encoder.training)


def fresh_encoder(config: EncoderConfig, *, seed: int) -> VideoEncoder:
    """Return an encoder of this architecture with random weights that depend on the seed only."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VideoEncoder(config)


def drop_features(
    features: Float[Tensor, "b f"], *, probability: float, generator: Generator
) -> Float[Tensor, "b f"]:
    """Set each feature to 0 with this probability, and scale the others so that the mean stays."""
    drawn = torch.rand(features.shape, generator=generator, device=features.device)
    return features * (drawn >= probability) / (1 - probability)
