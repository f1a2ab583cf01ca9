"""Choose the videos and positives of every training batch."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from itertools import chain

import numpy as np
from jaxtyping import Int
from torch.utils.data import Sampler

from slic.clips.samples import RandomStream, SampleIndex, stream_rng
from slic.clustering.base import PseudoLabels


@dataclass(eq=False)
class PositiveSampler(Sampler[list[SampleIndex]]):
    """Batches of one epoch: every video once, in an order that depends on seed and epoch.

    The positive of a video comes from the video itself with ``same_video_probability``, otherwise
    from another video with the same pseudo-label, each equally likely (Khorasgani et al., CVPR
    2022). A video that is alone in its cluster is its own positive.

    Call :meth:`start` before each iteration. The last batch is dropped if it is smaller than the
    others, so that batch statistics are comparable. With several processes, process ``rank`` of
    ``world`` gets its slice of the same global batch. Workers need no state: a ``SampleIndex``
    holds all that a sample depends on.

    Args:
        videos: Number of videos.
        batch_size: Number of videos of a global batch.
        same_video_probability: Probability that a video is its own positive, in [0, 1].
        seed: Seed of the run.
        reciprocal_positives: Pair the videos of a cluster so that two videos are each other's
            positive, and put them side by side in a batch. Each is then decoded once, for its
            anchor and for the other's positive. Any other video of the cluster is still equally
            likely. An odd one out draws its positive independently.
        rank: Number of this process.
        world: Number of processes.
        max_steps: Number of batches of all epochs together; the last epoch is cut short. None has
            whole epochs only.
    """

    videos: int
    _: KW_ONLY
    batch_size: int
    same_video_probability: float
    seed: int
    reciprocal_positives: bool = False
    rank: int = 0
    world: int = 1
    max_steps: int | None = None
    epoch: int = field(default=0, init=False)
    first_step: int = field(default=0, init=False)
    pseudo_labels: PseudoLabels | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.batch_size = min(self.batch_size, self.videos) // self.world * self.world

    @property
    def steps(self) -> int:
        """Number of batches of a whole epoch."""
        return self.videos // self.batch_size

    def start(self, epoch: int, pseudo_labels: PseudoLabels, *, first_step: int = 0) -> None:
        """Prepare the next iteration.

        Args:
            epoch: The epoch to iterate over.
            pseudo_labels: Pseudo-labels of all videos.
            first_step: Number of batches of the epoch to skip, when a run is resumed.
        """
        self.epoch, self.pseudo_labels, self.first_step = epoch, pseudo_labels, first_step

    def __len__(self) -> int:
        return self._end_step - self.first_step

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        labels = self.pseudo_labels
        assert labels is not None, "call start() first"
        order = self._rng(0, RandomStream.ORDER).permutation(self.videos)
        pairs = self._reciprocal_indices(order, labels) if self.reciprocal_positives else None
        share = self.batch_size // self.world
        for step in range(self.first_step, self._end_step):
            start = step * self.batch_size + self.rank * share
            mine = slice(start, start + share)
            yield pairs[mine] if pairs else [self._draw(int(v), labels) for v in order[mine]]

    @property
    def _end_step(self) -> int:
        """The batch of this epoch before which it ends."""
        if self.max_steps is None:
            return self.steps
        return min(self.steps, self.max_steps - self.epoch * self.steps)

    def _draw(self, video: int, pseudo_labels: PseudoLabels) -> SampleIndex:
        """Draw the positive of one video."""
        rng = self._rng(video, RandomStream.PARTNER)
        same = rng.random() < self.same_video_probability
        return SampleIndex(self.epoch, video, video if same else pseudo_labels.partner(video, rng))

    def _reciprocal_indices(
        self, order: Int[np.ndarray, " n"], pseudo_labels: PseudoLabels
    ) -> list[SampleIndex]:
        """Return the samples of the epoch: pairs, and videos without one, in random order."""
        rng = self._rng(0, RandomStream.PARTNER)
        same = rng.random(self.videos) < self.same_video_probability
        groups: list[list[tuple[int, int]]] = [[(v, v)] for v in np.flatnonzero(same).tolist()]
        unpaired: dict[int, int] = {}  # by cluster
        for video in order[~same[order]].tolist():
            other = unpaired.pop(cluster := int(pseudo_labels.labels[video]), None)
            if other is None:
                unpaired[cluster] = video
            else:
                groups.append([(other, video), (video, other)])
        groups += [[(video, pseudo_labels.partner(video, rng))] for video in unpaired.values()]
        shuffled = (groups[position] for position in rng.permutation(len(groups)))
        return [SampleIndex(self.epoch, *pair) for pair in chain.from_iterable(shuffled)]

    def _rng(self, video: int, stream: RandomStream) -> np.random.Generator:
        return stream_rng(seed=self.seed, epoch=self.epoch, video=video, stream=stream)
