"""``slic cluster``: list the clusters of an index and correct them."""

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from slic.cli.common import UsageError, open_index
from slic.cli.output import format_command, print_json, printable
from slic.cli.parser import Verbs, add_verb, at_least
from slic.cli.search import require_moment
from slic.cli.weights import add_weights
from slic.errors import SearchError

if TYPE_CHECKING:
    from slic.search import Index, Moment

NEW_CLUSTER = "new"


def add_verbs(verbs: Verbs) -> None:
    """Add ``cluster``."""
    verb = add_verb(verbs, "cluster", cluster, "list the clusters of an index, or correct them")
    verb.add_index()
    verb.add_count("--level", "use this level from now on; 0 is the finest", minimum=0)
    verb.add_switch("--again", "cluster again; corrections by hand are lost")
    verb.add_argument(
        "--merge", type=at_least(0), nargs="+", metavar="CLUSTER", help="merge these clusters"
    )
    verb.add_argument(
        "--split", type=at_least(0), metavar="CLUSTER", help="split this cluster by k-means"
    )
    verb.add_count("--parts", "number of parts for --split; default 2", minimum=2)
    verb.add_argument(
        "--move", nargs="+", metavar="PATH@SECONDS", help="move these moments to the cluster --to"
    )
    verb.add_argument(
        "--to", type=_cluster_or_new, metavar="CLUSTER", help="target of --move; a number, or new"
    )
    verb.add_switch("--undo", "undo the last merge, split or move")
    verb.add_count("--outliers", "list the moments least similar to their cluster")
    verb.add_count("--duplicates", "list pairs of nearly equal moments in different files")
    verb.only_with("--parts", "--split")
    verb.only_with("--to", "--move")
    verb.only_with("--move", "--to")
    add_weights(verb, "; for --again and --duplicates")
    verb.add_json()


def cluster(arguments: Namespace) -> None:
    """Cluster the index if necessary, apply corrections, and list."""
    from slic import search

    index = open_index(arguments.index)
    again = arguments.again or not search.clusters_per_level(index)
    if arguments.weights and not (again or arguments.duplicates):
        raise UsageError("--weights is for --again and --duplicates; give one of these.")
    if again:
        search.cluster_index(index, weights=arguments.weights)
    if arguments.level is not None:
        search.set_level(index, arguments.level)
    _correct(index, arguments)
    if arguments.outliers or arguments.duplicates:
        _print_outliers_and_duplicates(index, arguments)
    else:
        _print_clusters(index, as_json=arguments.json)


def _cluster_or_new(word: str) -> int | str:
    """Return the number of a cluster, or ``NEW_CLUSTER``."""
    return word if word == NEW_CLUSTER else at_least(0)(word)


def _correct(index: "Index", arguments: Namespace) -> None:
    """Undo, merge, split and move, in this order."""
    from slic import search

    if arguments.undo and not search.undo_cluster_change(index):
        raise SearchError(f"{index.path}: no merge, split or move is left to undo.")
    if arguments.merge:
        search.merge_clusters(index, arguments.merge)
    if arguments.split is not None:
        search.split_cluster(index, arguments.split, parts=arguments.parts or 2)
    if arguments.move:
        moments = [require_moment(index, word) for word in arguments.move]
        target = None if arguments.to == NEW_CLUSTER else arguments.to
        search.move_moments(index, moments, target)


def _print_clusters(index: "Index", *, as_json: bool) -> None:
    from slic.search import clusters_per_level, list_clusters

    clusters = list_clusters(index)
    per_level = clusters_per_level(index)
    medoids = {moment.id: moment for moment in index.moments([c.medoid for c in clusters])}
    if as_json:
        rows = [asdict(c) | {"medoid": asdict(medoids[c.medoid])} for c in clusters]
        document = {"level": index.level, "clusters_per_level": per_level, "clusters": rows}
        print_json(document)
        return
    sizes = " > ".join(map(str, per_level))
    print(f"level {index.level} of {sizes} clusters (--level chooses another)")
    print("cluster  moments  coherence  typical moment                  label")
    for c in clusters:
        label = f"{printable(c.label)} ({c.label_share:.0%})" if c.label else ""
        medoid = printable(_moment_word(medoids[c.medoid]))
        print(f"{c.id:7}  {c.size:7}  {c.coherence:9.3f}  {medoid:30}  {label}")
    if new := index.count - sum(c.size for c in clusters):
        again = format_command("cluster", index.path, "--again")
        print(f"{new} moments are newer than the clusters and in none of them: {again}")


def _print_outliers_and_duplicates(index: "Index", arguments: Namespace) -> None:
    from slic.search import near_duplicates, outliers

    single = outliers(index, limit=arguments.outliers) if arguments.outliers else []
    most, weights = arguments.duplicates, arguments.weights
    pairs = near_duplicates(index, most=most, weights=weights) if most else []
    ids = [i for i, _ in single] + [i for pair in pairs for i in (pair.first, pair.second)]
    word = {moment.id: _moment_word(moment) for moment in index.moments(ids)}
    if arguments.json:
        duplicates = [asdict(p) | {"first": word[p.first], "second": word[p.second]} for p in pairs]
        outlying = [{"moment": word[i], "similarity": s} for i, s in single]
        print_json({"outliers": outlying, "duplicates": duplicates})
        return
    for i, similarity in single:
        print(f"outlier    {similarity:6.3f}  {printable(word[i])}")
    for p in pairs:
        both = printable(f"{word[p.first]}  {word[p.second]}")
        print(f"duplicate  {p.similarity:6.3f}  {both}")


def _moment_word(moment: "Moment") -> str:
    """Return the word that stands for a moment in a command: ``PATH@SECONDS``."""
    return f"{moment.path}@{(moment.start_seconds + moment.end_seconds) / 2:.1f}"
