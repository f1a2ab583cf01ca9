"""The true labels become the pseudo-labels of a run, and nothing is embedded for it."""

import json
from pathlib import Path

import pytest
from accelerate import Accelerator

from slic.datasets import Labels
from slic.errors import LabelError
from slic.pretraining import pretrain
from slic.pretraining.build import build_run
from slic.pretraining.distributed import Processes
from slic.recipe import load_recipe
from slic.runs import read_log
from slic.videos.catalog import Catalog

WORDS = [
    "--clip.frames=4", "--clip.size=32", "--backbone=slic/r3d10", "--backbone.width=0.125",
    "--head.hidden=8", "--head.embedding=4", "--train.epochs=1", "--train.batch_size=3",
    "--train.workers=0", "--sampling.flow_probability=0",
]  # fmt: skip


@pytest.fixture
def table(tmp_path: Path, seven_labels: Labels) -> Path:
    path = tmp_path / "labels.csv"
    rows = [f"{video_id},{label}" for video_id, label in seven_labels.label.items()]
    path.write_text("\n".join(["path,label", *rows]))
    return path


def override(source: object) -> str:
    return f"--callbacks=[{{name: slic.evaluation.upper_bound.LabelsAsClusters, labels: {source}}}]"


def test_a_run_learns_with_the_true_labels_as_clusters(
    six_videos: Catalog, table: Path, tmp_path: Path, seven_labels: Labels
) -> None:
    recipe = load_recipe("paper-ucf101-rgb", [*WORDS, override(table)])
    pretrain(six_videos, out=tmp_path / "run", recipe=recipe, progress=False)
    records = read_log(tmp_path / "run" / "log.jsonl")
    (a_round,) = [record for record in records if record["kind"] == "round"]
    assert (a_round["clusters"], a_round["largest"]) == (2, 3)
    lines = (tmp_path / "run" / "clusters" / "epoch-0000.jsonl").read_text().splitlines()
    clusters = {row["video"]: row["pseudo_label"] for row in map(json.loads, lines)}
    labels = seven_labels.label
    assert len(clusters) == 6
    for a in clusters:
        assert all((clusters[a] == clusters[b]) == (labels[a] == labels[b]) for b in clusters)


def test_a_video_without_a_label_is_named(six_videos: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("path,label\n0.mp4,a\n1.mp4,b\n")
    recipe = load_recipe("paper-ucf101-rgb", [*WORDS, override(path)])
    run = build_run(recipe, six_videos, Processes(Accelerator(cpu=True)), progress=False)
    (callback,) = recipe.build_callbacks()
    with pytest.raises(LabelError, match=r"4 of 6 videos have no label, the first is '2\.mp4'"):
        callback.on_start(run)
