"""Embed a catalog; embeddings know which videos, encoder and protocol they come from."""

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from tqdm import tqdm

from slic.clips.datasets import ClipDataset, ClipReader, ClipView, clip_loader
from slic.encoders.encoder import VideoEncoder, to_input
from slic.errors import CatalogError, CheckpointError
from slic.files import atomic_path
from slic.videos.catalog import Catalog

Layer = Literal["head", "backbone"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The clip embeddings of a list of videos.

    Attributes:
        ids: Video ids, one a row.
        clips: One embedding a clip; `mean` is one a video.
        encoder: Fingerprint of the encoder that made them.
        layer: ``head`` (the projection) or ``backbone`` (before it).
        view: ``rgb`` or ``flow``.
    """

    ids: tuple[str, ...]
    clips: Float32[np.ndarray, "n c d"]
    encoder: str
    layer: Layer
    view: ClipView

    @property
    def mean(self) -> Float32[np.ndarray, "n d"]:
        """The mean over the clips of each video."""
        return np.asarray(self.clips.mean(axis=1))

    def save(self, path: Path) -> None:
        """Write one ``.npz`` file that `load` reads back."""
        about = asdict(self) | {"clips": None}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, clips=self.clips, about=np.array(json.dumps(about)))

    @classmethod
    def load(cls, path: Path) -> "Embeddings":
        """Read what `save` wrote; raises CheckpointError when the file is something else."""
        try:
            # numpy does not close a damaged file that it opened itself
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                about.update(clips=stored["clips"], ids=tuple(about["ids"]))
            return cls(**about)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise CheckpointError(f"{path}: no embeddings of `slic embed` ({error}).") from error


@torch.no_grad()
def embed(
    encoder: VideoEncoder,
    catalog: Catalog,
    *,
    clips: int = 10,
    layer: Layer = "head",
    view: ClipView = "rgb",
    remove_camera: bool = False,
    batch_size: int = 64,
    workers: int = 2,
    precision: Precision = "fp32",
    progress: bool = True,
) -> Embeddings:
    """Embed ``clips`` evenly spaced clips of every video, centre square, in evaluation mode.

    ``batch_size`` counts clips. The encoder is left in the mode it came in.

    Raises:
        CatalogError: There is no video.
    """
    if not catalog.videos:
        raise CatalogError(f"{catalog.root}: there is no usable video to embed.")
    config = encoder.config
    reader = ClipReader(
        frames=config.frames, stride=config.stride, size=config.size, remove_camera=remove_camera
    )
    loader = clip_loader(
        ClipDataset(catalog, reader, clips=clips, view=view),
        batch_size=batch_size,
        workers=workers,
    )
    was_training = encoder.training
    encoder.eval()
    bar = tqdm(total=len(catalog), desc=f"embed {view}", unit="video", disable=not progress,
               file=sys.stderr, leave=False)  # fmt: skip
    rows = []
    with bar:
        for batch in loader:
            rows.append(_embed_batch(encoder, batch, layer=layer, precision=precision))
            bar.update(len(batch))
    encoder.train(was_training)
    return Embeddings(
        ids=tuple(video.id for video in catalog),
        clips=torch.cat(rows).numpy(),
        encoder=encoder.fingerprint(),
        layer=layer,
        view=view,
    )


def _embed_batch(
    encoder: VideoEncoder, batch: Tensor, *, layer: Layer, precision: Precision
) -> Tensor:
    device = next(encoder.parameters()).device
    flat = to_input(batch.flatten(0, 1).to(device))
    autocast = torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
    with autocast:
        z: Tensor = encoder.features(flat) if layer == "backbone" else encoder(flat)
    return z.float().cpu().reshape(*batch.shape[:2], -1)


def centred_unit_rows(parts: Sequence[Float32[np.ndarray, "n _"]], *, centre: bool) -> np.ndarray:
    """Normalise each matrix's rows (after taking its mean row off) and put them side by side."""
    scaled = []
    for part in parts:
        x = part - part.mean(axis=0, keepdims=True) if centre else part
        scaled.append(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
    return np.concatenate(scaled, axis=1)
