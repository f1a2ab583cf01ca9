"""``slic evaluate``: its help, protocols by import path, and scores of clusters."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.evaluation import PROTOCOLS

Lines = Callable[..., tuple[int, list[str], list[str]]]

PROTOCOL = '''
"""A protocol outside the package."""

from dataclasses import dataclass
from slic.evaluation.retrieval import evaluate
from slic.embeddings import embed

@dataclass(frozen=True)
class FirstClip:
    """Retrieval by a single clip.

    Args:
        k: Number of neighbours.
        layer: Output to compare.
    """

    k: int = 1
    layer: str = "head"

    def score(self, encoder, split, *, workers=2, cache=None, progress=True):
        query, gallery = (
            embed(encoder, part, clips=1, layer=self.layer, workers=workers, progress=False).clips
            for part in (split.test, split.train)
        )
        labels = (split.test_labels, split.train_labels)
        return evaluate(query, labels[0], gallery, labels[1], ks=(self.k,), protocol="first clip")
'''


def test_the_help_lists_every_protocol(lines: Lines) -> None:
    code, out, _ = lines("evaluate", "--help")
    assert code == 0
    listed = [line.split()[0] for line in out[out.index("protocols:") + 1 :]]
    assert listed == list(PROTOCOLS)


def test_a_protocol_outside_the_package_is_run_by_its_import_path(
    lines: Lines,
    labelled_videos: Path,
    encoder_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "protocol_of_a_test.py").write_text(PROTOCOL)
    monkeypatch.syspath_prepend(tmp_path)
    labels, scores = labelled_videos / "labels.csv", tmp_path / "scores.json"
    words = [labelled_videos, "--encoder", encoder_folder, "--labels", labels, "--workers=0"]
    name = "protocol_of_a_test.FirstClip"
    code, out, err = lines("evaluate", name, *words, "--k=6", "--json", scores)
    assert code == 0, err
    assert out[0] == "retrieval (first clip)"
    as_json = json.loads(scores.read_text())
    assert as_json["recall"] == {"6": 1.0}
    assert as_json["settings"] == {"k": 6, "layer": "head"}
    code, out, _ = lines("evaluate", name, "--help")
    assert code == 0
    assert "  --k K" in "\n".join(out)
    assert "Retrieval by a single clip." in out


@pytest.mark.parametrize("words", [["evaluate"], ["evaluate", "paper"], ["evaluate", "probe", "x"]])
def test_missing_words_are_wrong_usage(lines: Lines, words: list[str]) -> None:
    code, _, err = lines(*words)
    assert code == 2
    assert "the following arguments are required" in err[-1]


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
    code, printed, err = lines(
        "evaluate",
        "clusters",
        out,
        "--labels",
        labels,
        "--clustering.name=kmeans",
        "--clustering.clusters=3",
    )
    assert code == 0, err
    assert printed[2].startswith("k-means 3 ")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--clustering.name=kmeens"], 1, "unknown clustering 'kmeens'. Did you mean 'kmeans'?"),
        (["--clustering.clusters=3"], 2, "unknown setting 'clustering.clusters'"),
        (["--kmeans=3", "--loss.name=x"], 2, "unrecognized arguments: --kmeans=3 --loss.name=x"),
    ],
)
def test_a_clustering_that_does_not_exist_is_refused(
    lines: Lines, labelled_videos: Path, words: list[str], code: int, message: str
) -> None:
    labels = labelled_videos / "labels.csv"
    found, _, err = lines("evaluate", "clusters", "x.npz", "--labels", labels, *words)
    assert found == code
    assert message in err[-1]


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
