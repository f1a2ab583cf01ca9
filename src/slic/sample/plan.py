"""Plan a sample: which video has which action, actor, background and container."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from slic.sample.actions import ACTIONS
from slic.sample.take import SampleLevel
from slic.videos.encoding import draw_encoding

SAMPLE_SPLITS = ("train", "test")
SAMPLE_FORMAT = 1  # raised whenever the same settings give other pixels
POOL_SIZE = 60  # actors, and backgrounds, of one split
CONFOUNDED_SHARE = 0.9  # of confounded training videos with a background of their action

Scenes = Literal["any", "confounded", "typical"]
SampleStream = Literal["cast", "encoding", "take", "order"]
_STREAM_NUMBERS: dict[SampleStream, int] = {"cast": 0, "encoding": 1, "take": 2, "order": 3}


class SampleSettings(NamedTuple):
    """Everything that the files of a sample depend on; saved as ``sample.json``.

    Attributes:
        level: ``"easy"`` or ``"hard"``.
        train: Number of training videos.
        test: Number of test videos.
        seed: Seed of all draws.
        drawing: Version of the drawing code and of this file, ``SAMPLE_FORMAT``.
        scenes: How backgrounds depend on actions; see `slic.sample.write_sample`.
    """

    level: SampleLevel
    train: int
    test: int
    seed: int
    drawing: int = SAMPLE_FORMAT
    scenes: Scenes = "any"


@dataclass(frozen=True)
class SampleVideo:
    """One video of a plan and row of ``labels.csv``.

    Attributes:
        path: Path relative to the folder of the sample, with forward slashes.
        label: Action.
        split: ``"train"`` or ``"test"``.
        actor: Name of the actor, such as ``a007``.
        background: Name of the background, such as ``b012``.
    """

    path: str
    label: str
    split: str
    actor: str
    background: str


def plan_sample(settings: SampleSettings) -> list[SampleVideo]:
    """Plan all videos of a sample.

    Args:
        settings: Settings of the sample.

    Returns:
        Training videos, then test videos. In each split actions are balanced and shuffled.
    """
    videos = []
    for split, count in zip(SAMPLE_SPLITS, (settings.train, settings.test), strict=True):
        for index, label in enumerate(_draw_labels(settings, split, count)):
            actor, background = draw_cast(settings, split, index, label)
            suffix = draw_encoding(random_stream(settings, split, index, "encoding")).suffix
            path = f"{split}/{index:0{max(4, len(str(count)))}d}{suffix}"
            videos.append(SampleVideo(path, label, split, f"a{actor:03d}", f"b{background:03d}"))
    return videos


def draw_cast(settings: SampleSettings, split: str, index: int, label: str) -> tuple[int, int]:
    """Draw actor and background of a video; each split has its own pool of both.

    Args:
        settings: Settings of the sample.
        split: Split of the video.
        index: Index of the video in its split.
        label: Action; the background depends on it in confounded training videos only.

    Returns:
        Number of the actor and number of the background.
    """
    rng, first = (
        random_stream(settings, split, index, "cast"),
        POOL_SIZE * SAMPLE_SPLITS.index(split),
    )
    actor, background = rng.integers(first, first + POOL_SIZE, size=2)
    if settings.scenes == "confounded" and split == "train":
        background = first + _draw_confounded_background(rng, ACTIONS.index(label))
    return int(actor), int(background)


def random_stream(
    settings: SampleSettings, split: str, index: int, stream: SampleStream
) -> np.random.Generator:
    """Return the random numbers of one video for one purpose.

    They depend on the arguments only, so that any worker process draws the same video.
    """
    numbers = [settings.seed, SAMPLE_SPLITS.index(split), index, _STREAM_NUMBERS[stream]]
    return np.random.default_rng(numbers)


def _draw_labels(settings: SampleSettings, split: str, count: int) -> list[str]:
    """Return shuffled actions; their numbers differ by one at most."""
    rng = random_stream(settings, split, 0, "order")
    rounds = [rng.permutation(len(ACTIONS)) for _ in range(-(-count // len(ACTIONS)))]
    labels = np.concatenate([*rounds, np.zeros(0, int)])[:count]
    return [ACTIONS[k] for k in rng.permutation(labels)]


def _draw_confounded_background(rng: np.random.Generator, action: int) -> int:
    """Draw a training background; number b belongs to action b modulo the number of actions."""
    count = len(ACTIONS)
    if rng.random() >= CONFOUNDED_SHARE:
        action = (action + int(rng.integers(1, count))) % count
    return action + count * int(rng.integers(POOL_SIZE // count))
