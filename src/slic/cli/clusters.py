"""The verb that scores clusters against labels."""

import json
from argparse import Namespace
from pathlib import Path

from slic.cli.common import Verbs, at_least, labels_argument, print_table


def add_kind(kinds: Verbs) -> None:
    """Add ``clusters`` to ``evaluate``."""
    kind = kinds.add_parser("clusters", help="NMI, AMI, purity and sizes of clusters")
    kind.set_defaults(verb=clusters)
    kind.add_argument(
        "partition",
        type=Path,
        help="run folder (all its rounds), .npz file of slic embed (clustered here), or CSV file "
        "path,cluster",
    )
    labels_argument(kind, required=True)
    kind.add_argument(
        "--kmeans", type=at_least(1), metavar="K", help="cluster embeddings by k-means, not FINCH"
    )
    kind.add_argument("--centre", action="store_true", help="take the mean off embeddings first")
    kind.add_argument("--seed", type=at_least(0), default=0, help="of k-means (default 0)")
    kind.add_argument("--json", type=Path, help="also write the figures to this file")
    kind.add_argument("--picture", type=Path, metavar="FILE.html", help="also draw them as charts")


def clusters(arguments: Namespace) -> None:
    """Score every partition that a run, a file of embeddings or a CSV file has."""
    from slic.clustering.kmeans import KMeans
    from slic.datasets import labels_from
    from slic.evaluation.partitions import read_partitions
    from slic.files import write_atomically
    from slic.report.cluster_page import cluster_table, score_partition, write_cluster_page

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
    if arguments.json:
        told = {"source": str(path), "labels": arguments.labels, "partitions": rows}
        write_atomically(arguments.json, json.dumps(told, indent=2).encode())
    if arguments.picture:
        axis = "epoch" if path.is_dir() else "level"
        write_cluster_page(arguments.picture, rows, axis=axis, source=str(path))
        print(f"{arguments.picture}: charts")
