"""``slic evaluate clusters``: embeddings, a table, and a folder without clusters."""

import json
from collections.abc import Callable
from pathlib import Path

Lines = Callable[..., tuple[int, list[str], list[str]]]


def test_clusters_of_embeddings_become_a_table_json_and_charts(
    lines: Lines, labelled_videos: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    out, labels = tmp_path / "embeddings.npz", labelled_videos / "labels.csv"
    words = [labelled_videos, "--encoder", encoder_folder, "--workers=0", "--out", out]
    assert lines("embed", *words)[0] == 0
    outputs = ["--json", tmp_path / "scores.json", "--picture", tmp_path / "page.html"]
    code, printed, err = lines("evaluate", "clusters", out, "--labels", labels, *outputs)
    assert code == 0, err
    assert printed[0] == f"clusters of {out}, 10 videos, labels {labels}"
    assert printed[1].startswith("partition ")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["partitions"][0]["partition"] == "FINCH 0"
    assert (tmp_path / "page.html").read_text().count('class="chart"') == 3
    code, printed, err = lines("evaluate", "clusters", out, "--labels", labels, "--kmeans=3")
    assert code == 0, err
    assert printed[2].startswith("k-means 3 ")


def test_clusters_of_a_table(lines: Lines, labelled_videos: Path, tmp_path: Path) -> None:
    labels, table = labelled_videos / "labels.csv", tmp_path / "mine.csv"
    table.write_text("path,cluster\n" + "".join(f"{i}.mp4,{'ab'[i % 2]}\n" for i in range(10)))
    code, printed, err = lines("evaluate", "clusters", table, "--labels", labels)
    assert code == 0, err
    assert printed[2].split()[-3:] == ["1.000"] * 3  # NMI, AMI, purity


def test_a_folder_without_clusters_is_named(
    lines: Lines, labelled_videos: Path, tmp_path: Path
) -> None:
    code, _, err = lines(
        "evaluate", "clusters", tmp_path, "--labels", labelled_videos / "labels.csv"
    )
    assert code == 1
    assert f"{tmp_path}: no clusters/epoch-*.jsonl" in err[-1]
