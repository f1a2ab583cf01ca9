"""Views of the training videos that are computed once and used in every epoch.

Where a backbone begins with a fixed function, such as optical flow, nearly all time goes there. It
is then computed once for a number of augmented views of each video. A step draws from these views,
and trains the layers after the fixed function.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch.utils.data import Dataset

from slic.clips.samples import RandomStream, SampleIndex, TrainingSample, stream_rng
from slic.embeddings import Layer
from slic.embeddings.embedding import evaluation_mode
from slic.models.encoder import VideoEncoder


@dataclass(frozen=True, eq=False)
class StoredViews:
    """Fixed features of the training videos, in catalog order.

    Attributes:
        views: Of augmented clips at random times, to learn from.
        starts: First frame of each of these clips.
        clips: Of evenly spaced clips without augmentation, to cluster.
        usable: Whether the video can be decoded. Grey frames stand in for one that cannot.
        extent: Number of video frames from the first to the last of a clip.
    """

    views: Float32[np.ndarray, "n k s"]
    starts: Int64[np.ndarray, "n k"]
    clips: Float32[np.ndarray, "n c s"]
    usable: Bool[np.ndarray, " n"]
    extent: int

    @torch.no_grad()
    def mean_embeddings(
        self, encoder: VideoEncoder, videos: Sequence[int], *, layer: Layer
    ) -> Float32[np.ndarray, "m d"]:
        """Return the mean embedding of the clips of some videos, by the encoder as it is now."""
        device = next(encoder.parameters()).device
        network = encoder if layer == "head" else encoder.features
        rows = []
        with evaluation_mode(encoder):
            for video in videos:
                z = network(torch.from_numpy(self.clips[video]).to(device))
                rows.append(z.mean(dim=0).float().cpu().numpy())
        return np.stack(rows)


@dataclass(eq=False)
class StoredSampleDataset(Dataset[TrainingSample]):
    """Anchor and positive from stored views; see `slic.clips.samples.SampleDataset`.

    Anchor and positive of one video do not overlap in time where the views allow it. A video that
    cannot be decoded is replaced by the next one, which is its own positive.

    Args:
        stored: The views.
        seed: Seed of the run.
    """

    stored: StoredViews
    _: KW_ONLY
    seed: int

    def __getitem__(self, index: SampleIndex) -> TrainingSample:
        """Return one sample. Its views are fixed features, not clips."""
        stored, video, partner = self.stored, index.video, index.partner
        if not (stored.usable[video] and stored.usable[partner]):
            total = len(stored.usable)
            following = ((index.video + step) % total for step in range(total))
            video = partner = next(other for other in following if stored.usable[other])
        rng = stream_rng(
            seed=self.seed, epoch=index.epoch, video=index.video, stream=RandomStream.VIEW
        )
        anchor = int(rng.integers(stored.views.shape[1]))
        positive, overlap = self._draw_positive(video, anchor, partner, rng)
        views = np.stack([stored.views[video, anchor], stored.views[partner, positive]])
        return TrainingSample(
            torch.from_numpy(views),
            torch.tensor(video),
            torch.tensor(partner),
            torch.tensor(int(overlap)),
        )

    def _draw_positive(
        self, video: int, anchor: int, partner: int, rng: np.random.Generator
    ) -> tuple[int, bool]:
        """Draw the view of the positive. Also return whether it shares frames with the anchor."""
        starts = self.stored.starts[partner]
        if video != partner:
            return int(rng.integers(len(starts))), False
        distance = np.abs(starts - starts[anchor])
        apart = np.flatnonzero(distance >= self.stored.extent)
        if len(apart):
            return int(rng.choice(apart)), False
        distance[anchor] = -1  # two views of one clip are a positive pair, the same view is not
        return int(distance.argmax()), True
