"""Partitions scored against labels, as a text table and as a page of charts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slic.datasets import Labels
from slic.errors import LabelError
from slic.evaluation.cluster_quality import LabelObserver, cluster_sizes
from slic.evaluation.partitions import Partition
from slic.report.charts import LineChart, Series, line_chart
from slic.report.run_report import HeadlineScore, write_report

SIZE_COLUMNS = {
    "clusters": "clusters",
    "singletons": "single",
    "size_50": "median",
    "size_90": "90%",
    "largest": "largest",
}
AGREEMENT_COLUMNS = {"nmi": "NMI", "ami": "AMI", "purity": "purity"}
AGREEMENT_NOTE = (
    "AMI is 0 for random clusters. NMI (arithmetic mean, which makes it the V-measure) and purity "
    "rise with the number of clusters even if those are random."
)
CLUSTER_CHARTS = (
    ("Agreement with the labels", AGREEMENT_NOTE, AGREEMENT_COLUMNS),
    (
        "Clusters",
        "A singleton is a cluster of one video.",
        {"clusters": "clusters", "singletons": "singletons"},
    ),
    (
        "Cluster sizes",
        "Videos in the median cluster, in the 90th percentile, and in the largest cluster.",
        {"size_50": "median", "size_90": "90%", "largest": "largest"},
    ),
)

MEANING = (
    "What it means",
    "AMI is 0 for random clusters and 1 for clusters that are the labels. Many small clusters of "
    "one label each have a high purity and a lower AMI: they are right, but finer than the labels.",
)

PartitionScores = Mapping[str, Any]


def score_partition(partition: Partition, labels: Labels) -> PartitionScores:
    """Return name, place, sizes and agreement with the labels as plain values.

    Args:
        partition: The partition. Videos without a label count in the sizes only.
        labels: The labels.

    Raises:
        LabelError: None of the videos has a label.
    """
    quality = LabelObserver(labels).clustered(partition.ids, partition.clusters.tolist())
    if not quality:
        raise LabelError(f"{partition.name}: none of its {len(partition.ids)} videos has a label")
    return {
        "partition": partition.name,
        "place": partition.place,
        "vector": partition.vector,
        "labelled": sum(video_id in labels.label for video_id in partition.ids),
        **cluster_sizes(partition.clusters),
        **quality,
    }


def cluster_table(rows: Sequence[PartitionScores]) -> str:
    """Return a text table with one line for each partition."""
    width = max(9, *(len(row["partition"]) for row in rows))
    columns = (*SIZE_COLUMNS.values(), *AGREEMENT_COLUMNS.values())
    lines = [
        f"{row['partition']:<{width}}"
        + "".join(f"{row[key]:>9g}" for key in SIZE_COLUMNS)
        + "".join(f"{row[key]:>9.3f}" for key in AGREEMENT_COLUMNS)
        for row in rows
    ]
    head = f"{'partition':<{width}}" + "".join(f"{column:>9}" for column in columns)
    return "\n".join([head, *lines, AGREEMENT_NOTE])


def write_cluster_page(
    path: Path, rows: Sequence[PartitionScores], *, axis: str, source: str
) -> None:
    """Write a page with the scores of the last partition of each vector, and charts of all.

    Args:
        path: The HTML file.
        rows: See `score_partition`; in ascending order of place.
        axis: What the place counts: ``"epoch"`` or ``"level"``.
        source: File or folder of the partitions.

    Raises:
        WriteError: The file cannot be written.
    """
    vectors = sorted({str(row["vector"]) for row in rows})
    groups = [(vector, [row for row in rows if row["vector"] == vector]) for vector in vectors]
    write_report(
        path,
        title="Clusters",
        summary=[_question(rows), *(_answer(*group) for group in groups), MEANING],
        facts=[("partitions", source)],
        headline=[score for group in groups for score in _headline(group[1])],
        log=[],
        charts=[chart for group in groups for chart in _charts(*group, axis=axis)],
    )


def _question(rows: Sequence[PartitionScores]) -> tuple[str, str]:
    labelled = rows[-1]["labelled"]
    return (
        "What was asked",
        f"Do the clusters agree with labels that they were made without? {labelled} videos have a "
        "label.",
    )


def _answer(vector: str, rows: Sequence[PartitionScores]) -> tuple[str, str]:
    first, last = rows[0], rows[-1]
    before = f"; in {first['partition']} it was {first['ami']:.2f}" if len(rows) > 1 else ""
    return (
        f"What came out: {vector}" if vector else "What came out",
        f"{last['clusters']} clusters in {last['partition']}. Their agreement with the labels "
        f"(AMI) is {last['ami']:.2f}{before}.",
    )


def _headline(rows: Sequence[PartitionScores]) -> list[HeadlineScore]:
    first, last = rows[0], rows[-1]
    return [
        HeadlineScore(
            name=f"{AGREEMENT_COLUMNS[key]}, {last['partition']}",
            value=max(0.0, last[key]),
            protocol=f"{last['clusters']} clusters, {last['labelled']} videos with labels",
            baselines={first["partition"]: max(0.0, first[key])} if len(rows) > 1 else {},
        )
        for key in ("ami", "nmi", "purity")
    ]


def _charts(vector: str, rows: Sequence[PartitionScores], *, axis: str) -> list[LineChart]:
    places = [float(row["place"]) for row in rows]
    charts = []
    for title, note, columns in CLUSTER_CHARTS:
        values = {name: [float(row[key]) for row in rows] for key, name in columns.items()}
        series = [Series(name=name, x=places, y=y) for name, y in values.items()]
        charts.append(
            line_chart(f"{title}: {vector}" if vector else title, note, series, axis=axis)
        )
    return charts
