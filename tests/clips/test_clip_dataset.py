"""Clips to embed are those of plain calls, whatever the batches and workers."""

import cv2
import numpy as np
import pytest
import torch

from slic.clips.augmentation import centre_crop
from slic.clips.clip_dataset import ClipDataset, clip_loader
from slic.clips.flow import optical_flow
from slic.clips.reader import ClipReader, Modality
from slic.clips.rendering import render_flow, render_rgb
from slic.clips.spans import centre_span, evenly_spaced_spans
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames


@pytest.mark.parametrize("modality", ["rgb", "flow"])
@pytest.mark.parametrize(("clips", "workers"), [(1, 0), (3, 1)])
def test_clips_are_the_centre_crops_of_evenly_spaced_spans(
    catalog: Catalog, reader: ClipReader, modality: Modality, clips: int, workers: int
) -> None:
    dataset = ClipDataset(catalog, reader, clips=clips, modality=modality)
    batches = list(clip_loader(dataset, batch_size=4, workers=workers))
    assert max(len(batch) for batch in batches) == 4 // clips
    for video, row in zip(catalog, torch.cat(batches), strict=True):
        spans = (
            [centre_span(video.frames, frames=4, stride=2)]
            if clips == 1
            else evenly_spaced_spans(video.frames, clips, frames=4, stride=2)
        )
        for span, clip in zip(spans, row, strict=True):
            frames, crop = read_frames(video, span, size=(43, 32)), centre_crop(43, 32)
            expected = (
                render_rgb(frames, crop, size=32)
                if modality == "rgb"
                else render_flow(optical_flow(frames), crop, size=32)
            )
            assert np.array_equal(clip.numpy(), expected)


def test_workers_start_after_opencv_used_its_threads(catalog: Catalog, reader: ClipReader) -> None:
    cv2.setNumThreads(2)
    dataset = ClipDataset(catalog, reader, clips=3, modality="flow")
    here, there = (list(clip_loader(dataset, batch_size=4, workers=w)) for w in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
