"""Verbs that show the clusters of an index, name them, and classify by the names."""

import json
import sys
from argparse import ArgumentTypeError, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import (
    UsageError,
    Verbs,
    at_least,
    format_command,
    open_catalog,
    print_refused,
    printable,
    videos_argument,
    workers_argument,
)
from slic.cli.search import index_argument, moment_of
from slic.errors import SearchError

if TYPE_CHECKING:
    from slic.search import Index, MomentClassifier


def add_verbs(verbs: Verbs) -> None:
    """Add ``cluster``, ``name``, ``names`` and ``classify``."""
    verb = verbs.add_parser("cluster", help="show what kinds of moments an index has")
    verb.set_defaults(verb=cluster)
    index_argument(verb)
    verb.add_argument("--level", type=at_least(0), help="show this partition; 0 is the finest")
    verb.add_argument(
        "--again", action="store_true", help="cluster anew; moves and merges are lost"
    )
    verb.add_argument(
        "--merge", type=at_least(0), nargs="+", metavar="CLUSTER", help="make one cluster of these"
    )
    verb.add_argument(
        "--move", nargs="+", metavar="PATH@SECONDS", help="put these moments into the cluster --to"
    )
    verb.add_argument("--to", type=at_least(0), metavar="CLUSTER")
    verb.add_argument(
        "--outliers",
        type=at_least(1),
        metavar="N",
        help="list the moments least like their cluster",
    )
    verb.add_argument(
        "--duplicates", type=at_least(1), metavar="N", help="list nearly equal moments of two files"
    )
    verb.add_argument("--json", action="store_true", help="print JSON")

    verb = verbs.add_parser("name", help="name a cluster or a moment")
    verb.set_defaults(verb=name)
    index_argument(verb)
    verb.add_argument("what", help="number of a cluster of the shown level, or PATH@SECONDS")
    verb.add_argument("name", nargs="?", help="left out: take the name away")

    verb = verbs.add_parser("names", help="list, spread, undo, export or import names")
    verb.set_defaults(verb=names)
    index_argument(verb)
    verb.add_argument(
        "--spread",
        type=_share,
        nargs="?",
        const=0.5,
        metavar="CONFIDENCE",
        help="name the neighbours of named moments, where the votes are so sure (default 0.5)",
    )
    verb.add_argument("--undo", action="store_true", help="take the last change of names back")
    verb.add_argument(
        "--export", type=Path, metavar="PATH", help="write .csv, .json, or else a FiftyOne folder"
    )
    verb.add_argument(
        "--import",
        dest="source",
        type=Path,
        metavar="PATH",
        help="read a .csv or .json that --export wrote",
    )

    verb = verbs.add_parser("classify", help="say what videos show, by the names of an index")
    verb.set_defaults(verb=classify)
    index_argument(verb)
    videos_argument(verb)
    workers_argument(verb)
    verb.add_argument("--json", action="store_true", help="print JSON, with times")


def cluster(arguments: Namespace) -> None:
    """Cluster when that is still to be done, correct, and list."""
    from slic import search as room

    if (arguments.move is None) != (arguments.to is None):
        raise UsageError("--move and --to belong together; give both.")
    index = room.Index.open(arguments.index)
    if arguments.again or not room.clusters_per_level(index):
        room.cluster_index(index)
    if arguments.level is not None:
        room.show_level(index, arguments.level)
    if arguments.merge:
        room.merge(index, arguments.merge)
    if arguments.move:
        room.move(index, [_moment(index, word) for word in arguments.move], arguments.to)
    if arguments.outliers or arguments.duplicates:
        _print_odd(index, arguments)
    else:
        _print_clusters(index, arguments)


def name(arguments: Namespace) -> None:
    """Label a cluster or a moment."""
    from slic.search import Index, label_cluster, set_label

    index = Index.open(arguments.index)
    if arguments.what.isdecimal():
        naming = label_cluster(index, int(arguments.what), arguments.name)
    else:
        naming = set_label(index, [_moment(index, arguments.what)], arguments.name)
    done = "lost their name" if arguments.name is None else f"are named {arguments.name.strip()!r}"
    undo = format_command("names", arguments.index, "--undo")
    way_back = f" Take it back with: {undo}" if naming.moments else ""
    print(f"{naming.moments} moments {done}.{way_back}")


def names(arguments: Namespace) -> None:
    """List names, or change them as a whole."""
    from slic import search as room

    index = room.Index.open(arguments.index)
    if arguments.undo:
        print(f"{room.undo_label_change(index)} names are as they were before the last change.")
    if arguments.source:
        print(f"{room.import_labels(index, arguments.source)} names read.")
    if arguments.spread is not None:
        print(f"{room.spread_labels(index, least_confidence=arguments.spread)} moments named.")
    if arguments.export:
        print(f"{arguments.export}: {room.export_labels(index, arguments.export)} names written.")
    if not (arguments.undo or arguments.source or arguments.spread is not None or arguments.export):
        _print_names(index)


def classify(arguments: Namespace) -> None:
    """Say what videos show."""
    from slic.search import Index, MomentClassifier, classify_videos
    from slic.videos.catalog import Catalog
    from slic.videos.inspection import probe
    from slic.videos.scanning import VIDEO_SUFFIXES
    from slic.videos.video import Refused

    index = Index.open(arguments.index)
    classifier = MomentClassifier.from_index(index)
    path: Path = arguments.videos
    if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir():
        catalog = Catalog(root=path.parent, videos=(probe(path, path.name),))
    else:
        catalog = open_catalog(path, arguments.workers or None)
    print_refused(catalog.refused, file=sys.stderr)
    verdicts = list(classify_videos(index, classifier, catalog.videos, workers=arguments.workers))
    refused = [verdict for verdict in verdicts if isinstance(verdict, Refused)]
    known = [verdict for verdict in verdicts if not isinstance(verdict, Refused)]
    print_refused(refused, file=sys.stderr)
    if arguments.json:
        check = {"threshold": classifier.threshold, "left_out": asdict(classifier.check)}
        print(json.dumps(check | {"videos": [asdict(verdict) for verdict in known]}, indent=1))
        return
    for verdict in known:
        print(
            f"{verdict.label or 'unknown':24} {verdict.confidence:5.2f}  {printable(verdict.path)}"
        )
    print(_honestly(classifier), file=sys.stderr)


def _share(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{word!r} is not a confidence from 0 to 1")
    return value


def _moment(index: "Index", word: str) -> int:
    if (moment := moment_of(index, word)) is None:
        raise SearchError(f"{word}: neither the number of a cluster nor PATH@SECONDS of the index.")
    return moment


def _print_clusters(index: "Index", arguments: Namespace) -> None:
    from slic.search import clusters_per_level, list_clusters

    found = list_clusters(index)
    per_level = clusters_per_level(index)
    medoids = {moment.id: moment for moment in index.moments([c.medoid for c in found])}
    if arguments.json:
        told = [asdict(c) | {"medoid": asdict(medoids[c.medoid])} for c in found]
        print(json.dumps({"level": index.level, "clusters_per_level": per_level, "clusters": told}))
        return
    print(
        f"level {index.level} of {' > '.join(map(str, per_level))} clusters (--level shows others)"
    )
    print("cluster  moments  coherence  typical moment                  name")
    for c in found:
        medoid = medoids[c.medoid]
        place = f"{medoid.path}@{(medoid.start_seconds + medoid.end_seconds) / 2:.1f}"
        share = f"{c.label} ({c.label_share:.0%})" if c.label else ""
        print(f"{c.id:7}  {c.size:7}  {c.coherence:9.3f}  {printable(place):30}  {share}")
    if late := index.count - sum(c.size for c in found):
        again = format_command("cluster", index.path, "--again")
        print(f"{late} moments came later and are in no cluster: {again}")


def _print_odd(index: "Index", arguments: Namespace) -> None:
    from slic.search import near_duplicates, outliers

    alone = outliers(index, most=arguments.outliers) if arguments.outliers else []
    pairs = near_duplicates(index, most=arguments.duplicates) if arguments.duplicates else []
    ids = [i for i, _ in alone] + [i for pair in pairs for i in (pair.first, pair.second)]
    place = {
        m.id: f"{m.path}@{(m.start_seconds + m.end_seconds) / 2:.1f}" for m in index.moments(ids)
    }
    if arguments.json:
        told = {
            "outliers": [{"moment": place[i], "similarity": s} for i, s in alone],
            "duplicates": [
                {"first": place[p.first], "second": place[p.second], "similarity": p.similarity}
                for p in pairs
            ],
        }
        print(json.dumps(told, indent=1))
        return
    for i, similarity in alone:
        print(f"outlier    {similarity:6.3f}  {printable(place[i])}")
    for p in pairs:
        both = printable(f"{place[p.first]}  {place[p.second]}")
        print(f"duplicate  {p.similarity:6.3f}  {both}")


def _print_names(index: "Index") -> None:
    from slic.search import MomentClassifier, labels_of_moments, list_labels

    found = list_labels(index)
    for word in sorted({entry.label for entry in found}):
        own = [entry.source for entry in found if entry.label == word]
        print(f"{word:24} {own.count('given'):7} given  {own.count('spread'):7} spread")
    here = labels_of_moments(index).values()
    if sum(name.source == "given" for name in here) > 1:
        print(_honestly(MomentClassifier.from_index(index)), file=sys.stderr)
    elif not found:
        words = format_command("name", index.path, "CLUSTER", "NAME")
        print(f"no names yet: {words}", file=sys.stderr)


def _honestly(classifier: "MomentClassifier") -> str:
    check = classifier.check
    return (
        f"Of named moments left out one by one, {check.right:.0%} are classified right, "
        f"{check.wrong:.0%} wrong, {check.unknown:.0%} unknown "
        f"(below a similarity of {classifier.threshold:.3f})."
    )
