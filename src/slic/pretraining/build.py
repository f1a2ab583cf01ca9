"""Build the parts of a run from its recipe."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch

from slic.clips.fixed_rate import frame_count
from slic.clips.flow_store import missing_flow_advice, open_flow_store
from slic.clips.frame_size import fixed_frame_size
from slic.clips.loader import batch_loader
from slic.clips.reader import ClipReader
from slic.clips.sampler import PositiveSampler
from slic.clips.samples import SampleDataset
from slic.clips.spans import extent
from slic.devices import native_precision
from slic.embeddings import Precision
from slic.models.adaptation import adapt_only, layer_groups, start_from
from slic.models.encoder import EncoderConfig, VideoEncoder
from slic.pretraining.compat import COMPAT
from slic.pretraining.distributed import Processes
from slic.pretraining.grouping import GroupedObjective, groups_of_process
from slic.pretraining.loop import Run
from slic.pretraining.objective import Objective
from slic.pretraining.optimizer_step import SafeOptimizer
from slic.pretraining.rounds import ClusteringRounds
from slic.pretraining.state import TrainingState
from slic.recipe import Recipe
from slic.recipe.length import RunLength, run_length
from slic.videos.catalog import Catalog

_log = logging.getLogger("slic")


def resolve_precision(recipe: Recipe, device: torch.device) -> Recipe:
    """Return the recipe with ``train.precision`` replaced where it is ``"auto"``."""
    return replace(recipe, train=replace(recipe.train, precision=precision_of(recipe, device)))


def precision_of(recipe: Recipe, device: torch.device) -> Precision:
    """Return the precision of a recipe on a device."""
    named = recipe.train.precision
    return native_precision(device) if named == "auto" else named


def resolve_length(recipe: Recipe, catalog: Catalog, processes: Processes) -> Recipe:
    """Return the recipe with ``train.steps`` replaced where it is ``"auto"``."""
    if recipe.train.steps != "auto":
        return recipe
    steps = _length(recipe, catalog, processes).steps
    return replace(recipe, train=replace(recipe.train, steps=steps))


def build_encoder(recipe: Recipe, *, load: bool = True) -> VideoEncoder:
    """Return the encoder of a recipe before its first step.

    Random weights depend only on the seed.

    Args:
        recipe: The recipe.
        load: Whether to load the weights that the recipe starts from. A resumed run has its own.

    Raises:
        CheckpointError: The weights to start from cannot be read or do not fit.
        RecipeError: An argument of the backbone is out of its range.
    """
    config = EncoderConfig(
        backbone=recipe.backbone.name,
        arguments=recipe.backbone.arguments,
        head=recipe.head,
        clip=recipe.clip,
        modalities=("rgb", "flow") if recipe.sampling.flow_probability else ("rgb",),
    )
    with torch.random.fork_rng():
        torch.manual_seed(recipe.train.seed)
        encoder = VideoEncoder(config)
    if load:
        start_from(encoder, recipe.init)
    adapt_only(encoder, recipe.adaptation)
    return encoder


def build_reader(recipe: Recipe, catalog: Catalog, *, warn: bool = False) -> ClipReader:
    """Return the reader of clips, with optical flow that was computed before.

    Args:
        recipe: The recipe.
        catalog: The videos.
        warn: Warn if flow that is slow to compute, or that should be in a folder, is missing.

    Raises:
        CatalogError: A folder of extracted flow lacks a video.
        RecipeError: The flow folder does not exist or does not fit the recipe.
    """
    clip, flow = recipe.clip, COMPAT[recipe.compat].flow(recipe.flow)
    size, store = fixed_frame_size(clip.size, clip.resize), None
    # flow is stored from frame to frame, and at one size for all videos
    if recipe.uses_flow and clip.fps is None and size is not None:
        store = open_flow_store(flow, catalog.files(), size=size, stride=clip.stride)
    if warn and store:
        advice = missing_flow_advice(store, catalog.files(), named=flow.folder is not None)
        if advice:
            _log.warning(advice)
    return ClipReader.of_clip(clip, flow=flow, store=store)


def build_run(
    recipe: Recipe, catalog: Catalog, processes: Processes, *, progress: bool, resumed: bool = False
) -> Run:
    """Return the parts of a run, before its first step.

    Args:
        recipe: The recipe.
        catalog: The training videos.
        processes: The processes of the run.
        progress: Whether rounds show a progress bar.
        resumed: Whether the weights come from a checkpoint later.

    Raises:
        CheckpointError: The weights to start from cannot be read or do not fit.
        RecipeError: A setting is out of its range.
    """
    compat, train = COMPAT[recipe.compat], recipe.train
    groups = groups_of_process(train.groups, processes.count)
    encoder = build_encoder(recipe, load=not resumed)
    encoder = processes.place(encoder, share_batch_norm=train.groups == 1)
    weights = layer_groups(encoder, recipe.adaptation.layer_decay)
    optimizer = recipe.build("optimizer", parameters=weights)
    reader = build_reader(recipe, catalog, warn=processes.is_main)
    dataset = SampleDataset(
        catalog,
        reader,
        recipe.augmentation,
        flow_probability=recipe.sampling.flow_probability,
        second_view=recipe.temporal.weight > 0,
        seed=train.seed,
        place_pair=compat.place_pair,
    )
    sampler = PositiveSampler(
        len(catalog),
        batch_size=batch_size_of(recipe, catalog, processes.count),
        same_video_probability=recipe.sampling.same_video_probability,
        seed=train.seed,
        reciprocal_positives=recipe.sampling.reciprocal_positives,
        rank=processes.rank,
        world=processes.count,
    )
    length = _length(recipe, catalog, processes)
    sampler.max_steps = length.steps
    precision = precision_of(recipe, processes.device)
    rounds = ClusteringRounds(
        clusterer=compat.wrap_clusterer(recipe.build("clustering")),
        options=replace(recipe.rounds, every_epochs=length.round_epochs),
        catalog=catalog,
        reader=reader,
        processes=processes,
        seed=train.seed,
        workers=train.workers,
        precision=precision,
        progress=progress,
    )
    return Run(
        encoder=encoder,
        optimizer=SafeOptimizer(
            encoder,
            optimizer,
            learning_rate=optimizer.defaults["lr"],
            schedule=recipe.build("schedule"),
        ),
        objective=build_objective(recipe, tuple(encoder.vectors.values())),
        rounds=rounds,
        sampler=sampler,
        loader=batch_loader(dataset, sampler, workers=train.workers),
        processes=processes,
        state=TrainingState(epochs=length.epochs),
        precision=precision,
        seed=train.seed,
        accumulate=train.accumulate,
        groups=groups,
    )


def build_objective(
    recipe: Recipe, lengths: Sequence[int] | None = None
) -> Objective | GroupedObjective:
    """Return the training loss, of the whole batch or averaged over its groups.

    Args:
        recipe: The recipe.
        lengths: Lengths of the vectors of an embedding, see `Objective`.
    """
    loss = COMPAT[recipe.compat].wrap_loss(recipe.build("loss"))
    objective = Objective(loss, recipe.temporal, lengths)
    groups = recipe.train.groups
    return GroupedObjective(objective, groups) if groups > 1 else objective


def batch_size_of(recipe: Recipe, catalog: Catalog, processes: int) -> int:
    """Return the number of videos of a batch, a multiple of the processes and the groups."""
    multiple = max(recipe.train.groups, processes)
    return min(recipe.train.batch_size, len(catalog)) // multiple * multiple


def _length(recipe: Recipe, catalog: Catalog, processes: Processes) -> RunLength:
    videos = len(catalog)
    steps_per_epoch = videos // batch_size_of(recipe, catalog, processes.count)
    return run_length(recipe, videos=videos, steps_per_epoch=steps_per_epoch)


def advice_for(recipe: Recipe, catalog: Catalog, run: Run) -> list[str]:
    """Return warnings about short or small videos, a rounded batch, and a run of warm-up only."""
    clip, messages = recipe.clip, []
    least = extent(clip.frames, clip.stride)
    if short := sum(frame_count(video, clip.fps) < least for video in catalog):
        messages.append(
            f"{short} of {len(catalog)} videos have fewer than the {least} frames of a clip; their "
            "clips repeat the last frame. Lower clip.frames or clip.stride, or leave them out."
        )
    small = sum(min(video.width, video.height) <= clip.size for video in catalog)
    if small and recipe.augmentation.crop_from == "native":
        messages.append(
            f"{small} of {len(catalog)} videos are no larger than the clips ({clip.size} pixels), "
            "as small proxies are: native crops of them are enlarged. Give the videos themselves, "
            "or proxies of about twice the size."
        )
    if run.sampler.batch_size < min(recipe.train.batch_size, len(catalog)):
        count, groups = run.processes.count, recipe.train.groups
        of = f"{groups} groups" if groups > count else f"{count} processes"
        messages.append(
            f"a batch has {run.sampler.batch_size} videos instead of {recipe.train.batch_size}, a "
            f"multiple of the {of}."
        )
    warmup = recipe.schedule.arguments.get("warmup_steps", 0)
    if run.total_steps <= warmup:
        messages.append(
            f"the whole run has {run.total_steps} steps, and the learning rate rises for {warmup}: "
            "that is hardly any training. Raise train.steps or train.epochs (an epoch has "
            f"{run.sampler.steps} steps)."
        )
    return messages
