"""The ``slic`` command: one function per verb, wiring only.

The rooms are imported inside the verbs, so that ``slic --help`` does not wait for torch.
"""

import json
import os
import shlex
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from slic.errors import CatalogError, CheckpointError, SlicError

if TYPE_CHECKING:
    from slic.labels import Labels
    from slic.videos.catalog import Catalog

DESCRIPTION = """Learn from unlabelled videos of human action, then search and compare them.

  slic sample videos                        make a sample data set
  slic pretrain videos/train --out run      learn an encoder without labels
  slic evaluate retrieval videos --labels videos/labels.csv --encoder run/encoder
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; a `SlicError` is one line and exit code 1, wrong usage exit code 2."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.verb is not pretrain:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.settings = rest
    try:
        arguments.verb(arguments)
    except SlicError as error:
        sys.exit(_said(str(error), 1))
    except KeyboardInterrupt:
        sys.exit(_said("stopped.", 130))
    except BrokenPipeError:  # the reader of our output, such as `head`, went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def sample(arguments: Namespace) -> None:
    """Write the sample data set."""
    from slic.videos.synthetic import write_sample

    write_sample(
        arguments.folder,
        level=arguments.level,
        train=arguments.train,
        test=arguments.test,
        seed=arguments.seed,
        workers=arguments.workers,
    )
    print(f"{arguments.folder}: {arguments.train} training and {arguments.test} test videos.")
    print(f"next: slic pretrain {arguments.folder / 'train'} --out run")


def scan(arguments: Namespace) -> None:
    """List what can be read and what cannot."""
    catalog = _catalog(arguments.videos, arguments.workers)
    hours = sum(video.duration_seconds for video in catalog) / 3600
    if arguments.json:
        videos = [
            {"id": v.id, "frames": v.frames, "fps": v.fps, "width": v.width, "height": v.height}
            for v in catalog
        ]
        refused = [{"id": r.id, "reason": r.reason} for r in catalog.refused]
        print(json.dumps({"root": str(catalog.root), "videos": videos, "refused": refused}))
        return
    print(f"{arguments.videos}: {len(catalog)} videos, {hours:.2f} hours.")
    _print_refused(catalog)


def pretrain(arguments: Namespace) -> None:
    """Learn an encoder."""
    from slic.evaluation.scoring import LabelObserver
    from slic.labels import read_labels
    from slic.pretraining import StopRequested
    from slic.pretraining import pretrain as run
    from slic.recipe import load_recipe

    out: Path = arguments.out
    labels = read_labels(arguments.labels) if arguments.labels else None
    recipe_source = arguments.recipe
    if arguments.resume and not arguments.settings and recipe_source is None:
        recipe_source = out / "recipe.yaml"
        if not recipe_source.exists():
            raise CheckpointError(f"{out}: there is no run to resume; leave --resume out.")
    recipe = load_recipe(recipe_source or "small", arguments.settings)
    catalog = _catalog(arguments.videos, None)
    if int(os.environ.get("RANK", "0")) == 0:
        _print_refused(catalog, file=sys.stderr)
    if arguments.split:
        catalog = _split(catalog, labels, arguments.split)
    observer = LabelObserver(labels) if labels else None
    try:
        result = run(catalog, out=out, recipe=recipe, resume=arguments.resume, observer=observer)
    except StopRequested:
        sys.exit(_said(f"stopped and saved. Go on with: {_resume_words(arguments)}", 130))
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"{result.encoder}: encoder after {result.steps} steps, {result.seconds:.0f} s.")
        print(
            f"next: slic embed {arguments.videos} --encoder {result.encoder} --out embeddings.npz"
        )


def embed(arguments: Namespace) -> None:
    """Write the embeddings of a collection."""
    from slic.embeddings import embed as run
    from slic.encoders.encoder import VideoEncoder

    encoder = VideoEncoder.from_pretrained(arguments.encoder)
    catalog = _catalog(arguments.videos, arguments.workers)
    _print_refused(catalog, file=sys.stderr)
    embeddings = run(
        encoder,
        catalog,
        clips=arguments.clips,
        layer=arguments.layer,
        view=arguments.view,
        workers=arguments.workers,
    )
    embeddings.save(arguments.out)
    n, clips, d = embeddings.clips.shape
    print(
        f"{arguments.out}: {n} videos x {clips} clips x {d} numbers, encoder {embeddings.encoder}"
    )


def retrieval(arguments: Namespace) -> None:
    """Score nearest-neighbour retrieval by a named protocol."""
    from slic.encoders.encoder import VideoEncoder
    from slic.evaluation.scoring import chance, mean_frame_scores, score_retrieval, sides
    from slic.files import write_atomically
    from slic.labels import read_labels

    labels = read_labels(arguments.labels)
    encoder = VideoEncoder.from_pretrained(arguments.encoder)
    catalog = _catalog(arguments.videos, arguments.workers)
    _print_refused(catalog, file=sys.stderr)
    split = sides(catalog, labels, queries=arguments.queries, gallery=arguments.gallery)
    scores, _, _ = score_retrieval(
        encoder, split, protocol=arguments.protocol, workers=arguments.workers
    )
    baselines = {"chance": chance(split), "mean frame": mean_frame_scores(split).recall[1]}
    print(scores.table())
    print(", ".join(f"{name} R@1 {100 * value:.1f}" for name, value in baselines.items()))
    if arguments.json:
        figures = scores.as_dict() | {
            "encoder": encoder.fingerprint(),
            "baselines_recall_at_1": baselines,
        }
        write_atomically(arguments.json, json.dumps(figures, indent=2).encode())


def demo(arguments: Namespace) -> None:
    """Sample, pretrain, evaluate, report."""
    from slic.demo import run_demo

    report = run_demo(arguments.out, level=arguments.level, seed=arguments.seed)
    print(f"report: {report}")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "slic", description=DESCRIPTION, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("sample", help="write a sample data set of drawn people in action")
    verb.set_defaults(verb=sample)
    verb.add_argument("folder", type=Path)
    verb.add_argument("--level", choices=("easy", "hard"), default="easy")
    verb.add_argument(
        "--train", type=_at_least(0), default=400, help="training videos (default 400)"
    )
    verb.add_argument("--test", type=_at_least(0), default=120, help="test videos (default 120)")
    verb.add_argument("--seed", type=_at_least(0), default=0)
    verb.add_argument("--workers", type=_at_least(1), help="processes (default: all cores)")

    verb = verbs.add_parser("scan", help="list which videos can be read, and why others cannot")
    verb.set_defaults(verb=scan)
    _videos(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.add_argument("--workers", type=_at_least(1))

    verb = verbs.add_parser(
        "pretrain",
        help="learn an encoder from unlabelled videos",
        description="Any setting of the recipe can follow as --section.key=value, "
        "for instance --train.epochs=100 --clip.size=112.",
    )
    verb.set_defaults(verb=pretrain)
    _videos(verb)
    verb.add_argument("--recipe", help="name or YAML file (default small)")
    verb.add_argument("--out", type=Path, default=Path("run"), help="run folder (default run)")
    verb.add_argument("--resume", action="store_true", help="go on with the run in --out")
    verb.add_argument("--split", help="train on this split of --labels only")
    verb.add_argument(
        "--labels", type=Path, help="CSV path,label[,split]: only to log how well clusters agree"
    )

    verb = verbs.add_parser("embed", help="write the embeddings of videos")
    verb.set_defaults(verb=embed)
    _videos(verb)
    _encoder(verb)
    verb.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    verb.add_argument("--clips", type=_at_least(1), default=10, help="clips a video (default 10)")
    verb.add_argument("--layer", choices=("head", "backbone"), default="head")
    verb.add_argument("--view", choices=("rgb", "flow"), default="rgb")

    verb = verbs.add_parser("evaluate", help="score an encoder against labels")
    kinds = verb.add_subparsers(required=True, metavar="WHAT")
    kind = kinds.add_parser("retrieval", help="nearest neighbours of one split in another")
    kind.set_defaults(verb=retrieval)
    _videos(kind)
    _encoder(kind)
    kind.add_argument("--labels", type=Path, required=True, help="CSV path,label,split")
    kind.add_argument("--queries", default="test", help="split of the queries (default test)")
    kind.add_argument("--gallery", default="train", help="split of the gallery (default train)")
    kind.add_argument("--protocol", default="paper", help="paper, backbone, ... (default paper)")
    kind.add_argument("--json", type=Path, help="also write the scores to this file")

    verb = verbs.add_parser("demo", help="sample, pretrain, evaluate and report, in minutes")
    verb.set_defaults(verb=demo)
    verb.add_argument("--out", type=Path, default=Path("demo"))
    verb.add_argument("--level", choices=("easy", "hard"), default="easy")
    verb.add_argument("--seed", type=_at_least(0), default=0)
    return parser


def _videos(verb: ArgumentParser) -> None:
    verb.add_argument("videos", type=Path, help="folder of videos, or a CSV or Parquet list")


def _encoder(verb: ArgumentParser) -> None:
    verb.add_argument("--encoder", type=Path, required=True, help="folder that a run wrote")
    verb.add_argument(
        "--workers", type=_at_least(0), default=2, help="processes that decode (default 2)"
    )


def _at_least(least: int) -> Callable[[str], int]:
    """Return a converter for whole numbers that are not below ``least``."""

    def number(word: str) -> int:
        if not word.isdecimal() or int(word) < least:
            raise ArgumentTypeError(f"{word!r} is not a whole number of at least {least}")
        return int(word)

    return number


def _resume_words(arguments: Namespace) -> str:
    """Return the command that goes on with a stopped run."""
    words = ["slic", "pretrain", arguments.videos, "--out", arguments.out, "--resume"]
    for option in ("labels", "split"):
        if value := getattr(arguments, option):
            words += [f"--{option}", value]
    return shlex.join(str(word) for word in words)


def _version() -> str:
    from slic import __version__

    return f"slic {__version__}"


def _catalog(videos: Path, workers: int | None) -> "Catalog":
    from slic.videos.catalog import Catalog

    if videos.suffix.lower() in (".csv", ".parquet"):
        return Catalog.from_list(videos, workers=workers)
    return Catalog.from_folder(videos, workers=workers)


def _split(catalog: "Catalog", labels: "Labels | None", name: str) -> "Catalog":
    if labels is None:
        raise CatalogError("--split needs --labels, the CSV file that says which video is in it.")
    there = {video.id for video in catalog}
    return catalog.subset([video_id for video_id in labels.ids(name) if video_id in there])


def _print_refused(catalog: "Catalog", file: TextIO | None = None) -> None:
    for refused in catalog.refused:
        print(f"refused: {refused.id}: {refused.reason}", file=file or sys.stdout)


def _said(message: str, code: int) -> int:
    print(f"slic: {message}", file=sys.stderr)
    return code
