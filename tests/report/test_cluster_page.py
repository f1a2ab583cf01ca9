"""Scores of a partition are those of the measures; table and page contain every partition."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

from slic.datasets import Labels
from slic.errors import LabelError
from slic.evaluation.cluster_quality import cluster_quality, cluster_sizes
from slic.evaluation.partitions import Partition
from slic.report.cluster_page import cluster_table, score_partition, write_cluster_page

IDS = tuple(f"{i}.mp4" for i in range(12))
LABELS = Labels(label={name: "ab"[i % 2] for i, name in enumerate(IDS)}, split={})


def partition(epoch: int, clusters: list[int], vector: str = "") -> Partition:
    return Partition(f"epoch {epoch}", epoch, IDS, np.array(clusters), vector)


def test_a_row_is_sizes_and_agreement() -> None:
    clusters = [i % 2 if i < 8 else i for i in range(12)]
    row = score_partition(partition(5, clusters), LABELS)
    truth = [LABELS.label[name] for name in IDS]
    assert row == {
        "partition": "epoch 5",
        "place": 5,
        "vector": "",
        "labelled": 12,
        **cluster_sizes(clusters),
        **cluster_quality(truth, clusters),
    }
    assert json.loads(json.dumps(row))["singletons"] == 4


def test_a_video_without_a_label_counts_in_the_sizes_only() -> None:
    clusters = [i % 3 for i in range(12)]
    some = Labels(label={name: LABELS.label[name] for name in IDS[2:]}, split={})
    row = score_partition(partition(0, clusters), some)
    truth = [LABELS.label[name] for name in IDS[2:]]
    assert (row["videos"], row["labelled"]) == (12, 10)
    assert row.items() >= (cluster_sizes(clusters) | cluster_quality(truth, clusters[2:])).items()
    with pytest.raises(LabelError, match="epoch 0: none of its 12 videos has a label"):
        score_partition(partition(0, clusters), Labels(label={"other.mp4": "a"}, split={}))


def test_table_and_page_show_every_partition(tmp_path: Path) -> None:
    good, bad = [i % 2 for i in range(12)], [i // 6 for i in range(12)]
    rows = [score_partition(partition(e, c), LABELS) for e, c in ((0, bad), (5, good))]
    head, first, second, *_ = cluster_table(rows).splitlines()
    values = dict(zip(head.split()[1:], second.split()[2:], strict=False))
    assert first.startswith("epoch 0 ")
    assert (values["clusters"], values["single"], values["largest"]) == ("2", "0", "6")
    assert second.split()[-3:] == ["1.000"] * 3  # NMI, AMI, purity
    write_cluster_page(tmp_path / "page.html", rows, axis="epoch", source="run")
    page = (tmp_path / "page.html").read_text()
    assert page.count('class="chart"') == 3
    assert ">epoch</text>" in page
    assert "AMI, epoch 5" in page
    write_cluster_page(tmp_path / "one.html", rows[:1], axis="level", source="mine.csv")
    assert (tmp_path / "one.html").read_text().count('class="chart"') == 3


def test_each_vector_has_its_own_numbers_and_charts(tmp_path: Path) -> None:
    good, bad = [i % 2 for i in range(12)], [i // 6 for i in range(12)]
    rows = [
        score_partition(partition(epoch, clusters, vector), LABELS)
        for epoch in (0, 5)
        for vector, clusters in (("appearance", bad), ("motion", good))
    ]
    write_cluster_page(tmp_path / "page.html", rows, axis="epoch", source="run")
    page = html.unescape((tmp_path / "page.html").read_text())
    assert page.count('class="chart"') == 6
    of_motion = page.partition("<b>Agreement with the labels: motion</b>")[2]
    lines = json.loads(re.findall(r'data-numbers="(.*?)">', of_motion)[0])["series"]
    assert lines == [{"x": [0.0, 5.0], "y": [1.0, 1.0]}] * 3
    ami = f"{rows[0]['ami']:.2f}"
    answer = f"(AMI) is {ami}; in epoch 0 it was {ami}."
    assert answer in page.partition("What came out: appearance")[2].partition("</dd>")[0]
