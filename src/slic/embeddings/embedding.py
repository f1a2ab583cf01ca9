"""Embed the videos of a catalog, batch by batch."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from slic.clips.clip_dataset import ClipDataset, clip_loader
from slic.clips.reader import ClipReader, Modality
from slic.clips.spans import sliding_spans
from slic.clips.windows import WindowBatch, window_loader
from slic.devices import PendingCopy, completed_copies, copy_to_host
from slic.embeddings.cache import ComputeFeatures, VideoFeatures, cached_features
from slic.embeddings.spreading import embed_with_engine
from slic.embeddings.stored import Embeddings, Layer
from slic.engines import Engine
from slic.errors import CatalogError, EmbeddingsError
from slic.models.encoder import VideoEncoder
from slic.models.passes import clips_per_pass, in_passes
from slic.videos.catalog import Catalog, Video

Precision = Literal["fp32", "bf16"]
AllWindows = Literal["windows"]
EmbedBatch: TypeAlias = Callable[[Tensor], PendingCopy]  # clips (b t s s 3), uint8 -> (b d)

WINDOWS_PER_BATCH = 32  # 25 MB of 16 frames of 128 x 128
EMBED_VERSION: Final = 3  # raise it when a change of the code gives a video other embeddings


@torch.no_grad()
def embed(
    encoder: VideoEncoder,
    catalog: Catalog,
    *,
    clips: int | AllWindows = 10,
    layer: Layer = "head",
    modality: Modality = "rgb",
    reader: ClipReader | None = None,
    batch_size: int = 32,
    workers: int = 2,
    precision: Precision = "fp32",
    cache: Path | None = None,
    engine: Engine | None = None,
    progress: bool = True,
) -> Embeddings:
    """Embed centre-crop clips of every video, with the encoder in evaluation mode.

    Afterwards the encoder is in the mode it was in before.

    Args:
        encoder: The encoder, on the device to use.
        catalog: The videos.
        clips: Number of evenly spaced clips per video, one embedding each. ``"windows"`` embeds all
            half-overlapping windows (:func:`slic.clips.spans.sliding_spans`), scales each embedding
            to unit length, and averages them to one.
        layer: ``"head"`` for the output of the projection head, ``"backbone"`` for its input. An
            encoder without a head always gives ``"backbone"``.
        modality: ``"rgb"`` or ``"flow"``.
        reader: How clips are read and flow is drawn. None takes the encoder's clips, with the
            default flow.
        batch_size: Number of evenly spaced clips per batch. Windows use batches of 32. On a CPU,
            more than 32 small clips no longer fit into the caches.
        workers: Number of processes that decode.
        precision: ``"bf16"`` uses autocast.
        cache: Folder that keeps the embeddings while they are computed. Those already there are
            reused if the encoder, the settings and the video file are the same.
        engine: What embeds, in its context, see `slic.engines`. None embeds in this process.
        progress: Whether to show a progress bar on stderr.

    Raises:
        CatalogError: The catalog is empty.
        EmbeddingsError: The encoder does not take clips of this modality, or an engine is asked for
            all windows.
        EngineError: The engine cannot go on; with a cache, what was embedded is kept.
        VideoError: A frame cannot be decoded.

    Example:
        >>> embeddings = embed(VideoEncoder.from_pretrained("run/encoder"), catalog, clips=10)
        >>> embeddings.mean.shape  # (number of videos, size of an embedding)
    """
    if not catalog.videos:
        raise CatalogError(f"{catalog.root}: there is no usable video to embed.")
    clip, fingerprint = encoder.clip, encoder.fingerprint()
    if not encoder.has_head:
        layer = "backbone"
    if modality not in encoder.backbone.modalities:
        raise EmbeddingsError(
            f"modality {modality!r}: the backbone {encoder.config.backbone!r} takes only clips of "
            f"{' or '.join(encoder.backbone.modalities)}."
        )
    reader = reader or ClipReader.of_clip(clip)
    compute: ComputeFeatures = partial(
        _embed_videos,
        partial(_embed_batch, encoder, layer=layer, precision=precision),
        catalog,
        reader,
        clips=clips,
        modality=modality,
        batch_size=batch_size,
        workers=workers,
    )
    if engine is not None:
        if clips == "windows":
            raise EmbeddingsError("clips 'windows': an engine embeds a number of clips per video.")
        compute = partial(
            embed_with_engine,
            engine,
            encoder,
            partial(_embed_batch, layer=layer, precision=precision),
            reader,
            catalog.root,
            clips=clips,
            modality=modality,
        )
    settings = {
        "version": EMBED_VERSION, "encoder": fingerprint, "layer": layer, "modality": modality,
        "clips": clips, "precision": precision, "reader": reader.settings(),
    }  # fmt: skip
    label = f"embed {modality}" if progress else None
    with evaluation_mode(encoder):
        features = cached_features(catalog, compute, cache=cache, settings=settings, label=label)
    return Embeddings(
        ids=tuple(video.id for video in catalog),
        clips=features,
        encoder=fingerprint,
        layer=layer,
        modality=modality,
    )


def _embed_videos(
    embed_batch: EmbedBatch,
    catalog: Catalog,
    reader: ClipReader,
    videos: Sequence[Video],
    *,
    clips: int | AllWindows,
    modality: Modality,
    batch_size: int,
    workers: int,
) -> Iterator[tuple[int, VideoFeatures]]:
    """Yield the position in ``videos`` and the embeddings of each of these videos."""
    part = replace(catalog, videos=tuple(videos))
    # Large clips are loaded in small batches, too.
    most = clips_per_pass(frames=reader.frames, size=reader.size)
    if clips == "windows":
        windows = window_loader(
            part,
            partial(sliding_spans, frames=reader.frames, stride=reader.stride),
            size=reader.frame_size,
            windows_per_batch=min(WINDOWS_PER_BATCH, most),
            transform=partial(reader.centred, modality=modality),
            fps=reader.fps,
            workers=workers,
        )
        return _embed_windows(embed_batch, windows)
    dataset = ClipDataset(part, reader, clips=clips, modality=modality)
    loader = clip_loader(dataset, batch_size=min(batch_size, most), workers=workers)
    return _embed_clips(embed_batch, loader)


def _embed_clips(
    embed_batch: EmbedBatch, batches: Iterable[Tensor]
) -> Iterator[tuple[int, VideoFeatures]]:
    """Yield the position of every video and the embeddings of its clips."""
    position = 0
    pending = ((embed_batch(batch.flatten(0, 1)), batch.shape[:2]) for batch in batches)
    for z, shape in completed_copies(pending):
        for features in z.reshape(*shape, -1).numpy():
            yield position, features
            position += 1


def _embed_windows(
    embed_batch: EmbedBatch, batches: Iterable[WindowBatch]
) -> Iterator[tuple[int, VideoFeatures]]:
    """Yield the position of every video and the mean of the unit embeddings of its windows."""
    sums, counts = defaultdict[int, Tensor](lambda: torch.zeros(())), Counter[int]()
    pending = ((embed_batch(batch.clips), (batch.video, batch.last)) for batch in batches)
    for z, (video, last) in completed_copies(pending):
        sums[video] = sums[video] + F.normalize(z, dim=1).sum(dim=0, dtype=torch.float64)
        counts[video] += len(z)
        if last:
            yield video, (sums.pop(video) / counts.pop(video)).float().numpy()[None]


def _embed_batch(
    encoder: VideoEncoder, clips: UInt8[Tensor, "b t s s 3"], *, layer: Layer, precision: Precision
) -> PendingCopy:
    device = next(encoder.parameters()).device
    autocast = torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
    with autocast:
        network = encoder.features if layer == "backbone" else encoder
        z = in_passes(network, clips.to(device, non_blocking=True))
    return copy_to_host(z.float())


@contextmanager
def evaluation_mode(encoder: VideoEncoder) -> Iterator[None]:
    """Put the encoder in evaluation mode, and afterwards back in its previous mode."""
    was_training = encoder.training
    encoder.eval()
    try:
        yield
    finally:
        encoder.train(was_training)
