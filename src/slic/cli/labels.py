"""``slic labels`` and ``slic classify``: label moments, and classify videos by the labels."""

import sys
from argparse import ArgumentTypeError, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.cli import label_files
from slic.cli.common import UsageError, open_catalog, open_index
from slic.cli.output import format_command, print_json, print_refused, print_result, printable
from slic.cli.parser import Verbs, add_verb
from slic.cli.search import require_moment
from slic.cli.weights import add_weights
from slic.storage import location

if TYPE_CHECKING:
    from slic.search import Index, MomentClassifier, TextClassifier, VideoPrediction
    from slic.videos.catalog import Catalog

TARGET_HELP = "number of a cluster of the current level, or PATH@SECONDS for a moment"


def add_verbs(verbs: Verbs) -> None:
    """Add ``labels`` with its verbs, and ``classify``."""
    labels = verbs.add_parser(
        "labels", help="set, list, spread, undo, export, import or cut labels"
    )
    _add_label_verbs(labels.add_subparsers(required=True, metavar="VERB"))
    verb = add_verb(verbs, "classify", classify, "classify videos by the labels of an index")
    verb.add_index()
    text = "a video, a folder or a list; with --classes, the default is the videos of the index"
    verb.add_argument("videos", type=location, nargs="?", help=text)
    text = "classify by the class names of this file, one on a line, without labelled examples"
    verb.add_path("--classes", text)
    verb.only_with("--template", "--classes")
    text = "with --classes, the text of a class (default: 'a video of a person {}')"
    verb.add_argument("--template", metavar="TEXT", help=text)
    add_weights(verb, "; without --classes")
    verb.add_workers()
    verb.add_json()


def _add_label_verbs(verbs: Verbs) -> None:
    parsers = {}
    for name, function, summary in (
        ("set", change_label, "set the label of a cluster or a moment"),
        ("remove", change_label, "remove the labels of a cluster or a moment"),
        ("list", list_classes, "list the labels, and how well they classify each other"),
        ("spread", spread, "label moments that are similar to labelled ones"),
        ("undo", undo, "undo the last change of labels"),
    ):
        description = f"{summary[0].upper()}{summary[1:]}."
        parsers[name] = add_verb(verbs, name, function, summary, description=description)
        parsers[name].add_index()
        parsers[name].add_json()
    for name in ("set", "remove"):
        parsers[name].add_argument("target", metavar="CLUSTER_OR_MOMENT", help=TARGET_HELP)
    parsers["set"].add_argument("label", metavar="LABEL", help="class name")
    parsers["remove"].set_defaults(label=None)
    text = "least share of the votes, from 0 to 1 (default: 0.5)"
    parsers["spread"].add_argument(
        "--confidence", type=_confidence, default=0.5, metavar="SHARE", help=text
    )
    add_weights(parsers["spread"])
    label_files.add_verbs(verbs)


def change_label(arguments: Namespace) -> None:
    """Set the label of a cluster or a moment, or remove it."""
    from slic.search import label_cluster, set_label

    index, target, label = open_index(arguments.index), arguments.target, arguments.label
    if target.isdecimal():
        moments, _ = label_cluster(index, int(target), label)
    else:
        moments, _ = set_label(index, [require_moment(index, target)], label)
    document = {"moments": moments, "label": label and label.strip()}
    if label is not None:
        are = "moment is" if moments == 1 else "moments are"
        _print_change(arguments, document, f"{moments} {are} labelled {label.strip()!r}.")
    elif moments:
        _print_change(arguments, document, f"{moments} moments lost their label.")
    else:
        print_result(arguments, document, "0 moments lost their label.")


def list_classes(arguments: Namespace) -> None:
    """List the labels with their numbers of segments, and the scores of the classifier."""
    from slic.search import MomentClassifier, labels_of_moments, list_labels

    index = open_index(arguments.index)
    labels = list_labels(index)
    counts = {}
    for label in sorted({segment.label for segment in labels}):
        sources = [segment.source for segment in labels if segment.label == label]
        counts[label] = {source: sources.count(source) for source in ("given", "spread")}
    given = [value for value in labels_of_moments(index).values() if value.source == "given"]
    classifier = MomentClassifier.from_index(index) if len(given) > 1 else None
    if arguments.json:
        print_json({"labels": counts} | (_about(classifier) if classifier else {}))
        return
    for label, count in counts.items():
        print(f"{printable(label):24} {count['given']:7} given  {count['spread']:7} spread")
    if classifier:
        print(_describe_scores(classifier), file=sys.stderr)
    elif not labels:
        command = format_command("labels", "set", index.path, "CLUSTER_OR_MOMENT", "LABEL")
        print(f"no labels yet: {command}", file=sys.stderr)


def spread(arguments: Namespace) -> None:
    """Label unlabelled moments by the votes of labelled ones."""
    from slic.search import spread_labels

    index = open_index(arguments.index)
    confidence, weights = arguments.confidence, arguments.weights
    count = spread_labels(index, min_confidence=confidence, weights=weights)
    _print_change(arguments, {"moments": count}, f"{count} moments labelled.")


def undo(arguments: Namespace) -> None:
    """Undo the last change of labels."""
    from slic.search import undo_label_change

    count = undo_label_change(open_index(arguments.index))
    line = f"{count} labels are as they were before the last change."
    print_result(arguments, {"labels": count}, line)


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
        print_json(document)
        return
    for p in predictions:
        print(f"{printable(p.label or 'unknown'):24} {p.confidence:5.2f}  {printable(p.path)}")
    print(_describe_quality(classifier), file=sys.stderr)


def _check_classify_usage(arguments: Namespace) -> None:
    if arguments.classes is None and arguments.videos is None:
        raise UsageError("give the videos to classify, or --classes.")
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


def _print_change(arguments: Namespace, document: dict[str, Any], message: str) -> None:
    undo_command = format_command("labels", "undo", arguments.index)
    print_result(arguments, document, f"{message} Undo with: {undo_command}")


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
