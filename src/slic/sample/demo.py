"""The main job on a sample: draw videos, learn from them without labels, find actions, report."""

from pathlib import Path

import numpy as np

from slic.datasets import read_labels
from slic.errors import CheckpointError
from slic.evaluation.scoring import (
    LabelObserver,
    Sides,
    mean_frame_scores,
    score_retrieval,
    sides,
)
from slic.models.encoder import VideoEncoder
from slic.pretraining import pretrain
from slic.pretraining.folder import RunFolder
from slic.pretraining.parts import new_encoder
from slic.recipe import Recipe, load_recipe
from slic.report.embedding_map import embedding_map
from slic.report.retrieval_page import headline, retrieval_rows
from slic.report.run_report import write_report
from slic.runs import read_log
from slic.sample import write_sample
from slic.sample.take import Level
from slic.videos.catalog import Catalog
from slic.videos.thumbnails import small_filmstrip

PROTOCOL = "backbone"


def run_demo(out: Path, *, level: Level = "easy", seed: int = 0) -> Path:
    """Make the sample in ``out/videos``, pretrain in ``out/run``; return the report's path.

    A demo that was stopped goes on where it was; one that is finished is only reported again.

    Raises:
        CheckpointError: A demo of another seed lies there.
    """
    videos, run = out / "videos", RunFolder(out / "run")
    write_sample(videos, level=level)
    catalog, labels = Catalog.from_folder(videos), read_labels(videos / "labels.csv")
    split = sides(catalog, labels, queries="test", gallery="train")
    if run.encoder.exists():
        recipe = load_recipe(run.recipe)
        if recipe.train.seed != seed:
            raise CheckpointError(
                f"{run.path}: was trained with --seed {recipe.train.seed}, not {seed}; give that "
                "one, or another --out."
            )
    else:
        recipe = load_recipe("best", [f"--train.seed={seed}"])
        observer = LabelObserver(labels)
        pretrain(split.gallery, out=run.path, recipe=recipe, resume=run.has_run, observer=observer)
    encoder = VideoEncoder.from_pretrained(run.encoder)
    report = out / "report.html"
    _report(report, encoder, recipe, split, run.path, level=level)
    return report


def _report(
    path: Path, encoder: VideoEncoder, recipe: Recipe, split: Sides, run: Path, *, level: Level
) -> None:
    scores, query, gallery = score_retrieval(encoder, split, protocol=PROTOCOL)
    untrained, _, _ = score_retrieval(new_encoder(recipe).eval(), split, protocol=PROTOCOL)
    beside = {"mean frame": mean_frame_scores(split), "random weights": untrained}
    figures = headline(scores, beside, split)
    print(scores.table())
    to_beat = figures[0].baselines.items()
    print(", ".join(f"{name} R@1 {100 * value:.1f}" for name, value in to_beat))
    by_id = {video.id: video for video in (*split.queries, *split.gallery)}
    log = read_log(RunFolder(run).log_file)
    write_report(
        path,
        title="slic demo",
        facts=_facts(encoder, recipe, split, level=level),
        headline=figures,
        log=log,
        points=embedding_map(
            np.concatenate([query.mean, gallery.mean]),
            [*query.ids, *gallery.ids],
            [*split.query_labels, *split.gallery_labels],
            queries=[True] * len(query.ids) + [False] * len(gallery.ids),
            strip_of=lambda name: small_filmstrip(by_id[name]),
        ),
        rows=retrieval_rows(split, query, gallery, centre=False),
        next_steps=[
            "slic pretrain YOUR_VIDEOS --out run",
            "slic embed YOUR_VIDEOS --encoder run/encoder --out embeddings.npz",
        ],
    )


def _facts(
    encoder: VideoEncoder, recipe: Recipe, split: Sides, *, level: Level
) -> list[tuple[str, str]]:
    train, clip = recipe.train, recipe.clip
    return [
        ("sample", f"{level}: people drawn doing ten actions; test actors and backgrounds unseen"),
        ("videos", f"{len(split.gallery)} to train, {len(split.queries)} to test"),
        ("labels", "none in training; only these figures and the colours of the map use them"),
        ("clips", f"{clip.frames} frames, stride {clip.stride}, {clip.size} x {clip.size} pixels"),
        ("encoder", f"{encoder.config.backbone}, width {encoder.config.width}"),
        ("encoder fingerprint", encoder.fingerprint()),
        ("clusters", f"{recipe.clustering.method} on the {recipe.clustering.view} look"),
        ("loss", recipe.loss.kind),
        ("training", f"{train.epochs} epochs, batch {train.batch_size}, {train.optimizer}"),
        ("seed", str(train.seed)),
    ]
