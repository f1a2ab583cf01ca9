"""Partitions against the labels: one row each, as a table and as charts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slic.datasets import Labels
from slic.errors import CatalogError
from slic.evaluation.cluster_quality import cluster_sizes
from slic.evaluation.partitions import Partition
from slic.evaluation.scoring import LabelObserver
from slic.report.charts import Series, line_chart
from slic.report.run_report import Figure, write_report

SIZES = {
    "clusters": "clusters",
    "singletons": "single",
    "size_50": "median",
    "size_90": "90%",
    "largest": "largest",
}
MEASURES = {"nmi": "NMI", "ami": "AMI", "purity": "purity"}
ABOUT_MEASURES = (
    "AMI counts chance as 0; NMI (arithmetic mean, which makes it the V-measure) and purity rise "
    "with the number of clusters even where those are random."
)
CHARTS = (
    ("Agreement with the labels", ABOUT_MEASURES, {"nmi": "NMI", "ami": "AMI", "purity": "purity"}),
    (
        "Clusters",
        "Singletons are videos on their own.",
        {"clusters": "clusters", "singletons": "singletons"},
    ),
    (
        "Cluster sizes",
        "Videos in the median cluster, in one larger than 90 % of the others, and in the largest.",
        {"size_50": "median", "size_90": "90%", "largest": "largest"},
    ),
)

Row = Mapping[str, Any]


def score_partition(partition: Partition, labels: Labels) -> Row:
    """Return name, place, sizes, and the agreement of those of its videos that have a label.

    Raises:
        CatalogError: None has.
    """
    quality = LabelObserver(labels).clustered(partition.ids, partition.clusters.tolist())
    if not quality:
        raise CatalogError(f"{partition.name}: none of its {len(partition.ids)} videos has a label")
    return {
        "partition": partition.name,
        "place": partition.place,
        "labelled": sum(name in labels.label for name in partition.ids),
        **cluster_sizes(partition.clusters),
        **quality,
    }


def cluster_table(rows: Sequence[Row]) -> str:
    """Return one line a partition, for a terminal."""
    width = max(9, *(len(row["partition"]) for row in rows))
    head = "".join(f"{word:>9}" for word in (*SIZES.values(), *MEASURES.values()))
    lines = [
        f"{row['partition']:<{width}}"
        + "".join(f"{row[key]:>9g}" for key in SIZES)
        + "".join(f"{row[key]:>9.3f}" for key in MEASURES)
        for row in rows
    ]
    return "\n".join([f"{'partition':<{width}}{head}", *lines, ABOUT_MEASURES])


def write_cluster_page(path: Path, rows: Sequence[Row], *, axis: str, source: str) -> None:
    """Write the rows as charts, one HTML file.

    Args:
        path: The file.
        rows: Of `score_partition`, in rising order of place.
        axis: What the place is: ``"epoch"`` or ``"level"``.
        source: Where the partitions come from.
    """
    places = [float(row["place"]) for row in rows]
    charts = []
    for title, note, names in CHARTS:
        series = [
            Series(name=name, x=places, y=[float(row[key]) for row in rows])
            for key, name in names.items()
        ]
        charts.append(line_chart(title, note, series, axis=axis))
    first, last = rows[0], rows[-1]
    headline = [
        Figure(
            name=f"{MEASURES[key]}, {last['partition']}",
            value=max(0.0, last[key]),
            protocol=f"{last['clusters']} clusters, {last['labelled']} videos with labels",
            baselines={first["partition"]: max(0.0, first[key])} if len(rows) > 1 else {},
        )
        for key in ("ami", "nmi", "purity")
    ]
    facts = [("partitions", source)]
    write_report(path, title="Clusters", facts=facts, headline=headline, log=[], charts=charts)
