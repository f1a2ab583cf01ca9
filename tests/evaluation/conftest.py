"""Six small videos with labels, and a tiny encoder with random weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from slic.datasets import Labels
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.videos.catalog import Catalog


@pytest.fixture(scope="session")
def seven_labels() -> Labels:
    """Return the labels of seven videos, the last of which does not exist."""
    ids = [f"{n}.mp4" for n in range(7)]
    return Labels(
        label={video_id: "ab"[n % 2] for n, video_id in enumerate(ids)},
        split={video_id: "test" if n < 2 else "train" for n, video_id in enumerate(ids)},
    )


@pytest.fixture(scope="session")
def six_videos(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]
) -> Catalog:
    """Return six videos of different lengths."""
    folder = tmp_path_factory.mktemp("scored")
    for number in range(6):
        make_video(folder / f"{number}.mp4", frames=8 + 4 * number, size=(64, 48))
    return Catalog.from_folder(folder, progress=False)


@pytest.fixture(scope="session")
def tiny_encoder() -> VideoEncoder:
    """Return an encoder of four frames of 32 x 32 pixels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = EncoderConfig(
            backbone="slic/r3d10",
            arguments={"width": 0.125},
            head=HeadSpec(hidden=8, embedding=4),
            clip=ClipSpec(frames=4, stride=1, size=32),
        )
        return VideoEncoder(config).eval()
