"""A clustering round: embed every training video, group the embeddings, name the groups."""

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list, gather_object
from jaxtyping import Float32

from slic.clips.clip_dataset import ClipDataset, clip_loader
from slic.clips.reader import ClipReader
from slic.clustering import CLUSTERERS
from slic.clustering.base import PseudoLabels
from slic.embeddings import Layer, Precision, embed
from slic.models.backbones.motion import motion_of
from slic.models.encoder import VideoEncoder, to_input
from slic.neighbours.rows import centred_unit_rows
from slic.recipe import LOOKS, View
from slic.videos.catalog import Catalog


def cluster_round(
    encoder: VideoEncoder,
    catalog: Catalog,
    accelerator: Accelerator,
    *,
    view: View,
    clips: int,
    layer: Layer,
    centre: bool,
    method: str,
    partition: int,
    clusters: int,
    seed: int,
    reader: ClipReader,
    workers: int,
    precision: Precision,
    progress: bool,
) -> PseudoLabels:
    """Return the pseudo-labels of all videos; every process embeds its share and gets them all.

    They are those of the first process: on another processor a sum may end in another bit, and a
    video in another cluster.
    """
    if method == "none":  # every video is its own cluster: nothing to embed
        return PseudoLabels(np.arange(len(catalog)))
    _agree_on_statistics(encoder, accelerator)
    mine = catalog.subset(
        [v.id for v in catalog[accelerator.process_index :: accelerator.num_processes]]
    )
    parts = []
    for look in LOOKS[view]:
        if look == "motion":
            rows = motion_layouts(
                mine, reader, clips=clips, workers=workers, device=accelerator.device
            )
        else:
            rows = embed(
                encoder,
                mine,
                clips=clips,
                layer=layer,
                modality=look,
                reader=reader,
                workers=workers,
                precision=precision,
                progress=progress and accelerator.is_main_process,
            ).mean
        parts.append(_gathered(mine, rows, catalog, accelerator))
    x = centred_unit_rows(parts, centre=centre)
    arguments = {"partition": partition} if method == "finch" else {"clusters": clusters}
    found = CLUSTERERS[method](**arguments)(x, seed=seed)
    if accelerator.num_processes == 1:
        return found
    shared = [found]
    broadcast_object_list(shared)  # in place
    return shared[0]


def motion_layouts(
    catalog: Catalog, reader: ClipReader, *, clips: int, workers: int, device: torch.device
) -> Float32[np.ndarray, "n d"]:
    """Return how every video moves, without any learning: the mean layout of its clips.

    A random encoder, averaged over the picture, forgets where things move; this does not.
    """
    loader = clip_loader(ClipDataset(catalog, reader, clips=clips), batch_size=32, workers=workers)
    rows = []
    for batch in loader:
        seen = to_input(batch.flatten(0, 1).to(device, non_blocking=True))
        layouts = motion_of(seen).layout
        rows.append(layouts.view(*batch.shape[:2], -1).mean(dim=1).cpu())
    return torch.cat(rows).numpy()


def _agree_on_statistics(encoder: VideoEncoder, accelerator: Accelerator) -> None:
    """Give every process the running statistics of the first; each has seen other clips."""
    if accelerator.num_processes > 1:
        for buffer in encoder.buffers():
            broadcast(buffer, from_process=0)


def _gathered(
    mine: Catalog, rows: Float32[np.ndarray, "m d"], catalog: Catalog, accelerator: Accelerator
) -> Float32[np.ndarray, "n d"]:
    """Return the rows of all processes in catalog order, each video once."""
    if accelerator.num_processes == 1:
        return rows
    ids = [video.id for video in mine]
    row_of = dict(gather_object(list(zip(ids, rows, strict=True))))
    return np.stack([row_of[video.id] for video in catalog])
