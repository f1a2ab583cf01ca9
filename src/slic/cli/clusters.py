"""``slic evaluate clusters``: score partitions against labels."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slic.cli.common import at_least, labels_argument, print_table


def score_clusters(words: Sequence[str]) -> None:
    """Score every partition of a run, of an embeddings file or of a CSV file."""
    from slic.clustering.kmeans import KMeans
    from slic.datasets import labels_from
    from slic.evaluation.partitions import read_partitions
    from slic.report.cluster_page import cluster_table, score_partition

    arguments = _clusters_parser().parse_args(words)
    path: Path = arguments.partition
    labeller = labels_from(arguments.labels, root=path.parent, annotations=arguments.annotations)
    partitions = read_partitions(
        path,
        clusterer=KMeans(arguments.kmeans) if arguments.kmeans else None,
        centre=arguments.centre,
        seed=arguments.seed,
    )
    labels = labeller(partitions[0].ids)
    rows = [score_partition(partition, labels) for partition in partitions]
    first = rows[0]
    print(f"clusters of {path}, {first['videos']} videos, labels {arguments.labels}")
    if unlabelled := first["videos"] - first["labelled"]:
        print(f"{unlabelled} videos have no label; they count in the sizes only")
    print_table(cluster_table(rows))
    _write_cluster_files(arguments, rows)


def _write_cluster_files(arguments: Namespace, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the JSON file and the page of charts, if they were asked for."""
    from slic.files import write_atomically
    from slic.report.cluster_page import write_cluster_page

    path: Path = arguments.partition
    if arguments.json:
        figures = {"source": str(path), "labels": arguments.labels, "partitions": rows}
        write_atomically(arguments.json, json.dumps(figures, indent=2).encode())
    if arguments.picture:
        axis = "epoch" if path.is_dir() else "level"
        write_cluster_page(arguments.picture, rows, axis=axis, source=str(path))
        print(f"{arguments.picture}: charts")


def _clusters_parser() -> ArgumentParser:
    parser = ArgumentParser(
        "slic evaluate clusters",
        description="Score clusters against labels: NMI, AMI, purity and cluster sizes.",
    )
    parser.add_argument(
        "partition",
        type=Path,
        help="folder of a run (every round of it), .npz file of slic embed (clustered here), or "
        "CSV file with the columns path,cluster",
    )
    labels_argument(parser, required=True)
    parser.add_argument(
        "--kmeans",
        type=at_least(1),
        metavar="K",
        help="cluster embeddings by k-means (default: FINCH)",
    )
    parser.add_argument(
        "--centre", action="store_true", help="subtract the mean from embeddings first"
    )
    parser.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="seed of k-means (default: 0)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores here")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.html", help="also write a page of charts"
    )
    return parser
