"""What a recipe's words stand for in a run: encoder, optimizer, loss and schedule."""

import logging
import math
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from slic.clips.flow import FlowOptions
from slic.clips.flow_store import missing_flow_advice, open_flow_store
from slic.clips.reader import ClipReader, read_size
from slic.devices import native_precision
from slic.embeddings import Precision
from slic.errors import RecipeError
from slic.models.encoder import EncoderConfig, VideoEncoder
from slic.pretraining.objective import InstanceLoss, info_nce_instance, triplet_instance
from slic.recipe import LossSettings, Recipe, TrainSettings, looks_of_rounds
from slic.videos.catalog import Catalog

_log = logging.getLogger("slic")


def precision_of(recipe: Recipe, device: torch.device) -> Precision:
    """Return the recipe's precision; ``"auto"`` is the quicker one of the device."""
    named = recipe.train.precision
    return native_precision(device) if named == "auto" else named


def settled(recipe: Recipe, device: torch.device) -> Recipe:
    """Return the recipe with the precision that it means on a device."""
    return replace(recipe, train=replace(recipe.train, precision=precision_of(recipe, device)))


def new_encoder(recipe: Recipe) -> VideoEncoder:
    """Return the recipe's encoder with random weights that depend on its seed only."""
    settings, clip = recipe.encoder, recipe.clip
    config = EncoderConfig(
        backbone=f"r3d{settings.depth}",
        width=settings.width,
        stem_stride=settings.stem_stride,
        max_pool=settings.max_pool,
        shortcut=settings.shortcut,
        hidden=settings.hidden,
        embedding=settings.embedding,
        subtract_mean_frame=settings.subtract_mean_frame,
        motion=settings.motion,
        frames=clip.frames,
        stride=clip.stride,
        size=clip.size,
        view="both" if recipe.sampling.flow_probability else "rgb",
    )
    with torch.random.fork_rng():
        torch.manual_seed(recipe.train.seed)
        try:
            return VideoEncoder(config)
        except ValueError as error:
            raise RecipeError(f"encoder: no network can be built so ({error}).") from error


def clip_reader(recipe: Recipe, catalog: Catalog, *, warn: bool = False) -> ClipReader:
    """Return the reader of the recipe's clips, with the flow that was prepared for them.

    Args:
        recipe: The recipe.
        catalog: The videos.
        warn: Say when flow is not prepared that is slow to compute, or was to be in a folder.

    Raises:
        CatalogError: The recipe names a folder of extracted flow in which a video has none.
        RecipeError: There is no such folder, or it keeps less motion than the recipe draws.
    """
    clip, flow = recipe.clip, recipe.flow
    view = FlowOptions(
        method=flow.method,
        components=flow.components,
        bound=flow.bound,
        remove_camera=clip.remove_camera,
        as_picture=recipe.compat == "official",
    )
    store = None
    if recipe.sampling.flow_probability or "flow" in looks_of_rounds(recipe):
        store = open_flow_store(
            Path(flow.folder) if flow.folder else None,
            catalog,
            flow=view,
            size=read_size(clip.size),
            stride=clip.stride,
        )
    named = flow.folder is not None
    if warn and store and (advice := missing_flow_advice(store, catalog, named=named)):
        _log.warning(advice)
    return ClipReader(
        frames=clip.frames, stride=clip.stride, size=clip.size, flow=view, store=store
    )


def new_optimizer(encoder: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return the optimizer over all weights, fused: one that can leave a step out by itself."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(encoder.parameters(), lr=rate, weight_decay=decay, fused=True)
    sgd = torch.optim.SGD(
        encoder.parameters(), lr=rate, momentum=settings.momentum, weight_decay=decay, fused=True
    )
    if settings.momentum:
        for weight in encoder.parameters():  # torch would leave garbage if its first is left out
            sgd.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return sgd


def learning_rate(settings: TrainSettings, step: int, total_steps: int) -> float:
    """Return the step size: a linear warm-up, then constant or half a cosine down to 0."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - settings.warmup_steps) / max(1, total_steps - settings.warmup_steps)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def mean_frame_share(span: tuple[float, float], step: int, total_steps: int) -> float:
    """Return how much of the clips' mean frame the encoder sees: 0 up to a span of the run, then 1.

    Within the span, in shares of the steps, it grows linearly. What stands still drowns what moves:
    an encoder that sees whole clips from the first step learns nothing in a short run; one that
    knows motion first keeps it while the rest fades in (docs/experiments.md).
    """
    start, end = (share * total_steps for share in span)
    if step >= end:
        return 1.0
    return 0.0 if step < start else (step - start) / (end - start)


def fade_mean_frame(
    encoder: VideoEncoder, span: tuple[float, float] | None, step: int, total_steps: int
) -> None:
    """Show an encoder as much of the clips' mean frame as is its due; without a span, as ever."""
    if span is not None:
        encoder.mean_frame = mean_frame_share(span, step, total_steps)


def instance_loss(settings: LossSettings) -> InstanceLoss:
    """Return the instance term that the recipe names."""
    if settings.kind == "info_nce":
        return info_nce_instance(temperature=settings.temperature)
    return triplet_instance(
        margin=settings.margin, rule=settings.negatives, average_over=settings.average_over
    )


def in_parallel(encoder: nn.Module, accelerator: Accelerator) -> nn.Module:
    """Return the encoder as it is trained: with several processes, one that shares gradients.

    Accelerate's ``prepare`` would also apply what its user's configuration says of precision,
    compiling and sharding, where the recipe is what counts.
    """
    if accelerator.num_processes == 1:
        return encoder
    on_gpu = accelerator.device.type == "cuda"
    # Told that parameters may be unused, DDP sums in one order all along. Otherwise the first step
    # differs from the others in that, and a resumed run of three or more processes in last bits.
    warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
    return DistributedDataParallel(
        encoder,
        device_ids=[accelerator.device.index] if on_gpu else None,
        find_unused_parameters=True,
    )


def gather_with_gradient(
    z: Float[Tensor, "b views d"], accelerator: Accelerator
) -> Float[Tensor, "all views d"]:
    """Return the rows of all processes in their order; gradients flow back into one's own.

    Every process then computes the same loss over the global batch. DDP takes the mean of what
    should be the sum of the processes' gradients, hence the factor: the step is that of one
    process.
    """
    world = accelerator.num_processes
    if world == 1:
        return z
    parts = list(accelerator.gather(z.detach()).chunk(world))
    own = z.clone()
    own.register_hook(lambda gradient: gradient * world)  # type: ignore[no-untyped-call]
    parts[accelerator.process_index] = own
    return torch.cat(parts)
