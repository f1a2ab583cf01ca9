"""Start a run: check the videos and the folder, then hand over to the loop."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from slic.callbacks import Callback, CallbackList
from slic.clips.loader import LostWorkerError
from slic.errors import CatalogError, CheckpointError, VideoError
from slic.pretraining.announcement import Announcement
from slic.pretraining.build import (
    advice_for,
    batch_size_of,
    build_run,
    resolve_length,
    resolve_precision,
)
from slic.pretraining.checkpointing import Checkpointer, encoder_to_keep, restore
from slic.pretraining.distributed import Processes
from slic.pretraining.folder import RunFolder
from slic.pretraining.loop import Run, train
from slic.pretraining.observer import Observer
from slic.pretraining.peers import joined_processes, wait_for_peers
from slic.pretraining.run_log import RunLog
from slic.pretraining.state import saved_processes, videos_digest
from slic.pretraining.trackers import Tracker, build_trackers, default_trackers
from slic.pretraining.training_videos import choose_videos
from slic.pretraining.view_storage import StoreViews
from slic.recipe import Part, Recipe, load_recipe, save_recipe
from slic.runs import has_checkpoint
from slic.signals import stop_at_ctrl_c
from slic.videos.catalog import Catalog

_OTHER_PROCESSES = (
    "the number of processes changed from {before} to {now}. Videos and batches stay the same, but "
    "sums have another order: the run is not bit-exact from here on."
)


@dataclass(frozen=True)
class PretrainResult:
    """The outcome of a finished run.

    Attributes:
        folder: The run folder.
        encoder: Folder of the encoder, for `VideoEncoder.from_pretrained`.
        steps: Number of steps.
        seconds: Seconds that this call took.
    """

    folder: Path
    encoder: Path
    steps: int
    seconds: float


@joined_processes()
def pretrain(
    catalog: Catalog | str | Path,
    *,
    out: str | Path,
    recipe: Recipe | str = "two-stream",
    resume: bool = False,
    log_with: Sequence[str] | None = None,
    observer: Observer | None = None,
    callbacks: Sequence[Callback] = (),
    stored_views: Path | None = None,
    progress: bool = True,
) -> PretrainResult:
    """Learn an encoder from unlabelled videos (Khorasgani et al., CVPR 2022).

    Args:
        catalog: The videos, or a folder of them.
        out: Run folder: recipe, log, checkpoints, clusters and, at the end, the encoder.
        recipe: The recipe, or the name of one. A resumed run must bring the same recipe.
        resume: Continue from the checkpoint in ``out``. On a CPU the weights are bit for bit those
            of a run without interruption, with the same number of processes on the same kind of
            machine. With another number a warning says that the last bits differ. On a GPU that
            depends on its kernels.
        log_with: Experiment trackers, see `slic.pretraining.trackers.TRACKERS`. None takes
            TensorBoard if it is installed.
        observer: Sees the pseudo-labels of each round, and cannot change them.
        callbacks: Called between the steps, after those of the recipe.
        stored_views: Folder for the views that ``sampling.stored_views`` asks for. Runs on the same
            videos, for example with other seeds, can share it. None keeps them in ``out`` until
            the run ends.
        progress: Whether to show progress bars on stderr.

    Raises:
        CatalogError: There are too few videos, or too many that cannot be read.
        CheckpointError: ``out`` holds another run, or the processes of the run disagree.
        ProcessError: The processes of the run do not meet, or one of them has ended.
        RecipeError: A setting has an impossible value, or there is no such tracker.
        SlicError: A tracker is not installed.
        KeyboardInterrupt: A signal in a round of clustering, or a second one.
        StopRequested: Ctrl-C or SIGTERM between two steps; the run is saved.
        TrainingError: The losses are not finite for many steps.
        WriteError: ``out`` cannot be written.

    Example:
        >>> result = pretrain("videos", out="run", recipe="two-stream")
        >>> encoder = VideoEncoder.from_pretrained(result.encoder)
    """
    started = time.monotonic()
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    trackers = build_trackers(default_trackers() if log_with is None else log_with, Path(out))
    if not isinstance(catalog, Catalog):
        catalog = Catalog.from_folder(catalog, progress=progress)
    catalog.require_usable()
    wait_for_peers()
    processes = Processes(_accelerator(out, trackers))
    with _opened_folder(Path(out), processes, resume=resume) as folder:
        chosen = choose_videos(catalog, recipe, folder, processes, resume=resume, progress=progress)
        catalog = chosen.catalog
        _require_enough_videos(catalog, recipe, processes)
        recipe = resolve_length(resolve_precision(recipe, processes.device), catalog, processes)
        begun = resume and has_checkpoint(folder.checkpoint)  # a run may have stopped before
        if resume and processes.is_main:
            if begun:
                _refuse_other_batches(folder, recipe, catalog, processes)
            _refuse_other_settings(folder, recipe)
        ids = [video.id for video in catalog]
        run = build_run(recipe, catalog, processes, progress=progress, resumed=begun)
        # The recipe of the run then rebuilds the encoder without a download.
        recipe = replace(recipe, backbone=Part(recipe.backbone.name, run.encoder.config.arguments))
        if processes.is_main:  # only now, so that a recipe that cannot be built leaves no run
            folder.start(chosen.set_aside, chosen.still)
            save_recipe(recipe, folder.recipe)
        before = restore(run, folder, ids=ids) if resume else processes.count
        place = (run.state.epoch, run.state.batch, run.state.step)
        processes.require_agreement(videos_digest(ids), place, folder.path)
        advice = [] if run.state.step else advice_for(recipe, catalog, run)
        if before != processes.count:
            advice.append(_OTHER_PROCESSES.format(now=processes.count, before=before))
        with (
            RunLog(
                folder,
                processes,
                ids=ids,
                settings=recipe.to_dict(),
                observer=observer,
                advice=advice,
                progress=progress,
            ) as log,
            stop_at_ctrl_c() as stop_requested,
        ):
            length = Announcement(chosen.description, show=progress and processes.is_main)
            views = _view_callbacks(
                recipe, folder, stored_views, stop_requested=stop_requested, progress=progress
            )
            checkpointer = Checkpointer(
                folder,
                log,
                ids=ids,
                stop_requested=stop_requested,
                snapshot_every_epochs=recipe.train.snapshot_every_epochs,
            )
            run.callbacks = CallbackList(
                [length, *views, log, *recipe.build_callbacks(), *callbacks, checkpointer]
            )
            _train_and_save_before_errors(run, checkpointer)
        if processes.is_main:
            encoder_to_keep(run).eval().save_pretrained(folder.encoder)
    return PretrainResult(folder.path, folder.encoder, run.state.step, time.monotonic() - started)


def _view_callbacks(
    recipe: Recipe,
    folder: RunFolder,
    shared: Path | None,
    *,
    stop_requested: Callable[[], bool],
    progress: bool,
) -> list[Callback]:
    """Return the callback that computes the views of a run, if its recipe asks for it."""
    if not recipe.sampling.stored_views:
        return []
    return [
        StoreViews(
            shared or folder.views,
            recipe.augmentation,
            views=recipe.sampling.stored_views,
            workers=recipe.train.workers,
            shared=shared is not None,
            stop_requested=stop_requested,
            progress=progress,
        )
    ]


def _train_and_save_before_errors(run: Run, checkpointer: Checkpointer) -> None:
    """Train; if no batch can be loaded, because of a video or lost workers, save first.

    Once the file is back, the run can then be resumed. The start of an epoch needs no saving: it
    was saved when the epoch before it ended.
    """
    try:
        train(run)
    except (LostWorkerError, VideoError):
        if run.state.batch:
            checkpointer.save(run)
        raise


def _accelerator(out: str | Path, trackers: Sequence[Tracker]) -> Accelerator:
    cpu = not torch.cuda.is_available()
    return Accelerator(cpu=cpu, log_with=list(trackers) or None, project_dir=str(out))


def _require_enough_videos(catalog: Catalog, recipe: Recipe, processes: Processes) -> None:
    if len(catalog) < 2:
        raise CatalogError(
            f"{catalog.root}: {len(catalog)} video; learning needs at least 2. "
            "Cut a long recording into segments (segments.seconds)."
        )
    if min(len(catalog), recipe.train.batch_size) < processes.count:
        raise CatalogError(
            f"{catalog.root}: {len(catalog)} videos in batches of {recipe.train.batch_size} are "
            f"too few for {processes.count} processes."
        )
    if len(catalog) < 2 * recipe.train.groups:
        raise CatalogError(
            f"{catalog.root}: {len(catalog)} videos are too few for {recipe.train.groups} groups "
            "of at least 2. Lower train.groups."
        )


@contextmanager
def _opened_folder(path: Path, processes: Processes, *, resume: bool) -> Iterator[RunFolder]:
    """Give the run folder; the main process locks it and checks what is in it."""
    folder = RunFolder(path)
    if not processes.is_main:
        yield folder
        return
    with folder:
        _refuse_another_run(folder, resume=resume)
        yield folder


def _refuse_another_run(folder: RunFolder, *, resume: bool) -> None:
    """Check that the folder is free, or holds the run to resume."""
    if not resume:
        if folder.has_run:
            raise CheckpointError(
                f"{folder.path}: a run is already here. Resume it, or choose another folder."
            )
        return
    if not folder.has_run:
        raise CheckpointError(f"{folder.path}: there is no run to resume.")
    folder.require_format()


def _refuse_other_batches(
    folder: RunFolder, recipe: Recipe, catalog: Catalog, processes: Processes
) -> None:
    """Check that batches are as large as with the processes that wrote the checkpoint."""
    before = saved_processes(folder.checkpoint)
    size, now = (batch_size_of(recipe, catalog, count) for count in (before, processes.count))
    if size != now:
        raise CheckpointError(
            f"{folder.path}: the batches of this run have {size} videos. Shared by "
            f"{processes.count}, they would have {now}. Resume it with {before} processes."
        )


def _refuse_other_settings(folder: RunFolder, recipe: Recipe) -> None:
    """Check that the run to resume has this recipe, with its number of steps."""
    if load_recipe(folder.recipe) != recipe:
        raise CheckpointError(
            f"{folder.recipe}: the run to resume has other settings. Resume it without settings, "
            "or choose another folder."
        )
