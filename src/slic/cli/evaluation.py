"""``slic evaluate NAME``: score an encoder by a protocol, or clusters against labels."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.cli.common import UsageError, recipe_of
from slic.cli.output import json_writer, print_table
from slic.cli.parser import CommandParser, Verbs, add_verb
from slic.cli.protocols import protocol_summary, score_by_protocol
from slic.cli.retrieval import score_by_retrieval

if TYPE_CHECKING:
    from slic.clustering.base import Clusterer


def add_verbs(verbs: Verbs) -> None:
    """Add ``evaluate``; the words after its name are parsed when the protocol is known."""
    verb = add_verb(verbs, "evaluate", evaluate_by_name, "score an encoder against labels")
    verb.more_help = _protocols_help
    text = "retrieval, clusters, a protocol, or an import path such as my_module.MyProtocol"
    verb.add_argument("name", metavar="NAME", help=text)
    verb.add_argument("words", metavar="...", nargs="...", help="see slic evaluate NAME --help")


def evaluate_by_name(arguments: Namespace) -> None:
    """Score an encoder by the protocol of a name, or clusters."""
    from slic.evaluation import find_protocol
    from slic.evaluation.retrieval_protocols import RetrievalProtocol

    name, words = arguments.name, arguments.words
    if name == "clusters":
        score_clusters(words)
    elif name == "retrieval" or isinstance(find_protocol(name), RetrievalProtocol):
        score_by_retrieval(name, words)
    else:
        score_by_protocol(name, words)


def score_clusters(words: Sequence[str]) -> None:
    """Score every partition of a run, of an embeddings file or of a CSV file."""
    arguments, settings = build_clusters_parser().parse_known_args(words)
    with json_writer(arguments.json) as write:
        write(_score_partitions(arguments, settings))


def _score_partitions(arguments: Namespace, settings: Sequence[str]) -> dict[str, Any]:
    """Print the scores of every partition, and write the page; return the figures."""
    from slic.datasets import labels_from
    from slic.evaluation.partitions import read_partitions
    from slic.report.cluster_page import cluster_table, score_partition, write_cluster_page

    path: Path = arguments.partition
    clusterer = _clusterer(settings)
    labeller = labels_from(arguments.labels, root=path.parent, annotations=arguments.annotations)
    partitions = read_partitions(
        path, clusterer=clusterer, centre=arguments.centre, seed=arguments.seed
    )
    labels = labeller(tuple(dict.fromkeys(partitions[0].ids)))  # several segments of a video
    rows = [score_partition(partition, labels) for partition in partitions]
    first = rows[0]
    print(f"clusters of {path}, {first['videos']} videos, labels {arguments.labels}")
    if unlabelled := first["videos"] - first["labelled"]:
        print(f"{unlabelled} videos have no label; they count in the sizes only")
    print_table(cluster_table(rows))
    if arguments.picture:
        axis = "epoch" if path.is_dir() else "level"
        write_cluster_page(arguments.picture, rows, axis=axis, source=str(path))
        print(f"{arguments.picture}: charts")
    return {"source": str(path), "labels": arguments.labels, "partitions": rows}


def _clusterer(settings: Sequence[str]) -> "Clusterer | None":
    """Return the clustering of words such as ``--clustering.name=dbscan``; None without words."""
    from slic.recipe import default_recipe

    if not settings:
        return None
    options = [word for word in settings if word.startswith("-")]
    if unknown := [word for word in options if not word.startswith("--clustering.")]:
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}")
    clusterer: Clusterer = recipe_of(default_recipe(), settings).build("clustering")
    return clusterer


def build_clusters_parser() -> CommandParser:
    """Return the parser of ``slic evaluate clusters``."""
    text = (
        "Score clusters against labels: NMI, AMI, purity and cluster sizes. Embeddings are "
        "clustered by FINCH (all levels), or as --clustering.name=kmeans --clustering.clusters=20 "
        "says; `slic pretrain --help` lists the clusterings."
    )
    parser = CommandParser("slic evaluate clusters", description=text)
    text = (
        "folder of a run (every round of it), .npz file of slic embed (clustered here), or "
        "CSV file with the columns path,cluster"
    )
    parser.add_argument("partition", type=Path, help=text)
    parser.add_labels(required=True)
    parser.add_switch("--centre", "subtract the mean from embeddings first")
    parser.add_count("--seed", "seed of the clustering", minimum=0, default=0)
    parser.add_json_file()
    parser.add_path("--picture", "also write a page of charts", metavar="FILE.html")
    return parser


def _protocols_help() -> str:
    from slic.evaluation import PROTOCOLS

    lines = (f"  {name:<18}{protocol_summary(name, part)}" for name, part in PROTOCOLS.items())
    return "\n".join(["protocols:", *lines])
