"""*fixed-camera*: pairs are each other's time reversal, and all videos show one room."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from learning.fixed_camera import draw_manner, frame_times, write_fixed_camera
from learning.fixed_camera_motions import LABELS, PAIRS, perform
from slic.evaluation.mean_frame import mean_frame_vectors
from slic.sample.figure import draw_actor
from slic.videos.catalog import Catalog

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pair", PAIRS)
def test_each_of_a_pair_is_the_other_played_backwards(pair: tuple[str, str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    manner, build = draw_manner(rng), draw_actor(rng).build
    times = frame_times(manner)
    forward, backward = (perform(label, manner, build, times) for label in pair)
    for name, points in forward.items():
        assert np.allclose(points, backward[name][::-1])
        assert np.isfinite(points).all()
    moved = max(np.abs(points - backward[name]).max() for name, points in forward.items())
    assert moved > 0.3  # metres: forwards and backwards are not the same


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("label", LABELS)
def test_the_action_takes_about_a_second_of_the_take(label: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    manner, build = draw_manner(rng), draw_actor(rng).build
    times = frame_times(manner)
    points = perform(label, manner, build, times)
    speed = np.stack(
        [np.linalg.norm(np.gradient(p, times, axis=0), axis=1) for p in points.values()]
    )
    end = manner.start + manner.duration
    begin = manner.start if label == LABELS[label][0] else manner.total - end
    during = (times > begin) & (times < begin + manner.duration)
    margin = 1.5 / 25  # a difference reaches over three frames
    rest = (times < begin - margin) | (times > begin + manner.duration + margin)
    assert speed[:, during].max() > 1.0
    assert speed[:, rest].max() < 0.35


@pytest.mark.parametrize("label", LABELS)
def test_nothing_jumps_or_sinks_into_the_floor(label: str) -> None:
    rng = np.random.default_rng(5)
    manner, build = draw_manner(rng), draw_actor(rng).build
    for name, points in perform(label, manner, build, frame_times(manner)).items():
        assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() < 0.35, name
        assert points[:, 1].min() > -0.02, name


@pytest.mark.slow
def test_all_videos_show_one_room_and_test_people_are_unseen(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_fixed_camera(tmp_path / name, train=2, test=1, seed=0)
    one, other = (
        [file.read_bytes() for file in sorted((tmp_path / name).rglob("*")) if file.is_file()]
        for name in ("one", "other")
    )
    assert one == other
    frames = mean_frame_vectors(Catalog.from_folder(tmp_path / "one"))
    likeness = np.corrcoef(frames)
    assert likeness.min() > 0.7


def test_labels_are_balanced_and_people_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, str]] = []
    monkeypatch.setattr(
        "learning.fixed_camera.write_set",
        lambda _, plan, **__: rows.extend(one.row for one in plan),
    )
    write_fixed_camera(tmp_path, train=40, test=20, seed=0)
    found = Counter((row["split"], row["label"]) for row in rows)
    assert found == {("train", k): 4 for k in LABELS} | {("test", k): 2 for k in LABELS}
    people = {part: {r["actor"] for r in rows if r["split"] == part} for part in ("train", "test")}
    assert people["train"].isdisjoint(people["test"])
