"""From videos to their features, one batch after another."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.nn import functional as F

from slic.clips.datasets import ClipDataset, clip_loader
from slic.clips.reader import ClipReader, Modality
from slic.clips.spans import sliding_spans
from slic.clips.windows import Windows, window_loader
from slic.devices import Arriving, arrivals, send_to_host
from slic.embeddings.cache import Row, cached_rows
from slic.embeddings.stored import Embeddings, Layer
from slic.errors import CatalogError, SlicError
from slic.models.encoder import VideoEncoder, to_input
from slic.videos.catalog import Catalog, Video

Precision = Literal["fp32", "bf16"]
AllWindows = Literal["windows"]
Features: TypeAlias = Callable[[Tensor], Arriving]  # clips (b t s s 3) of bytes -> (b d)
AT_ONCE = 32  # windows that pass the encoder together: 25 MB of 16 frames of 128 x 128
CACHE_FORMAT = 3  # raise it when a change of the code gives the same video other features


@torch.no_grad()
def embed(
    encoder: VideoEncoder,
    catalog: Catalog,
    *,
    clips: int | AllWindows = 10,
    layer: Layer = "head",
    view: Modality = "rgb",
    reader: ClipReader | None = None,
    batch_size: int = 32,
    workers: int = 2,
    precision: Precision = "fp32",
    cache: Path | None = None,
    progress: bool = True,
) -> Embeddings:
    """Embed clips of every video, centre square, in evaluation mode.

    The encoder is left in the mode it came in.

    Args:
        encoder: The encoder, on the device that is to do the work.
        catalog: The videos.
        clips: So many evenly spaced clips, one row each; or ``"windows"``: all half-overlapping
            windows of the video (`slic.clips.spans.sliding_spans`), whose features are scaled to
            length 1 and averaged to one row.
        layer: ``"head"`` (the projection) or ``"backbone"`` (before it); the latter where there is
            no head.
        view: ``"rgb"`` or ``"flow"``.
        reader: How clips are read and motion is drawn; None: as the encoder's config says, with
            the usual flow.
        batch_size: Evenly spaced clips that pass the encoder at a time; windows pass by 32. On a
            CPU, 64 small clips no longer fit into the caches.
        workers: Processes that decode.
        precision: ``"bf16"`` autocasts.
        cache: Folder where features are kept while they are made; those already there are taken,
            as long as encoder, settings and the video's file are the same.
        progress: Show a bar on stderr.

    Raises:
        CatalogError: There is no video.
        SlicError: Flow looks for an encoder that sees motion itself.
    """
    if not catalog.videos:
        raise CatalogError(f"{catalog.root}: there is no usable video to embed.")
    config, fingerprint = encoder.config, encoder.fingerprint()
    if not config.embedding:
        layer = "backbone"
    if view == "flow" and config.motion:
        raise SlicError(
            "view 'flow': this encoder sees in the pictures themselves how they move, and a flow "
            "look is no picture. Take view 'rgb'."
        )
    reader = reader or ClipReader(frames=config.frames, stride=config.stride, size=config.size)
    features = partial(_features, encoder, layer=layer, precision=precision)

    def make(videos: Sequence[Video]) -> Iterator[tuple[int, Row]]:
        part = replace(catalog, videos=tuple(videos))
        if clips == "windows":
            spans = partial(sliding_spans, frames=reader.frames, stride=reader.stride)
            show = partial(reader.centred, view=view)
            windows = window_loader(
                part, spans, size=reader.read_size, at_once=AT_ONCE, show=show, workers=workers
            )
            return _window_rows(features, windows)
        dataset = ClipDataset(part, reader, clips=clips, view=view)
        return _clip_rows(features, clip_loader(dataset, batch_size=batch_size, workers=workers))

    made_by = {"format": CACHE_FORMAT, "encoder": fingerprint, "layer": layer, "view": view,
               "clips": clips, "precision": precision, "reader": reader.about()}  # fmt: skip
    with _evaluation(encoder):
        rows = cached_rows(
            catalog, make, cache=cache, made_by=made_by, bar=f"embed {view}" if progress else None
        )
    return Embeddings(
        ids=tuple(video.id for video in catalog),
        clips=rows,
        encoder=fingerprint,
        layer=layer,
        view=view,
    )


def _clip_rows(features: Features, loaded: Iterable[Tensor]) -> Iterator[tuple[int, Row]]:
    """Give every video's place and the features of its clips."""
    place = 0
    sent = ((features(batch.flatten(0, 1)), batch.shape[:2]) for batch in loaded)
    for z, shape in arrivals(sent):
        for row in z.reshape(*shape, -1).numpy():
            yield place, row
            place += 1


def _window_rows(features: Features, loaded: Iterable[Windows]) -> Iterator[tuple[int, Row]]:
    """Give every video's place and the mean of its windows' features, each of length 1."""
    sums, counts = defaultdict[int, Tensor](lambda: torch.zeros(())), Counter[int]()
    sent = ((features(windows.clips), (windows.video, windows.last)) for windows in loaded)
    for z, (video, last) in arrivals(sent):
        sums[video] = sums[video] + F.normalize(z, dim=1).sum(dim=0, dtype=torch.float64)
        counts[video] += len(z)
        if last:
            yield video, (sums.pop(video) / counts.pop(video)).float().numpy()[None]


def _features(
    encoder: VideoEncoder, clips: UInt8[Tensor, "b t s s 3"], *, layer: Layer, precision: Precision
) -> Arriving:
    device = next(encoder.parameters()).device
    x = to_input(clips.to(device, non_blocking=True))
    autocast = torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
    with autocast:
        z: Tensor = encoder.features(x) if layer == "backbone" else encoder(x)
    return send_to_host(z.float())


@contextmanager
def _evaluation(encoder: VideoEncoder) -> Iterator[None]:
    """Put the encoder in evaluation mode, and back into the mode it came in."""
    was_training = encoder.training
    encoder.eval()
    try:
        yield
    finally:
        encoder.train(was_training)


def centred_unit_rows(parts: Sequence[Float32[np.ndarray, "n _"]], *, centre: bool) -> np.ndarray:
    """Normalise each matrix's rows (after taking its mean row off) and put them side by side."""
    scaled = []
    for part in parts:
        x = part - part.mean(axis=0, keepdims=True) if centre else part
        scaled.append(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
    return np.concatenate(scaled, axis=1)
