"""``slic cluster``: list the clusters of an index and correct them."""

import json
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from slic.cli.common import UsageError, Verbs, at_least, format_command, printable
from slic.cli.search import index_argument, require_moment

if TYPE_CHECKING:
    from slic.search import Index, Moment


def add_verbs(verbs: Verbs) -> None:
    """Add ``cluster``."""
    verb = verbs.add_parser("cluster", help="list the clusters of an index, or correct them")
    verb.set_defaults(verb=cluster)
    index_argument(verb)
    verb.add_argument(
        "--level", type=at_least(0), metavar="N", help="use this level from now on; 0 is the finest"
    )
    verb.add_argument(
        "--again", action="store_true", help="cluster again; moves and merges are lost"
    )
    verb.add_argument(
        "--merge", type=at_least(0), nargs="+", metavar="CLUSTER", help="merge these clusters"
    )
    verb.add_argument(
        "--move", nargs="+", metavar="PATH@SECONDS", help="move these moments to the cluster --to"
    )
    verb.add_argument("--to", type=at_least(0), metavar="CLUSTER", help="target of --move")
    verb.add_argument(
        "--outliers",
        type=at_least(1),
        metavar="N",
        help="list the moments least similar to their cluster",
    )
    verb.add_argument(
        "--duplicates",
        type=at_least(1),
        metavar="N",
        help="list pairs of nearly equal moments in different files",
    )
    verb.add_argument("--json", action="store_true", help="print JSON")


def cluster(arguments: Namespace) -> None:
    """Cluster the index if necessary, apply corrections, and list."""
    from slic.search import (
        Index,
        cluster_index,
        clusters_per_level,
        merge_clusters,
        move_moments,
        set_level,
    )

    if (arguments.move is None) != (arguments.to is None):
        raise UsageError("--move and --to belong together; give both.")
    index = Index.open(arguments.index)
    if arguments.again or not clusters_per_level(index):
        cluster_index(index)
    if arguments.level is not None:
        set_level(index, arguments.level)
    if arguments.merge:
        merge_clusters(index, arguments.merge)
    if arguments.move:
        moments = [require_moment(index, word) for word in arguments.move]
        move_moments(index, moments, arguments.to)
    if arguments.outliers or arguments.duplicates:
        _print_outliers_and_duplicates(index, arguments)
    else:
        _print_clusters(index, as_json=arguments.json)


def _print_clusters(index: "Index", *, as_json: bool) -> None:
    from slic.search import clusters_per_level, list_clusters

    clusters = list_clusters(index)
    per_level = clusters_per_level(index)
    medoids = {moment.id: moment for moment in index.moments([c.medoid for c in clusters])}
    if as_json:
        rows = [asdict(c) | {"medoid": asdict(medoids[c.medoid])} for c in clusters]
        document = {"level": index.level, "clusters_per_level": per_level, "clusters": rows}
        print(json.dumps(document))
        return
    print(
        f"level {index.level} of {' > '.join(map(str, per_level))} clusters "
        "(--level chooses another)"
    )
    print("cluster  moments  coherence  typical moment                  label")
    for c in clusters:
        label = f"{c.label} ({c.label_share:.0%})" if c.label else ""
        medoid = printable(_moment_word(medoids[c.medoid]))
        print(f"{c.id:7}  {c.size:7}  {c.coherence:9.3f}  {medoid:30}  {label}")
    if new := index.count - sum(c.size for c in clusters):
        again = format_command("cluster", index.path, "--again")
        print(f"{new} moments are newer than the clusters and in none of them: {again}")


def _print_outliers_and_duplicates(index: "Index", arguments: Namespace) -> None:
    from slic.search import near_duplicates, outliers

    single = outliers(index, limit=arguments.outliers) if arguments.outliers else []
    pairs = near_duplicates(index, most=arguments.duplicates) if arguments.duplicates else []
    ids = [i for i, _ in single] + [i for pair in pairs for i in (pair.first, pair.second)]
    word = {moment.id: _moment_word(moment) for moment in index.moments(ids)}
    if arguments.json:
        document = {
            "outliers": [{"moment": word[i], "similarity": s} for i, s in single],
            "duplicates": [
                {"first": word[p.first], "second": word[p.second], "similarity": p.similarity}
                for p in pairs
            ],
        }
        print(json.dumps(document, indent=1))
        return
    for i, similarity in single:
        print(f"outlier    {similarity:6.3f}  {printable(word[i])}")
    for p in pairs:
        both = printable(f"{word[p.first]}  {word[p.second]}")
        print(f"duplicate  {p.similarity:6.3f}  {both}")


def _moment_word(moment: "Moment") -> str:
    """Return the word that stands for a moment in a command: ``PATH@SECONDS``."""
    return f"{moment.path}@{(moment.start_seconds + moment.end_seconds) / 2:.1f}"
