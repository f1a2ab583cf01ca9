"""Partitions are read from run folders, files of embeddings and CSV files."""

import json
from pathlib import Path

import numpy as np
import pytest

from slic.clustering.finch import finch
from slic.clustering.kmeans import KMeans
from slic.embeddings import Embeddings
from slic.errors import CatalogError, EmbeddingsError, TrainingError
from slic.evaluation.partitions import read_partitions
from slic.pretraining.folder import RunFolder

IDS = ("a.mp4", "sub/ü.mp4", "c,d.mp4")


def test_every_round_of_a_run_in_its_order(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    for epoch, clusters in ((10, [0, 0, 1]), (0, [0, 1, 2]), (5, [2, 1, 0])):
        folder.save_clusters(epoch, IDS, clusters)
    rounds = read_partitions(tmp_path / "run")
    assert [(one.name, one.place) for one in rounds] == [
        ("epoch 0", 0), ("epoch 5", 5), ("epoch 10", 10)
    ]  # fmt: skip
    assert [one.clusters.tolist() for one in rounds] == [[0, 1, 2], [2, 1, 0], [0, 0, 1]]
    assert all(one.ids == IDS for one in rounds)
    of_segments = RunFolder(tmp_path / "segments")
    of_segments.save_clusters(0, [f"{name}#t=1.5,4" for name in IDS], [0, 1, 0])
    assert read_partitions(of_segments.path)[0].ids == IDS


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    """Return a file of embeddings of 60 videos around five directions, off the origin."""
    rng = np.random.default_rng(0)
    centre = np.repeat(rng.normal(size=(5, 8)), 12, axis=0)[:, None]
    clips = (centre + 0.2 * rng.normal(size=(60, 2, 8)) + 3.0).astype(np.float32)
    ids = tuple(f"{i}.mp4" for i in range(60))
    stored = Embeddings(ids=ids, clips=clips, encoder="0123", layer="head", modality="rgb")
    stored.save(tmp_path / "embeddings.npz")
    return tmp_path / "embeddings.npz"


def test_embeddings_are_clustered_when_read(embeddings: Path) -> None:
    x = Embeddings.load(embeddings).mean
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    levels = read_partitions(embeddings)
    expected = finch(unit).partitions
    assert [one.name for one in levels] == [f"FINCH {i}" for i in range(len(expected))]
    for one, labels in zip(levels, expected, strict=True):
        assert np.array_equal(one.clusters, labels)
    shifted = x - x.mean(axis=0)
    expected_centred = finch(shifted / np.linalg.norm(shifted, axis=1, keepdims=True)).partitions
    centred = read_partitions(embeddings, centre=True)
    assert [one.clusters.tolist() for one in centred] == [p.tolist() for p in expected_centred]
    assert not np.array_equal(expected_centred[0], expected[0])
    (k_means,) = read_partitions(embeddings, clusterer=KMeans(5), centre=True, seed=0)
    assert k_means.name == "k-means 5"
    groups = {tuple(k_means.clusters[i : i + 12].tolist()) for i in range(0, 60, 12)}
    assert all(len(set(group)) == 1 for group in groups)
    assert len(groups) == 5
    with pytest.raises(TrainingError, match="61 clusters of 60"):
        read_partitions(embeddings, clusterer=KMeans(61))


def test_a_csv_file_of_clusters(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('path,cluster,note\na.mp4,swim,x\nsub/ü.mp4,7,\n"c,d.mp4",swim,\n')
    (partition,) = read_partitions(path)
    assert (partition.name, partition.ids) == ("mine.csv", IDS)
    a, b, c = partition.clusters
    assert a == c != b
    path.write_text('path , cluster,\n./a.mp4, swim,\n sub/ü.mp4,7\n"c,d.mp4",swim\n')
    (same,) = read_partitions(path)
    assert same.ids == IDS
    assert same.clusters.tolist() == partition.clusters.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,group\na,1\n", "mine.csv: no column 'cluster'; columns there: path, gr"),
        ("", "mine.csv: no column 'path' and no column 'cluster'; columns there: none"),
        ("path,cluster\n", "mine.csv: has a header but no rows"),
        ("path,cluster\na,1\nb,\n", "mine.csv: line 3: column 'cluster' is empty"),
        ("path,cluster\na,1\na,2\n", "mine.csv: line 3: 'a' has a row already"),
    ],
)
def test_a_csv_file_without_a_partition_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(CatalogError, match=message):
        read_partitions(tmp_path / "mine.csv")


def test_a_path_without_a_partition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"nowhere.csv: cannot be read as a CSV file"):
        read_partitions(tmp_path / "nowhere.csv")
    with pytest.raises(CatalogError, match=r"no clusters/epoch-\*.jsonl here; give the folder of"):
        read_partitions(tmp_path)
    with pytest.raises(EmbeddingsError, match=r"x.npz: is not a file of embeddings"):
        read_partitions(tmp_path / "x.npz")
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "epoch-0000.jsonl").write_text(json.dumps({"video": "a"}) + "\n")
    with pytest.raises(CatalogError, match=r"epoch-0000.jsonl: not the clusters of a round"):
        read_partitions(tmp_path)
    with pytest.raises(CatalogError, match=r"a clustering and centring apply only to .npz"):
        read_partitions(tmp_path, clusterer=KMeans(3))
