"""``slic evaluate clusters``: score partitions against labels."""

from collections.abc import Sequence
from pathlib import Path

from slic.cli.common import print_table, write_json
from slic.cli.parser import CommandParser


def score_clusters(words: Sequence[str]) -> None:
    """Score every partition of a run, of an embeddings file or of a CSV file."""
    from slic.clustering.kmeans import KMeans
    from slic.datasets import labels_from
    from slic.evaluation.partitions import read_partitions
    from slic.report.cluster_page import cluster_table, score_partition, write_cluster_page

    arguments = _clusters_parser().parse_args(words)
    path: Path = arguments.partition
    labeller = labels_from(arguments.labels, root=path.parent, annotations=arguments.annotations)
    clusterer = KMeans(arguments.kmeans) if arguments.kmeans else None
    partitions = read_partitions(
        path, clusterer=clusterer, centre=arguments.centre, seed=arguments.seed
    )
    labels = labeller(partitions[0].ids)
    rows = [score_partition(partition, labels) for partition in partitions]
    first = rows[0]
    print(f"clusters of {path}, {first['videos']} videos, labels {arguments.labels}")
    if unlabelled := first["videos"] - first["labelled"]:
        print(f"{unlabelled} videos have no label; they count in the sizes only")
    print_table(cluster_table(rows))
    figures = {"source": str(path), "labels": arguments.labels, "partitions": rows}
    write_json(arguments.json, figures)
    if arguments.picture:
        axis = "epoch" if path.is_dir() else "level"
        write_cluster_page(arguments.picture, rows, axis=axis, source=str(path))
        print(f"{arguments.picture}: charts")


def _clusters_parser() -> CommandParser:
    parser = CommandParser(
        "slic evaluate clusters",
        description="Score clusters against labels: NMI, AMI, purity and cluster sizes.",
    )
    text = (
        "folder of a run (every round of it), .npz file of slic embed (clustered here), or "
        "CSV file with the columns path,cluster"
    )
    parser.add_argument("partition", type=Path, help=text)
    parser.add_labels(required=True)
    parser.add_count("--kmeans", "cluster embeddings by k-means (default: FINCH)")
    parser.add_switch("--centre", "subtract the mean from embeddings first")
    parser.add_count("--seed", "seed of k-means", minimum=0, default=0)
    parser.add_path("--json", "also write the scores here")
    parser.add_path("--picture", "also write a page of charts", metavar="FILE.html")
    return parser
