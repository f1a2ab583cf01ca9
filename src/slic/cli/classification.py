"""Verbs that train a classifier on labels and test it: finetune, linear and probe."""

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.cli.common import (
    Verbs,
    at_least,
    encoder_argument,
    format_command,
    keep_freed_memory,
    labels_argument,
    load_encoder,
    open_labelled,
    print_error,
    print_refused,
    print_table,
    require_file_paths,
    videos_argument,
)

if TYPE_CHECKING:
    from slic.evaluation.classification import ClassificationScores, ClassifierSettings, Problem
    from slic.models.encoder import VideoEncoder

RATE = "of Adam, for the {} (default {:g}, as the paper)"


def add_kinds(kinds: Verbs) -> None:
    """Add ``finetune``, ``linear`` and ``probe`` to ``evaluate``."""
    for name, help_ in (
        ("finetune", "train backbone and a linear layer on labels; ten-crop test"),
        ("linear", "train a linear layer on the frozen backbone, same schedule; ten-crop test"),
    ):
        kind = kinds.add_parser(name, help=help_)
        kind.set_defaults(verb=trained, protocol=name)
        _common_arguments(kind)
        _training_arguments(kind, name)
    kind = kinds.add_parser("probe", help="quick: logistic regression on features made once")
    kind.set_defaults(verb=probed)
    _common_arguments(kind)
    kind.add_argument("--clips", type=at_least(1), default=10, help="clips a video (default 10)")
    kind.add_argument("--seed", type=at_least(0), default=0, help="of the folds (default 0)")
    kind.add_argument("--cache", type=Path, help="folder that keeps the features, also if killed")


def _common_arguments(kind: ArgumentParser) -> None:
    videos_argument(kind)
    encoder_argument(kind)
    labels_argument(kind, required=True)
    kind.add_argument("--train-split", default="train", help="to learn from (default train)")
    kind.add_argument("--test-split", default="test", help="to test on (default test)")
    kind.add_argument(
        "--from-scratch", action="store_true", help="the encoder's architecture, random weights"
    )
    kind.add_argument("--json", type=Path, help="also write the scores to this file")


def _training_arguments(kind: ArgumentParser, name: str) -> None:
    """Add what overrides the paper's settings; absent ones are None, for ``--resume``."""
    kind.add_argument(
        "--out", type=Path, default=Path(name), help=f"folder of the run (default {name})"
    )
    kind.add_argument("--resume", action="store_true", help="go on with the run in --out")
    kind.add_argument(
        "--epochs",
        type=at_least(1),
        help="default 150; the rates are divided by 10 at 60/150 and 100/150 of them",
    )
    kind.add_argument("--batch-size", type=at_least(1), help="clips a step (default 32)")
    kind.add_argument("--learning-rate", type=float, help=RATE.format("linear layer", 1e-3))
    if name == "finetune":
        rate_help = RATE.format("backbone", 1e-4)
        kind.add_argument("--backbone-learning-rate", type=float, help=rate_help)
    kind.add_argument("--weight-decay", type=float, help="default 0.001, as the paper")
    kind.add_argument("--dropout", type=float, help="default 0.9; of `finetune` as the paper")
    kind.add_argument("--precision", choices=("fp32", "bf16"), help="default fp32")
    kind.add_argument("--seed", type=at_least(0), help="default 0")


def trained(arguments: Namespace) -> None:
    """Score fine-tuning, or a linear layer trained on the frozen backbone."""
    from slic.evaluation.classification import classify
    from slic.runs import StopRequested

    require_file_paths(arguments.json)
    settings = _settings(arguments)
    encoder = encoder_of(arguments, seed=settings.seed)
    keep_freed_memory()
    try:
        scores = classify(
            encoder,
            _problem(arguments),
            protocol=arguments.protocol,
            settings=settings,
            out=arguments.out,
            resume=arguments.resume,
            workers=arguments.workers,
        )
    except StopRequested:
        sys.exit(print_error(f"stopped and saved. Go on with: {_resume_words(arguments)}", 130))
    _tell(scores, encoder, arguments, settings=asdict(settings))
    if arguments.protocol == "finetune":
        print(f"{arguments.out / 'encoder'}: the fine-tuned encoder, without a head")


def probed(arguments: Namespace) -> None:
    """Score a logistic regression on backbone features."""
    from slic.evaluation.classification import probe

    require_file_paths(arguments.json)
    encoder = encoder_of(arguments, seed=arguments.seed)
    scores = probe(
        encoder,
        _problem(arguments),
        clips=arguments.clips,
        seed=arguments.seed,
        cache=arguments.cache,
        workers=arguments.workers,
    )
    _tell(scores, encoder, arguments)


def _settings(arguments: Namespace) -> "ClassifierSettings":
    """Return the settings of the command line; those of the run to resume where it gives none."""
    from slic.evaluation.classification import ClassifierSettings
    from slic.evaluation.classification.folder import stored_settings

    names = [field.name for field in fields(ClassifierSettings)]
    given = {name: getattr(arguments, name, None) for name in names}
    before = stored_settings(arguments.out) if arguments.resume else {}
    return ClassifierSettings(**before | {k: v for k, v in given.items() if v is not None})


def encoder_of(arguments: Namespace, *, seed: int) -> "VideoEncoder":
    """Return the encoder to test, or one like it with random weights, on the GPU if any."""
    from slic.evaluation.classification.model import fresh_encoder

    encoder = load_encoder(arguments.encoder)
    if not arguments.from_scratch:
        return encoder
    return fresh_encoder(encoder.config, seed=seed).eval().to(next(encoder.parameters()).device)


def _problem(arguments: Namespace) -> "Problem":
    from slic.evaluation.classification import split_videos

    catalog, labels = open_labelled(
        arguments.videos,
        labels=arguments.labels,
        annotations=arguments.annotations,
        workers=arguments.workers,
    )
    print_refused(catalog.refused, file=sys.stderr)
    catalog.require_usable()
    return split_videos(catalog, labels, train=arguments.train_split, test=arguments.test_split)


def _tell(
    scores: "ClassificationScores", encoder: "VideoEncoder", arguments: Namespace, **about: Any
) -> None:
    """Print the table and write the JSON file."""
    from slic.files import write_atomically

    weights = "from scratch" if arguments.from_scratch else str(arguments.encoder)
    print_table(scores.table())
    print(f"encoder {encoder.fingerprint()} ({weights})")
    if arguments.json:
        figures = scores.as_dict() | {
            "encoder": encoder.fingerprint(),
            "from_scratch": arguments.from_scratch,
            "labels": arguments.labels,
            "splits": f"train {arguments.train_split}, test {arguments.test_split}",
            **about,
        }
        write_atomically(arguments.json, json.dumps(figures, indent=2).encode())


def _resume_words(arguments: Namespace) -> str:
    """Return the command that goes on with a stopped run; its settings lie in the folder."""
    words = ["evaluate", arguments.protocol, arguments.videos]
    for name in ("encoder", "labels", "annotations", "train_split", "test_split", "out", "json"):
        if value := getattr(arguments, name):
            words += [f"--{name.replace('_', '-')}", value]
    words += ["--from-scratch"] if arguments.from_scratch else []
    return format_command(*words, "--resume")
