"""Compute the stored views of a run, before its first step (`slic.pretraining.stored_views`)."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import KW_ONLY, asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from slic.callbacks import Callback
from slic.clips.augmentation import Augmentation, centre_crop
from slic.clips.loader import WorkerLoader, batch_loader
from slic.clips.reader import ClipReader, ClipRequest
from slic.clips.samples import RandomStream, stream_rng
from slic.clips.spans import evenly_spaced_spans, extent, random_span
from slic.errors import TrainingError, VideoError, WriteError, is_file_system_error
from slic.files import read_json_object, reason_of, write_atomically
from slic.models.encoder import VideoEncoder
from slic.models.passes import in_passes
from slic.pretraining.distributed import Processes
from slic.pretraining.loop import Run
from slic.pretraining.stored_views import StoredSampleDataset, StoredViews
from slic.signals import StopRequested
from slic.videos.catalog import Catalog

STORED_VIEWS_FORMAT = 2
"""Version of the files. Raise it when the meaning of one changes (docs/reference/formats.md)."""


@dataclass
class StoreViews(Callback):
    """Compute the views of a run before its first step, and let it learn from them.

    Args:
        folder: Where they are kept; a shared folder is not removed at the end of the run.
        augmentation: Distribution of the augmentation parameters.
        views: Number of augmented views of a video.
        workers: Number of processes that decode.
        shared: Whether several runs use the folder.
        stop_requested: Tells whether the user asked this process to stop.
        progress: Whether to show a progress bar.
    """

    folder: Path
    augmentation: Augmentation
    views: int
    workers: int
    shared: bool = False
    stop_requested: Callable[[], bool] = lambda: False
    progress: bool = True

    def on_start(self, run: Run) -> None:
        """Compute the views that are missing.

        Raises:
            StopRequested: The run was asked to stop; the views so far are kept.
        """
        rounds = run.rounds
        dataset = ViewDataset(
            rounds.catalog, rounds.reader, self.augmentation, views=self.views,
            clips=rounds.options.clips,
        )  # fmt: skip
        stored = store_views(
            self.folder, run.encoder, dataset, run.processes, workers=self.workers,
            stop_requested=self.stop_requested, progress=self.progress and run.processes.is_main,
        )  # fmt: skip
        run.rounds = replace(rounds, stored=stored)
        samples = StoredSampleDataset(stored, seed=run.seed)
        run.loader = batch_loader(samples, run.sampler, workers=0)

    def on_end(self, run: Run) -> None:
        """Remove the views: a finished run does not need them."""
        run.processes.wait()
        if run.processes.is_main and not self.shared:
            shutil.rmtree(self.folder, ignore_errors=True)


class _VideoViews(NamedTuple):
    clips: UInt8[Tensor, "v t s s 3"]
    starts: Int64[np.ndarray, " k"]
    usable: bool


@dataclass(eq=False)
class ViewDataset(Dataset[_VideoViews]):
    """All clips of each video: augmented views, then evenly spaced clips as they are.

    Args:
        catalog: The videos.
        reader: Reads and renders the clips.
        augmentation: Distribution of the augmentation parameters.
        views: Number of augmented views of a video. They do not depend on the seed of a run.
        clips: Number of clips without augmentation.
    """

    catalog: Catalog
    reader: ClipReader
    augmentation: Augmentation
    _: KW_ONLY
    views: int
    clips: int

    def __getitem__(self, index: int) -> _VideoViews:
        """Return the clips of a video."""
        reader, video = self.reader, self.catalog[index]
        total = reader.frame_count(video)
        shape: dict[str, Any] = {"frames": reader.frames, "stride": reader.stride}
        spans, requests = [], []
        for view in range(self.views):
            place, look = (
                stream_rng(seed=0, epoch=view, video=index, stream=stream)
                for stream in (RandomStream.SPAN, RandomStream.VIEW)
            )
            spans.append(random_span(total, **shape, rng=place))
            requests.append(reader.draw_view(video, spans[-1], self.augmentation, rng=look))
        crop = centre_crop(*reader.frame_size(video), side=reader.size)
        even = evenly_spaced_spans(total, self.clips, **shape)
        requests += [ClipRequest(video, span, crop, "rgb") for span in even]
        usable = True
        try:
            rendered = reader.render(requests)
        except VideoError as error:
            if is_file_system_error(error):
                raise
            usable, rendered = False, reader.with_grey_stand_ins().render(requests)
        return _VideoViews(
            torch.from_numpy(np.stack(rendered)), np.array([span[0] for span in spans]), usable
        )


def store_views(
    folder: Path, encoder: VideoEncoder, dataset: ViewDataset, processes: Processes,
    *, workers: int, stop_requested: Callable[[], bool] = lambda: False, progress: bool = True,
) -> StoredViews:  # fmt: skip
    """Compute the fixed features of all views that are missing, each process its share.

    Args:
        folder: Where they are kept. Several runs on the same videos can share it.
        encoder: Gives the fixed features.
        dataset: The clips of each video.
        processes: The processes of the run.
        workers: Number of processes that decode.
        stop_requested: Tells whether to stop. Of several processes none stops alone, so it is not
            asked there.
        progress: Whether to show a progress bar.

    Raises:
        StopRequested: It was asked to stop; the views so far are kept.
        TrainingError: No video can be decoded.
        VideoError: A file cannot be reached.
        WriteError: The folder cannot be written.
    """
    wanted = _description(encoder, dataset)
    arrays = _Arrays(folder, dataset, encoder)
    about = folder / "views.json"
    if processes.is_main and not (_read(about) == wanted and arrays.exist()):
        about.unlink(missing_ok=True)
        arrays.create()
        write_atomically(about, json.dumps(wanted).encode())
    processes.wait()
    alone = processes.count == 1
    _compute(
        encoder, dataset, range(processes.rank, len(dataset.catalog), processes.count), arrays,
        workers=workers, stop_requested=stop_requested if alone else lambda: False,
        progress=progress,
    )  # fmt: skip
    processes.wait()
    stored = arrays.opened()
    if not stored.usable.any():
        raise TrainingError(f"{dataset.catalog.root}: none of the videos can be decoded.")
    return stored


class _Arrays:
    """The files of stored views, as arrays in memory maps."""

    def __init__(self, folder: Path, dataset: ViewDataset, encoder: VideoEncoder) -> None:
        self.folder, reader = folder, dataset.reader
        self.extent = extent(reader.frames, reader.stride)
        videos, size = len(dataset.catalog), encoder.backbone.fixed_size  # type: ignore[attr-defined]
        self.shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "views": (np.float32, (videos, dataset.views, size)),
            "clips": (np.float32, (videos, dataset.clips, size)),
            "starts": (np.int64, (videos, dataset.views)),
            "usable": (np.bool_, (videos,)),
            "checks": (np.uint32, (videos,)),  # CRC-32 of the row of a video; shows what is missing
        }

    def exist(self) -> bool:
        """Return whether all files are there, with the right types and shapes."""
        try:
            arrays = self.mapped("c")
        except Exception:  # NumPy lets any kind of error out of a damaged header
            return False
        return all(
            (arrays[name].dtype, arrays[name].shape) == wanted
            for name, wanted in self.shapes.items()
        )

    def create(self) -> None:
        """Make the files; what was in them is lost.

        Raises:
            WriteError: The folder cannot be written, or the disk has too little space.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, (dtype, shape) in self.shapes.items():
                file = self._file(name)
                np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
                _reserve(file)
        except OSError as error:
            message = f"{self.folder}: could not be written ({reason_of(error)})."
            raise WriteError(message) from error

    def mapped(self, mode: Literal["r+", "c"]) -> dict[str, Any]:
        """Return the arrays."""
        return {name: np.lib.format.open_memmap(self._file(name), mode) for name in self.shapes}

    def opened(self) -> StoredViews:
        """Return the views; a changed copy in memory is never written back."""
        arrays = self.mapped("c")
        del arrays["checks"]
        return StoredViews(**arrays, extent=self.extent)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


def _reserve(file: Path) -> None:
    """Take the space of a file at once: a full disk would kill a process that writes to its map."""
    if hasattr(os, "posix_fallocate"):  # missing on macOS and Windows
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)


@torch.no_grad()
def _compute(
    encoder: VideoEncoder, dataset: ViewDataset, share: range, arrays: _Arrays,
    *, workers: int, stop_requested: Callable[[], bool], progress: bool,
) -> None:  # fmt: skip
    """Fill the rows that are missing or damaged.

    The clips of a video are one batch, so rows never vary.
    """
    device, into = next(encoder.parameters()).device, arrays.mapped("r+")
    missing = [video for video in share if into["checks"][video] != _checksum(into, video)]
    loader = WorkerLoader[_VideoViews](dataset, workers=workers, batch_size=None, sampler=missing)
    bar = tqdm(
        zip(missing, loader, strict=True), total=len(share), initial=len(share) - len(missing),
        desc="views", unit="video", disable=not progress,
    )  # fmt: skip
    for video, (clips, starts, usable) in bar:
        fixed = in_passes(encoder.fixed_features, clips.to(device)).float().cpu().numpy()
        into["views"][video], into["clips"][video] = np.split(fixed, [dataset.views])
        into["starts"][video], into["usable"][video] = starts, usable
        into["checks"][video] = _checksum(into, video)
        if stop_requested():
            raise StopRequested
    for array in into.values():
        array.flush()


def _checksum(arrays: dict[str, Any], video: int) -> int:
    """Return a CRC-32 of what is stored of a video. That of a row of zeros is not 0."""
    checksum = 0
    for name in ("views", "clips", "starts", "usable"):
        checksum = crc32(arrays[name][video].tobytes(), checksum)
    return checksum


def _read(about: Path) -> Any:
    """Return what a file describes; None if it is missing or damaged."""
    try:
        return read_json_object(about)
    except (OSError, ValueError):
        return None


def _description(encoder: VideoEncoder, dataset: ViewDataset) -> dict[str, Any]:
    """Return what the stored features depend on."""
    files = [[video.id, video.frames, video.width, video.height] for video in dataset.catalog]
    described = {
        "format": STORED_VIEWS_FORMAT,
        "backbone": [encoder.config.backbone, encoder.backbone.version],
        "clip": encoder.clip.to_dict(),
        "reader": dataset.reader.settings(),
        "augmentation": asdict(dataset.augmentation),
        "views": dataset.views,
        "clips": dataset.clips,
        "videos": sha256(json.dumps(files).encode()).hexdigest(),
    }
    as_in_file: dict[str, Any] = json.loads(json.dumps(described))  # lists in place of tuples
    return as_in_file
