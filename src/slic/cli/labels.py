"""``slic labels`` and ``slic classify``: label moments, and classify videos by the labels."""

import json
import sys
from argparse import ArgumentTypeError, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.cli.common import UsageError, open_catalog, open_index
from slic.cli.output import format_command, print_refused, printable
from slic.cli.parser import Verbs, add_verb
from slic.cli.search import require_moment
from slic.cli.weights import add_weights

if TYPE_CHECKING:
    from slic.search import Index, MomentClassifier, TextClassifier, VideoPrediction
    from slic.videos.catalog import Catalog

TARGET_HELP = "number of a cluster of the current level, or PATH@SECONDS for a moment"


def add_verbs(verbs: Verbs) -> None:
    """Add ``labels`` with its verbs, and ``classify``."""
    labels = verbs.add_parser("labels", help="set, list, spread, undo, export or import labels")
    _add_label_verbs(labels.add_subparsers(required=True, metavar="VERB"))
    verb = add_verb(verbs, "classify", classify, "classify videos by the labels of an index")
    verb.add_index()
    text = "a video, a folder or a list; with --classes, the default is the videos of the index"
    verb.add_argument("videos", type=Path, nargs="?", help=text)
    text = "classify by the class names of this file, one on a line, without labelled examples"
    verb.add_path("--classes", text)
    text = "with --classes, the text of a class (default: 'a video of a person {}')"
    verb.add_argument("--template", metavar="TEXT", help=text)
    add_weights(verb, "; without --classes")
    verb.add_workers()
    verb.add_switch("--json", "print JSON, with times")


def _add_label_verbs(verbs: Verbs) -> None:
    parsers = {}
    for name, function, summary in (
        ("set", change_label, "set the label of a cluster or a moment"),
        ("remove", change_label, "remove the labels of a cluster or a moment"),
        ("list", list_classes, "list the labels, and how well they classify each other"),
        ("spread", spread, "label moments that are similar to labelled ones"),
        ("undo", undo, "undo the last change of labels"),
        ("export", export, "write the labels to a file or folder"),
        ("import", import_file, "read labels from a file"),
    ):
        description = f"{summary[0].upper()}{summary[1:]}."
        parsers[name] = add_verb(verbs, name, function, summary, description=description)
        parsers[name].add_index()
    for name in ("set", "remove"):
        parsers[name].add_argument("target", metavar="CLUSTER_OR_MOMENT", help=TARGET_HELP)
    parsers["set"].add_argument("label", metavar="LABEL", help="class name")
    parsers["remove"].set_defaults(label=None)
    text = "least share of the votes, from 0 to 1 (default: 0.5)"
    parsers["spread"].add_argument(
        "--confidence", type=_confidence, default=0.5, metavar="SHARE", help=text
    )
    text = (
        ".csv: one label per video, for --labels of other commands; .json: all labelled "
        "segments, for `slic labels import`; else a folder for FiftyOne"
    )
    add_weights(parsers["spread"])
    parsers["export"].add_argument("path", type=Path, help=text)
    parsers["export"].add_switch("--segments", "in a .csv, write one row per labelled segment")
    text = "file that `slic labels export` wrote, or a .csv with the columns path,label"
    parsers["import"].add_argument("path", type=Path, help=text)


def change_label(arguments: Namespace) -> None:
    """Set the label of a cluster or a moment, or remove it."""
    from slic.search import label_cluster, set_label

    index, target, label = open_index(arguments.index), arguments.target, arguments.label
    if target.isdecimal():
        moments, _ = label_cluster(index, int(target), label)
    else:
        moments, _ = set_label(index, [require_moment(index, target)], label)
    if label is not None:
        _print_change(arguments, f"{moments} moments are labelled {label.strip()!r}.")
    elif moments:
        _print_change(arguments, f"{moments} moments lost their label.")
    else:
        print("0 moments lost their label.")


def list_classes(arguments: Namespace) -> None:
    """List the labels with their numbers of segments, and the scores of the classifier."""
    from slic.search import MomentClassifier, labels_of_moments, list_labels

    index = open_index(arguments.index)
    labels = list_labels(index)
    for label in sorted({segment.label for segment in labels}):
        sources = [segment.source for segment in labels if segment.label == label]
        print(f"{label:24} {sources.count('given'):7} given  {sources.count('spread'):7} spread")
    given = [value for value in labels_of_moments(index).values() if value.source == "given"]
    if len(given) > 1:
        print(_describe_scores(MomentClassifier.from_index(index)), file=sys.stderr)
    elif not labels:
        command = format_command("labels", "set", index.path, "CLUSTER_OR_MOMENT", "LABEL")
        print(f"no labels yet: {command}", file=sys.stderr)


def spread(arguments: Namespace) -> None:
    """Label unlabelled moments by the votes of labelled ones."""
    from slic.search import spread_labels

    index = open_index(arguments.index)
    confidence, weights = arguments.confidence, arguments.weights
    count = spread_labels(index, min_confidence=confidence, weights=weights)
    _print_change(arguments, f"{count} moments labelled.")


def undo(arguments: Namespace) -> None:
    """Undo the last change of labels."""
    from slic.search import undo_label_change

    count = undo_label_change(open_index(arguments.index))
    print(f"{count} labels are as they were before the last change.")


def export(arguments: Namespace) -> None:
    """Write the labels to a file or folder."""
    from slic.search import export_labels

    if arguments.segments and arguments.path.suffix.lower() != ".csv":
        raise UsageError("--segments is for a .csv file.")
    index = open_index(arguments.index)
    count = export_labels(index, arguments.path, per_segment=arguments.segments)
    print(f"{arguments.path}: {count} labels written.")


def import_file(arguments: Namespace) -> None:
    """Read labels from a file."""
    from slic.search import import_labels

    count = import_labels(open_index(arguments.index), arguments.path)
    _print_change(arguments, f"{count} labels read.")


def classify(arguments: Namespace) -> None:
    """Classify videos by the labels of an index, or by class names."""
    from slic.search import MomentClassifier

    _check_classify_usage(arguments)
    index = open_index(arguments.index)
    classifier = (
        _text_classifier(index, arguments)
        if arguments.classes
        else MomentClassifier.from_index(index, weights=arguments.weights)
    )
    predictions = _predict(index, classifier, arguments)
    if arguments.json:
        document = _about(classifier) | {"videos": list(map(asdict, predictions))}
        print(json.dumps(document, indent=1))
        return
    for p in predictions:
        print(f"{p.label or 'unknown':24} {p.confidence:5.2f}  {printable(p.path)}")
    print(_describe_quality(classifier), file=sys.stderr)


def _check_classify_usage(arguments: Namespace) -> None:
    if arguments.classes is None and arguments.videos is None:
        raise UsageError("give the videos to classify, or --classes.")
    if arguments.classes is None and arguments.template is not None:
        raise UsageError("--template is for --classes.")
    if arguments.classes is not None and arguments.weights:
        raise UsageError("--weights is for classifying by labels; --classes compares texts only.")


def _text_classifier(index: "Index", arguments: Namespace) -> "TextClassifier":
    from slic.search import TextClassifier, read_class_names
    from slic.search.zero_shot import DEFAULT_TEMPLATE

    names = read_class_names(arguments.classes)
    template = arguments.template or DEFAULT_TEMPLATE
    return TextClassifier.from_index(index, names, template=template)


def _predict(
    index: "Index", classifier: "MomentClassifier | TextClassifier", arguments: Namespace
) -> "list[VideoPrediction]":
    """Classify the given videos, or else those of the index; print which are refused."""
    from slic.search import classify_index, classify_videos
    from slic.videos.video import Refused

    if arguments.videos is None:
        return list(classify_index(index, classifier))
    catalog = _open_videos(arguments.videos, arguments.workers or None)
    print_refused(catalog.refused)
    predictions = []
    for result in classify_videos(index, classifier, catalog.videos, workers=arguments.workers):
        if isinstance(result, Refused):
            print_refused([result])
        else:
            predictions.append(result)
    return predictions


def _about(classifier: "MomentClassifier | TextClassifier") -> dict[str, Any]:
    from slic.search import MomentClassifier

    if isinstance(classifier, MomentClassifier):
        return {"threshold": classifier.threshold, "leave_one_out": asdict(classifier.scores)}
    return {"protocol": classifier.protocol, "template": classifier.template}


def _print_change(arguments: Namespace, message: str) -> None:
    print(f"{message} Undo with: {format_command('labels', 'undo', arguments.index)}")


def _open_videos(path: Path, workers: int | None) -> "Catalog":
    """Return the catalog of a single video file, a folder or a list."""
    from slic.videos.catalog import Catalog
    from slic.videos.inspection import inspect_video
    from slic.videos.scanning import VIDEO_SUFFIXES

    if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir():
        return Catalog(root=path.parent, videos=(inspect_video(path, path.name),))
    return open_catalog(path, workers)


def _confidence(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{word!r} is not a confidence from 0 to 1")
    return value


def _describe_quality(classifier: "MomentClassifier | TextClassifier") -> str:
    from slic.search import MomentClassifier

    if isinstance(classifier, MomentClassifier):
        return _describe_scores(classifier)
    return classifier.protocol


def _describe_scores(classifier: "MomentClassifier") -> str:
    scores = classifier.scores
    return (
        f"Of the labelled moments, left out one by one, {scores.correct:.0%} are classified "
        f"correctly, {scores.wrong:.0%} wrongly, {scores.unknown:.0%} as unknown "
        f"(below a similarity of {classifier.threshold:.3f})."
    )
