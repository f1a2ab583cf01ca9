"""Verbs that make encoders and embeddings."""

import sys
from argparse import BooleanOptionalAction, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import (
    Verbs,
    at_least,
    cache_argument,
    encoder_argument,
    feature_cache,
    format_command,
    is_main_process,
    keep_freed_memory,
    labels_argument,
    load_encoder,
    open_catalog,
    open_labelled,
    print_error,
    print_next_command,
    print_refused,
    videos_argument,
)
from slic.errors import CatalogError, CheckpointError

if TYPE_CHECKING:
    from slic.datasets import Labels
    from slic.videos.catalog import Catalog


def add_verbs(verbs: Verbs) -> None:
    """Add ``pretrain``, ``embed``, ``import-official`` and ``demo``."""
    verb = verbs.add_parser(
        "pretrain",
        help="learn an encoder from unlabelled videos",
        description="Any setting of the recipe can follow as --section.key=value, "
        "for instance --train.epochs=100 --clip.size=112.",
    )
    verb.set_defaults(verb=pretrain)
    videos_argument(verb)
    verb.add_argument("--recipe", help="name or YAML file (default best)")
    verb.add_argument("--out", type=Path, default=Path("run"), help="run folder (default run)")
    verb.add_argument("--resume", action="store_true", help="go on with the run in --out")
    verb.add_argument("--split", help="train on this split of --labels only")
    labels_argument(verb, required=False, use=": to log how well clusters agree, and for --split")

    verb = verbs.add_parser("embed", help="write the embeddings of videos")
    verb.set_defaults(verb=embed)
    videos_argument(verb)
    encoder_argument(verb)
    verb.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    verb.add_argument("--clips", type=at_least(1), default=10, help="clips a video (default 10)")
    verb.add_argument("--layer", choices=("head", "backbone"), default="head")
    verb.add_argument("--modality", choices=("rgb", "flow"), default="rgb")
    cache_argument(verb)

    verb = verbs.add_parser(
        "import-official",
        help="turn a checkpoint of SLIC's authors or of 3D-ResNets-PyTorch into an encoder",
    )
    verb.set_defaults(verb=import_official)
    verb.add_argument("file", type=Path, help="the .pth or .pth.tar file")
    verb.add_argument("out", type=Path, help="the encoder's folder to write")
    verb.add_argument(
        "--trained-on",
        choices=("ucf101", "kinetics400"),
        required=True,
        help="the set whose pixel normalisation the network was trained with",
    )
    verb.add_argument(
        "--max-pool",
        action=BooleanOptionalAction,
        help="whether one follows the stem (default: no for SLIC, yes for 3D-ResNets-PyTorch)",
    )
    verb.add_argument("--frames", type=at_least(1), default=16, help="of a clip (default 16)")
    verb.add_argument("--stride", type=at_least(1), default=1, help="between them (default 1)")
    verb.add_argument(
        "--size", type=at_least(8), help="of a clip, pixels (default 128, 3D-ResNets-PyTorch 112)"
    )

    verb = verbs.add_parser("demo", help="sample, pretrain, evaluate and report, in minutes")
    verb.set_defaults(verb=demo)
    verb.add_argument("--out", type=Path, default=Path("demo"))
    verb.add_argument("--level", choices=("easy", "hard"), default="easy")
    verb.add_argument("--seed", type=at_least(0), default=0)


def pretrain(arguments: Namespace) -> None:
    """Learn an encoder."""
    from slic.evaluation.scoring import LabelObserver
    from slic.pretraining import StopRequested
    from slic.pretraining import pretrain as run
    from slic.recipe import load_recipe

    out: Path = arguments.out
    recipe_source = arguments.recipe
    if arguments.resume and not arguments.settings and recipe_source is None:
        recipe_source = out / "recipe.yaml"
        if not recipe_source.exists():
            raise CheckpointError(f"{out}: there is no run to resume; leave --resume out.")
    recipe = load_recipe(recipe_source or "best", arguments.settings)
    catalog, labels = _catalog_and_labels(arguments)
    if is_main_process():
        print_refused(catalog.refused, file=sys.stderr)
    if arguments.split:
        catalog.require_usable()  # a split does not know what was refused
        catalog = _split(catalog, labels, arguments.split)
    observer = LabelObserver(labels) if labels else None
    keep_freed_memory()
    try:
        result = run(catalog, out=out, recipe=recipe, resume=arguments.resume, observer=observer)
    except StopRequested:
        sys.exit(print_error(f"stopped and saved. Go on with: {_resume_words(arguments)}", 130))
    if is_main_process():
        print(f"{result.encoder}: encoder after {result.steps} steps, {result.seconds:.0f} s.")
        print_next_command("index", arguments.videos, "--encoder", result.encoder, "--out", "index")


def embed(arguments: Namespace) -> None:
    """Write the embeddings of a collection."""
    from slic.embeddings import embed as run

    encoder = load_encoder(arguments.encoder)
    catalog = open_catalog(arguments.videos, arguments.workers)
    print_refused(catalog.refused, file=sys.stderr)
    with feature_cache(arguments.cache, arguments.out) as cache:
        embeddings = run(
            encoder,
            catalog,
            clips=arguments.clips,
            layer=arguments.layer,
            modality=arguments.modality,
            workers=arguments.workers,
            cache=cache,
        )
        embeddings.save(arguments.out)
    n, clips, d = embeddings.clips.shape
    print(
        f"{arguments.out}: {n} videos x {clips} clips x {d} numbers, encoder {embeddings.encoder}"
    )


def import_official(arguments: Namespace) -> None:
    """Write an encoder with the weights of a checkpoint from elsewhere."""
    from slic.models.official import load_official

    options = ("trained_on", "max_pool", "frames", "stride", "size")
    encoder, left_out = load_official(
        arguments.file, **{name: getattr(arguments, name) for name in options}
    )
    encoder.save_pretrained(arguments.out)
    config = encoder.config
    weights = len(encoder.state_dict())
    print(
        f"{arguments.out}: {config.backbone}, width {config.width:g}, clips of {config.frames} x "
        f"{config.size} x {config.size}; all {weights} weights of the file are in it"
        + (f" but the classifier ({', '.join(left_out)})." if left_out else ".")
    )
    print(
        f"head: {config.hidden} hidden, {config.embedding} out."
        if config.embedding
        else "head: none in the file; embeddings are the backbone's features."
    )
    print_next_command("index", "VIDEOS", "--encoder", arguments.out, "--out", "index")


def demo(arguments: Namespace) -> None:
    """Sample, pretrain, evaluate, report."""
    from slic.sample.demo import run_demo

    keep_freed_memory()
    next_steps = (
        "slic pretrain YOUR_VIDEOS --out run",
        "slic embed YOUR_VIDEOS --encoder run/encoder --out embeddings.npz",
    )
    report = run_demo(
        arguments.out, level=arguments.level, seed=arguments.seed, next_steps=next_steps
    )
    print(f"report: {report}")


def _resume_words(arguments: Namespace) -> str:
    """Return the command that goes on with a stopped run."""
    words = ["pretrain", arguments.videos, "--out", arguments.out, "--resume"]
    for option in ("labels", "annotations", "split"):
        if value := getattr(arguments, option):
            words += [f"--{option}", value]
    return format_command(*words)


def _catalog_and_labels(arguments: Namespace) -> tuple["Catalog", "Labels | None"]:
    if not arguments.labels:
        if arguments.annotations:
            raise CatalogError("--annotations needs --labels, which name the set of the lists.")
        return open_catalog(arguments.videos, None), None
    return open_labelled(
        arguments.videos, labels=arguments.labels, annotations=arguments.annotations, workers=None
    )


def _split(catalog: "Catalog", labels: "Labels | None", name: str) -> "Catalog":
    if labels is None:
        raise CatalogError("--split needs --labels, which say what video is in it.")
    listed, there = labels.ids(name), {video.id for video in catalog}
    if not (ids := [video_id for video_id in listed if video_id in there]):
        raise CatalogError(
            f"{catalog.root}: none of the {len(listed)} videos of split {name!r} is there, "
            f"the first is {listed[0]!r}."
        )
    return catalog.subset(ids)
