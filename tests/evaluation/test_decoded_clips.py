"""Clips of an opened video are those that `slic embed` takes, frame for frame."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import slic
from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader
from slic.evaluation.decoded_clips import ClipCollator
from slic.models.backbones import ClipSpec
from slic.videos.catalog import Catalog
from slic.videos.video import Video


class Decoder:
    """A video with the methods of `torchcodec.decoders.VideoDecoder` that are used."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self.metadata = SimpleNamespace(
            num_frames=video.frames,
            average_fps=video.fps,
            width=video.width,
            height=video.height,
            begin_stream_seconds=video.time_of(0),
            end_stream_seconds=video.end_seconds,
        )

    def get_frames_at(self, indices: Sequence[int]) -> SimpleNamespace:
        frames = slic.read_frames(self.video, indices, past_end="error")
        return SimpleNamespace(data=torch.from_numpy(frames).permute(0, 3, 1, 2))

    def get_frames_played_at(self, seconds: Sequence[float]) -> SimpleNamespace:
        end = self.metadata.end_stream_seconds
        assert all(0 <= second < end for second in seconds), "torchcodec refuses others"
        return self.get_frames_at([self.video.frame_at(second) for second in seconds])


@pytest.mark.parametrize(
    "spec",
    [
        ClipSpec(frames=4, stride=3, size=32),
        ClipSpec(frames=4, size=32, fps=12.5, resize=40),
        ClipSpec(frames=40, size=16, fps=30.0, resize=(48, 32)),
    ],
    ids=["stride", "rate", "short video"],
)
def test_the_clips_are_those_of_an_embedding(
    tmp_path: Path, make_video: Callable[..., Path], spec: ClipSpec
) -> None:
    make_video(tmp_path / "a.mp4", frames=31, size=(160, 120))
    catalog = Catalog.from_folder(tmp_path, workers=1, cache=False, progress=False)
    reader = ClipReader.of_clip(spec)
    expected = ClipDataset(catalog, reader, clips=3)[0]
    rows = [{"video": Decoder(catalog[0]), "label": number} for number in (7, 8)]
    batch = ClipCollator(reader, clips=3)(rows)
    assert batch["label"] == [7, 8]
    assert torch.equal(batch["video"], torch.stack([expected, expected]))
