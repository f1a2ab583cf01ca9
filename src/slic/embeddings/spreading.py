"""Embedding the videos of a catalog with an engine, in other processes or on other machines."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import UInt8
from torch import Tensor

from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader, Modality
from slic.devices import PendingCopy
from slic.embeddings.cache import VideoFeatures
from slic.engines import Engine, Work, folders_for_others, path_for_others
from slic.models.encoder import VideoEncoder
from slic.videos.catalog import Catalog
from slic.videos.video import Video

EmbedClips: TypeAlias = Callable[[VideoEncoder, Tensor], PendingCopy]


@dataclass(frozen=True)
class VideoTask:
    """A video to embed.

    Attributes:
        position: Its position in the collection.
        video: The video.
    """

    position: int
    video: Video


@dataclass(frozen=True)
class ReadClips:
    """The clips of a video.

    Attributes:
        position: Its position in the collection.
        clips: Its clips, RGB.
    """

    position: int
    clips: UInt8[Tensor, "c t s s 3"]


def embed_with_engine(
    engine: Engine,
    encoder: VideoEncoder,
    embed_clips: EmbedClips,
    reader: ClipReader,
    root: Path,
    videos: Sequence[Video],
    *,
    clips: int,
    modality: Modality,
) -> Iterator[tuple[int, VideoFeatures]]:
    """Give the position of each video and the embeddings of its clips, as they come.

    Args:
        engine: The engine, in its context.
        encoder: The encoder, on any device.
        embed_clips: Embeds a batch of clips. It is sent to other processes.
        reader: How clips are read.
        root: Folder of the videos.
        videos: The videos.
        clips: Number of evenly spaced clips per video.
        modality: ``"rgb"`` or ``"flow"``.
    """
    tasks = [
        VideoTask(position, replace(video, path=path_for_others(video.path)))
        for position, video in enumerate(videos)
    ]
    work = Work(
        read=partial(_read, reader=reader, clips=clips, modality=modality),
        load=partial(_VideoEmbedder, deepcopy(encoder).cpu(), embed_clips),
        write=_as_it_is,
        clips=partial(_clips_of, clips=clips),
        folders=folders_for_others(root),
    )
    engine.check_folders(work.folders)
    yield from engine.run(work, tasks)


def _clips_of(_: VideoTask, *, clips: int) -> int:
    return clips


def _read(task: VideoTask, *, reader: ClipReader, clips: int, modality: Modality) -> ReadClips:
    catalog = Catalog(task.video.path.parent, (task.video,))
    dataset = ClipDataset(catalog, reader, clips=clips, modality=modality)
    return ReadClips(task.position, dataset[0])


class _VideoEmbedder:
    """Embeds the clips of videos with an encoder, on one device."""

    def __init__(
        self, encoder: VideoEncoder, embed_clips: EmbedClips, device: torch.device
    ) -> None:
        self.encoder = encoder.to(device).eval()
        self.embed_clips = embed_clips

    @torch.no_grad()
    def __call__(self, reads: Sequence[ReadClips]) -> list[tuple[int, VideoFeatures]]:
        batch = torch.cat([read.clips for read in reads])
        z = self.embed_clips(self.encoder, batch).wait()
        parts = torch.split(z, [len(read.clips) for read in reads])
        return [(read.position, part.numpy()) for read, part in zip(reads, parts, strict=True)]


def _as_it_is(
    features: tuple[int, VideoFeatures],
) -> tuple[int, VideoFeatures]:
    return features
