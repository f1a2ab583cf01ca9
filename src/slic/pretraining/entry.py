"""Where a run starts: check the videos and the folder, then hand over to the loop."""

import importlib.util
import logging
from pathlib import Path

import torch
from accelerate import Accelerator

from slic.clips.spans import extent
from slic.errors import CatalogError, CheckpointError
from slic.files import atomic_path
from slic.pretraining.folder import RunFolder
from slic.pretraining.parts import settled
from slic.pretraining.reporting import Observer
from slic.pretraining.run import PretrainResult, Run
from slic.recipe import Recipe, checked, load_recipe, save_recipe
from slic.videos.catalog import Catalog

_log = logging.getLogger("slic")


def pretrain(
    catalog: Catalog | str | Path,
    *,
    out: str | Path,
    recipe: Recipe | str = "best",
    resume: bool = False,
    observer: Observer | None = None,
    progress: bool = True,
) -> PretrainResult:
    """Learn an encoder from unlabelled videos.

    Args:
        catalog: The videos, or a folder of them.
        out: Run folder: recipe, log, checkpoints, clusters and at the end the encoder.
        recipe: Settings, or the name of a shipped recipe. A resumed run must bring the same. The
            precision ``auto`` is settled here, and the run's folder says as what.
        resume: Go on from the folder's checkpoint. On a CPU the result is the same, bit for
            bit, as that of a run never stopped (same machine, same number of processes); on a GPU
            as far as its kernels repeat themselves.
        observer: Sees every round's clusters, and has no way to change them.
        progress: Show a bar on stderr.

    Raises:
        CatalogError: Too few videos, or too many that cannot be read.
        CheckpointError: The folder holds another run, or cannot be written; or processes differ
            in the videos that they found, or in where they resume.
        RecipeError: An impossible setting.
        TrainingError: Losses that stay non-finite.
        StopRequested: Ctrl-C; the state was saved.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else checked(recipe)
    if not isinstance(catalog, Catalog):
        catalog = Catalog.from_folder(catalog, progress=progress)
    catalog.require_usable()
    if recipe.compat == "official":
        catalog = _of_two_clips(catalog, recipe)
    if len(catalog) < 2:
        raise CatalogError(f"{catalog.root}: {len(catalog)} video; learning needs at least 2.")
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        log_with=["tensorboard"] if importlib.util.find_spec("tensorboard") else None,
        project_dir=str(out),
    )
    recipe = settled(recipe, accelerator.device)
    if min(len(catalog), recipe.train.batch_size) < accelerator.num_processes:
        raise CatalogError(
            f"{catalog.root}: {len(catalog)} videos in batches of {recipe.train.batch_size} are "
            f"too few for {accelerator.num_processes} processes."
        )
    if not accelerator.is_main_process:
        return Run(recipe, catalog, RunFolder(Path(out)), accelerator).go(
            resume, None, progress=False
        )
    with RunFolder(Path(out)) as folder:
        _refuse_another_run(folder, recipe, resume=resume)
        run = Run(recipe, catalog, folder, accelerator)
        with atomic_path(folder.recipe) as temporary:  # all parts could be built: this run's folder
            save_recipe(recipe, temporary)
        return run.go(resume, observer, progress=progress)


def _of_two_clips(catalog: Catalog, recipe: Recipe) -> Catalog:
    """Leave out the videos that do not hold two clips, as the authors do, and say how many."""
    least = 2 * extent(recipe.clip.frames, recipe.clip.stride)
    kept = catalog.subset([video.id for video in catalog if video.frames >= least])
    if short := len(catalog) - len(kept):
        _log.warning("%d videos of fewer than %d frames are left out (compat).", short, least)
    return kept


def _refuse_another_run(folder: RunFolder, recipe: Recipe, *, resume: bool) -> None:
    """See that the folder is free, or holds the very run to resume."""
    if not resume:
        if folder.has_run:
            raise CheckpointError(
                f"{folder.path}: a run is already here; go on with it by --resume, "
                "or start anew with another --out."
            )
        return
    if not folder.has_run:
        raise CheckpointError(f"{folder.path}: there is no run to resume; leave --resume out.")
    if load_recipe(folder.recipe) != recipe:
        raise CheckpointError(
            f"{folder.recipe}: the run to resume has other settings; "
            "resume without settings of your own, or start anew with another --out."
        )
