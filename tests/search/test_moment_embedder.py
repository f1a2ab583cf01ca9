"""Moments have the mean direction of the clips that they cover, and each clip is embedded once."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from slic.models.encoder import VideoEncoder, to_input
from slic.search.moment_embedder import MomentEmbedder
from slic.search.moments import mean_direction
from slic.search.streaming import MomentClips

COVERED = {0: [(0, 3), (1, 3), (2, 6), (7, 8)], 1: [(0, 2), (0, 4), (3, 5), (4, 7)]}
"""First clip of every moment and the one after its last, of two jobs."""


@pytest.fixture
def clips() -> dict[int, Tensor]:
    """Return the clips of both jobs."""
    rng = np.random.default_rng(0)
    shape = (8, 4, 32, 32, 3)
    return {job: torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8)) for job in COVERED}


def moments_of(job: int, clips: Tensor) -> Iterator[MomentClips]:
    given = 0
    for number, (first, end) in enumerate(COVERED[job]):
        new = clips[max(first, given) : end]
        given = end
        weights = torch.arange(1.0, 1 + end - first)
        yield MomentClips(
            job, number, new, (0.0, 1.0), weights, last=number == len(COVERED[job]) - 1
        )


def interleaved(clips: dict[int, Tensor]) -> list[MomentClips]:
    pairs = zip(moments_of(0, clips[0]), moments_of(1, clips[1]), strict=True)
    return [moment for pair in pairs for moment in pair]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_moments_of_interleaved_jobs_are_the_means_of_their_clips(
    encoder: VideoEncoder, clips: dict[int, Tensor], batch: int
) -> None:
    embed, moments = MomentEmbedder(encoder), interleaved(clips)
    vectors = np.concatenate([embed(moments[i : i + batch]) for i in range(0, len(moments), batch)])
    for vector, moment in zip(vectors, moments, strict=True):
        first, end = COVERED[moment.job][moment.number]
        with torch.no_grad():
            z = encoder(to_input(clips[moment.job][first:end])).numpy()
        assert vector == pytest.approx(
            mean_direction(z, moment.weights.numpy(), encoder.vectors), abs=1e-5
        )
    assert not embed._held  # nothing is kept of finished jobs


def test_each_clip_is_embedded_once(
    encoder: VideoEncoder, clips: dict[int, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0

    def counted(batch: Tensor) -> Tensor:
        nonlocal passed
        passed += len(batch)
        return torch.ones(len(batch), encoder.embedding_size)

    monkeypatch.setattr(encoder, "forward", counted)
    embed = MomentEmbedder(encoder)
    for moment in interleaved(clips):
        embed([moment])
    assert passed == 7 + 7  # of the first job, no moment covers clip 6


def test_without_moments_there_is_nothing_to_embed(encoder: VideoEncoder) -> None:
    assert MomentEmbedder(encoder)([]).shape == (0, encoder.embedding_size)
