"""The demo: write a sample, train on it without labels, evaluate by retrieval, write a report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from slic.clips.clip_dataset import ClipDataset, clip_loader
from slic.clips.reader import ClipReader
from slic.datasets import read_labels
from slic.embeddings import Embeddings
from slic.errors import CheckpointError
from slic.evaluation.base import LabelledSplit, split_by_labels
from slic.evaluation.cluster_quality import LabelObserver
from slic.evaluation.mean_frame import score_mean_frames
from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS
from slic.models.encoder import VideoEncoder, to_input
from slic.pretraining import pretrain
from slic.pretraining.build import build_encoder
from slic.pretraining.folder import RunFolder
from slic.recipe import Recipe, load_recipe
from slic.report.embedding_map import embedding_map
from slic.report.retrieval_page import describe_baselines, headline, retrieval_rows
from slic.report.run_report import HeadlineScore, write_report
from slic.runs import read_log
from slic.sample.dataset import write_sample
from slic.sample.take import SampleLevel
from slic.videos.catalog import Catalog
from slic.videos.thumbnails import small_filmstrip

DEMO_PROTOCOL = replace(RETRIEVAL_PROTOCOLS["backbone"], vector="motion")
"""In the sample nothing but the motion tells the action."""
DEMO_CLIPS = 10  # of the protocol


def run_demo(
    out: Path, *, level: SampleLevel = "easy", seed: int = 0, next_steps: Sequence[str] = ()
) -> Path:
    """Run the demo.

    An interrupted demo continues; a finished one only writes its report again.

    Args:
        out: Folder for the sample (``videos``), the training run (``run``) and ``report.html``.
        level: Level of the sample, ``"easy"`` or ``"hard"``.
        seed: Seed of the training.
        next_steps: Commands that the report suggests.

    Returns:
        Path of the report.

    Raises:
        CheckpointError: The folder contains a demo with another seed.
    """
    videos, run = out / "videos", RunFolder(out / "run")
    write_sample(videos, level=level)
    catalog, labels = Catalog.from_folder(videos), read_labels(videos / "labels.csv")
    split = split_by_labels(catalog, labels)
    if run.encoder.exists():
        recipe = load_recipe(run.recipe)
        if recipe.train.seed != seed:
            raise CheckpointError(
                f"{run.path}: was trained with seed {recipe.train.seed}, not {seed}. "
                "Give that seed or another folder."
            )
    else:
        recipe = load_recipe("two-stream", [f"--train.seed={seed}"])
        observer = LabelObserver(labels)
        pretrain(split.train, out=run.path, recipe=recipe, resume=run.has_run, observer=observer)
        recipe = load_recipe(run.recipe)  # with the number of steps
    encoder = VideoEncoder.from_pretrained(run.encoder)
    report = out / "report.html"
    facts = _describe_demo(encoder, recipe, split, level=level)
    _write_demo_report(report, encoder, recipe, split, run.path, facts, next_steps)
    return report


def _write_demo_report(
    path: Path,
    encoder: VideoEncoder,
    recipe: Recipe,
    split: LabelledSplit,
    run: Path,
    facts: Sequence[tuple[str, str]],
    next_steps: Sequence[str],
) -> None:
    """Evaluate the encoder before and after learning, and mean frames; print and write it."""
    random = load_recipe(
        "two-stream", ["--init.weights=random", f"--train.seed={recipe.train.seed}"]
    )
    encoders = [encoder, build_encoder(recipe).without_head(), build_encoder(random).without_head()]
    protocol = DEMO_PROTOCOL.of(encoder)
    sides = [embed_with_all(encoders, side) for side in (split.test, split.train)]
    by_encoder = [[*map(protocol.selected, pair)] for pair in zip(*sides, strict=True)]
    scores, before, untrained = (protocol.compare(split, *pair) for pair in by_encoder)
    query, gallery = by_encoder[0]
    baselines = {
        "mean frame": score_mean_frames(split),
        "random weights": untrained,
        "before learning": before,
    }
    *recalls, precision = headline(scores, baselines, split)
    figures = [precision, *recalls]  # R@1 leaves nothing to learn here
    print(scores.table())
    for figure in figures:
        beside = ", ".join(f"{name} {100 * x:.1f}" for name, x in figure.baselines.items())
        print(f"{figure.name}: {100 * figure.value:.1f} after learning; {beside}")
    by_id = {video.id: video for video in (*split.test, *split.train)}
    log = read_log(RunFolder(run).log_file)
    write_report(
        path,
        title="slic demo: learning actions without labels",
        facts=facts,
        summary=summarise(precision, recalls[0], split),
        headline=figures,
        baselines=describe_baselines(baselines),
        log=log,
        points=embedding_map(
            np.concatenate([query.mean, gallery.mean]),
            [*query.ids, *gallery.ids],
            [*split.test_labels, *split.train_labels],
            queries=[True] * len(query.ids) + [False] * len(gallery.ids),
            strip_of=lambda name: small_filmstrip(by_id[name]),
        ),
        rows=retrieval_rows(split, query, gallery, centre=False),
        next_steps=next_steps,
    )


def summarise(
    precision: HeadlineScore, recall: HeadlineScore, split: LabelledSplit
) -> list[tuple[str, str]]:
    """Return what was asked, what came out, beside what, and what it means.

    Args:
        precision: Mean average precision after learning, with its baselines.
        recall: R@1 after learning, with its baselines.
        split: Queries and gallery.
    """
    actions, beside = len(set(split.test_labels)), recall.baselines
    change = precision.value - precision.baselines["before learning"]
    others = ", ".join(f"{name} {100 * value:.1f} %" for name, value in beside.items())
    return [
        (
            "What was asked",
            f"Drawn people do {actions} actions. An encoder learnt from {len(split.train)} videos, "
            "and was not told which shows which action. Do videos of one action lie close together "
            f"now? Each of {len(split.test)} test videos, with other people and backgrounds, was a "
            "query among the training videos.",
        ),
        (
            "What came out",
            f"In {100 * recall.value:.1f} % of the searches, the most similar video shows the "
            "action of the query (R@1). The whole ranking has a mean average precision (mAP) of "
            f"{100 * precision.value:.1f} %.",
        ),
        ("Beside what", f"R@1 of other ways to search: {others}."),
        (
            "What it means",
            f"Learning changed mAP by {100 * change:+.1f} points. R@1 was "
            f"{100 * beside['before learning']:.1f} % before: that comes from the fixed motion "
            "descriptor, not from learning. Drawn videos are simpler than real ones. So this page "
            "shows what the steps do, not how well they work on your videos.",
        ),
    ]


@torch.no_grad()
def embed_with_all(encoders: Sequence[VideoEncoder], videos: Catalog) -> list[Embeddings]:
    """Return the embeddings of videos by several encoders that share their fixed features.

    Args:
        encoders: Encoders of the same backbone, without a head; the fixed part is computed once.
        videos: The videos.
    """
    first = encoders[0].eval()
    dataset = ClipDataset(videos, ClipReader.of_clip(first.clip), clips=DEMO_CLIPS)
    rows: list[list[Tensor]] = [[] for _ in encoders]
    bar = tqdm(clip_loader(dataset, batch_size=32, workers=2), desc="embed", unit="batch")
    for batch in bar:
        fixed = first.fixed_features(to_input(batch.flatten(0, 1)))
        for encoder, found in zip(encoders, rows, strict=True):
            found.append(encoder.eval()(fixed).view(*batch.shape[:2], -1))
    return [
        Embeddings(
            ids=tuple(video.id for video in videos),
            clips=torch.cat(found).numpy(),
            encoder=encoder.fingerprint(),
            layer="backbone",
            modality="rgb",
        )
        for encoder, found in zip(encoders, rows, strict=True)
    ]


def _length(recipe: Recipe) -> str:
    """Return the length of a training in words."""
    train = recipe.train
    return f"{train.epochs} epochs" if train.epochs else f"{train.steps} steps"


def _describe_demo(
    encoder: VideoEncoder, recipe: Recipe, split: LabelledSplit, *, level: SampleLevel
) -> list[tuple[str, str]]:
    """Return title and text of each fact in the report."""
    train, clip = recipe.train, recipe.clip
    sample = f"{level}: drawn people doing ten actions; other actors and backgrounds in the test"
    return [
        ("sample", sample),
        ("videos", f"{len(split.train)} for training, {len(split.test)} for the test"),
        ("labels", "not used in training; only for these results and the colours of the map"),
        ("clips", f"{clip.frames} frames, {clip.spacing}, {clip.size} x {clip.size} pixels"),
        ("encoder", f"backbone {encoder.config.backbone}, {encoder.feature_size} features"),
        ("encoder fingerprint", encoder.fingerprint()),
        ("clusters", f"{recipe.clustering.name} on {' and '.join(recipe.rounds.inputs)} clips"),
        ("loss", recipe.loss.name),
        ("training", f"{_length(recipe)}, batch {train.batch_size}, {recipe.optimizer.name}"),
        ("seed", str(train.seed)),
    ]
