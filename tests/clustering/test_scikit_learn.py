"""What the clusterings of scikit-learn share: limits, zero rows, noise, and a late import."""

import subprocess
import sys

import numpy as np
import pytest

from slic.clustering import CLUSTERERS
from slic.clustering.scikit_learn import directions, noise_as_singletons
from slic.errors import EmbeddingsError, RecipeError, TrainingError

NAMES = ("agglomerative", "dbscan", "optics")


@pytest.mark.parametrize("name", NAMES)
def test_too_many_embeddings_are_refused_with_their_memory(name: str) -> None:
    clusterer = CLUSTERERS[name](max_points=999)
    message = r"of 1000 embeddings: .* 0.0 GB .* clustering.max_points = 999; raise that, or use fi"
    with pytest.raises(TrainingError, match=message):
        clusterer(np.ones((1000, 2)), seed=0)


@pytest.mark.parametrize("name", NAMES)
def test_only_directions_count_and_nothing_is_random(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 5))[rng.integers(9, size=150)] + 0.3 * rng.normal(size=(150, 5))
    clusterer = CLUSTERERS[name](**({"clusters": 9} if name == "agglomerative" else {}))
    labels = clusterer(x, seed=0).labels
    assert len(np.unique(labels)) > 3
    longer = clusterer(x * rng.uniform(0.1, 10, (150, 1)), seed=1).labels
    assert longer.tolist() == labels.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_a_direction(name: str) -> None:
    settings = {"clusters": 2} if name == "agglomerative" else {"min_samples": 4}
    x = np.repeat([[0.0, 0.0], [1.0, 2.0]], 10, axis=0)
    labels = CLUSTERERS[name](**settings)(x, seed=0).labels
    assert labels.tolist() == [labels[0]] * 10 + [1 - labels[0]] * 10
    with pytest.raises(EmbeddingsError, match="1 of 20 embeddings are not finite"):
        CLUSTERERS[name](**settings)(np.where(np.arange(20) == 3, np.nan, x.T).T, seed=0)


def test_zero_rows_are_one_direction_at_distance_1_of_the_others() -> None:
    unit = directions(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))
    assert (unit @ unit.T).tolist() == pytest.approx(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]))


def test_every_noise_point_is_a_cluster_of_its_own() -> None:
    labels = noise_as_singletons(np.array([-1, 1, 0, -1, 1]))
    assert labels.labels.tolist() == [2, 1, 0, 3, 1]
    assert noise_as_singletons(np.array([-1, -1])).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("agglomerative", "clusters", 0),
        ("dbscan", "epsilon", 0.0),
        ("dbscan", "epsilon", float("nan")),
        ("dbscan", "min_samples", 0),
        ("optics", "min_samples", 1),
        ("optics", "steepness", 1.0),
        *((name, "max_points", 0) for name in NAMES),
    ],
)
def test_settings_out_of_range_are_refused(name: str, setting: str, value: float) -> None:
    with pytest.raises(RecipeError, match=f"{setting} is {value}, but it must be"):
        CLUSTERERS[name](**{setting: value})


@pytest.mark.slow
def test_scikit_learn_is_imported_when_a_clustering_runs() -> None:
    program = "import sys, slic.clustering; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
