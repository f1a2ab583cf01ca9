"""The sample says what an action is by its motion only, and is the same wherever it is made."""

import csv
import dataclasses
import hashlib
import inspect
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8
from scipy.stats import chi2_contingency

from slic.errors import CatalogError
from slic.sample import ACTIONS, write_sample
from slic.sample.actions import Style, perform
from slic.sample.backgrounds import paint_place
from slic.sample.body import Build, joints
from slic.sample.dataset import Settings, plan
from slic.sample.figure import draw_actor
from slic.sample.scene import render
from slic.sample.take import STRENGTHS, Level, draw_take
from slic.videos.encoding import draw_encoding, write_video

LEVELS = tuple(STRENGTHS)


def drawn(action: str, level: Level, *, frames: int, seed: int = 3) -> UInt8[np.ndarray, "t h w 3"]:
    rng = np.random.default_rng(seed)
    actor, take = draw_actor(rng), dataclasses.replace(draw_take(rng, level), frames=frames)
    place = paint_place(seed, textured=take.strength.textured)
    return np.stack(list(render(action, actor=actor, place=place, take=take)))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, train=5, test=2, seed=5, workers=1, progress=False)
    return folder


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(level: Level) -> None:
    first = drawn("walk", level, frames=4)
    assert np.array_equal(first, drawn("walk", level, frames=4))
    assert not np.array_equal(first, drawn("walk", level, frames=4, seed=4))


@pytest.mark.parametrize("level", LEVELS)
def test_actions_differ_in_the_figure_only(level: Level) -> None:
    """The same take with another action: other pixels, but the same place away from the person."""
    videos = [drawn(action, level, frames=4) for action in ACTIONS]
    for k, video in enumerate(videos):
        for other in videos[k + 1 :]:
            assert not np.array_equal(video, other)
            untouched = (video == other).all(axis=-1).mean()
            assert untouched > 0.6


@pytest.mark.parametrize("action", ACTIONS)
def test_a_body_keeps_its_bones_its_ground_and_its_cycle(action: str) -> None:
    rng = np.random.default_rng(0)
    build = draw_actor(rng).build
    style = dataclasses.replace(draw_take(rng, "easy").style, fidget=0.0, cycles_per_second=1.0)
    points = joints(perform(action, style, np.linspace(0, 2, 81)), build)
    for side in (0, 1):
        for near, far in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
            bone = np.linalg.norm(points[f"{near}{side}"] - points[f"{far}{side}"], axis=1)
            assert np.ptp(bone) < 1e-9
    soles = np.stack([points[f"{name}{side}"][:, 1] for name in ("heel", "toe") for side in (0, 1)])
    assert soles.min() == pytest.approx(0.0, abs=0.02)  # stands, and never sinks
    for point in points.values():
        assert np.allclose(point[:40], point[40:80], atol=1e-6)  # one cycle a second
        assert np.abs(np.diff(point, axis=0)).max() < 0.4  # metres in 25 ms: nothing jumps


def test_every_action_moves_and_each_in_its_own_way() -> None:
    build = Build(
        height_metres=1.7, hip_height=0.52, shoulder=0.11, hip=0.055, head=0.07, girth=1.0
    )
    style = dataclasses.replace(
        draw_take(np.random.default_rng(1), "easy").style, fidget=0.0, cycles_per_second=1.0
    )
    seconds = np.arange(0, 1, 0.04)

    def velocity(action: str, style: Style) -> list[float]:
        points = joints(perform(action, style, seconds), build)
        names = ("hand0", "hand1", "ankle0", "ankle1", "head")
        return [v for name in names for v in np.abs(np.diff(points[name], axis=0)).mean(axis=0)]

    speeds = np.array([velocity(action, style) for action in ACTIONS])
    assert (speeds.max(axis=1) > 0.005).all()
    apart = np.linalg.norm(speeds[:, None] - speeds[None], axis=-1)
    assert apart[~np.eye(len(ACTIONS), dtype=bool)].min() > 0.01


def test_nothing_drawn_for_a_video_can_know_its_action() -> None:
    for draw in (draw_take, draw_encoding, draw_actor, paint_place):
        assert "action" not in inspect.signature(draw).parameters


def test_appearance_is_independent_of_the_action() -> None:
    entries = plan(Settings("easy", 4000, 0, 0))
    looks = {
        "actor": [entry.actor for entry in entries],
        "background": [entry.background for entry in entries],
        "container": [Path(entry.path).suffix for entry in entries],
    }
    for look in looks.values():
        kinds = sorted(set(look))
        counts = np.zeros((len(ACTIONS), len(kinds)))
        for entry, kind in zip(entries, look, strict=True):
            counts[ACTIONS.index(entry.label), kinds.index(kind)] += 1
        assert chi2_contingency(counts).pvalue > 1e-3


def test_confounded_places_belong_to_an_action_in_training_and_tell_nothing_in_test() -> None:
    settings = Settings("easy", 6000, 3000, 1, scenes="confounded")
    train, test = (
        [entry for entry in plan(settings) if entry.split == split] for split in ("train", "test")
    )
    of_place: dict[str, Counter[str]] = {}
    for entry in train:
        of_place.setdefault(entry.background, Counter())[entry.label] += 1
    main = {place: labels.most_common(1)[0] for place, labels in of_place.items()}
    assert set(Counter(action for action, _ in main.values()).values()) == {6}  # 60 places
    shares = [count / of_place[place].total() for place, (_, count) in main.items()]
    assert min(shares) > 0.75
    own = sum(count for _, count in main.values()) / len(train)
    assert own == pytest.approx(0.9, abs=0.015)
    counts = Counter((entry.label, entry.background) for entry in test)
    places = sorted({entry.background for entry in test})
    assert chi2_contingency([[counts[a, b] for b in places] for a in ACTIONS]).pvalue > 1e-3
    assert {entry.background for entry in train}.isdisjoint(places)
    assert {entry.actor for entry in train}.isdisjoint(entry.actor for entry in test)
    free = Settings("easy", 6000, 3000, 1)
    assert test == [entry for entry in plan(free) if entry.split == "test"]


def test_a_kind_of_scene_is_known_in_places_never_seen() -> None:
    def look(number: int, kind: int) -> UInt8[np.ndarray, " p"]:
        place = paint_place(number, textured=False, kind=kind)
        return cv2.resize(place, (12, 9), interpolation=cv2.INTER_AREA).ravel()

    seen = np.array([[look(n, kind) for n in range(12)] for kind in range(10)], float)
    unseen = np.array([[look(n, kind) for n in range(60, 66)] for kind in range(10)], float)
    apart = np.linalg.norm(unseen[:, :, None, None] - seen[None, None], axis=-1).reshape(60, 120)
    assert (apart.argmin(axis=1) // 12 == np.repeat(np.arange(10), 6)).mean() > 0.6
    assert not np.array_equal(look(5, 0), look(5, 5))


def test_splits_share_no_actor_and_no_background_and_classes_are_even() -> None:
    entries = plan(Settings("hard", 403, 125, 2))
    train, test = ([e for e in entries if e.split == split] for split in ("train", "test"))
    assert (len(train), len(test)) == (403, 125)
    assert {e.actor for e in train}.isdisjoint(e.actor for e in test)
    assert {e.background for e in train}.isdisjoint(e.background for e in test)
    for part in (train, test):
        counts = Counter(e.label for e in part)
        assert set(counts) == set(ACTIONS)
        assert max(counts.values()) - min(counts.values()) <= 1
        neighbours = [a.label == b.label for a, b in pairwise(part)]
        assert np.mean(neighbours) < 0.25  # shuffled: one in ten by chance


def test_a_sample_decodes_as_its_table_says(sample: Path) -> None:
    rows = table(sample)
    assert list(rows[0]) == ["path", "label", "split", "actor", "background"]
    assert [row["split"] for row in rows] == ["train"] * 5 + ["test"] * 2
    for row in rows:
        assert row["path"].startswith(row["split"] + "/")
        assert not any(action in row["path"] for action in ACTIONS)
        capture = cv2.VideoCapture(str(sample / row["path"]))
        fps, frames = capture.get(cv2.CAP_PROP_FPS), 0
        while (read := capture.read())[0]:
            assert read[1].shape == (240, 320, 3)
            frames += 1
        assert 25 <= round(fps, 2) <= 30
        assert 1.9 <= frames / fps <= 6.1


def test_any_number_of_workers_writes_the_same_files(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "again", train=5, test=2, seed=5, workers=2, progress=False)
    assert digests(tmp_path / "again") == digests(sample)


def test_a_finished_sample_is_left_alone_and_a_broken_one_completed(sample: Path) -> None:
    before, rows = digests(sample), table(sample)
    times = {path: path.stat().st_mtime_ns for path in sample.rglob("*")}
    write_sample(sample, train=5, test=2, seed=5, progress=False)
    assert times == {path: path.stat().st_mtime_ns for path in sample.rglob("*")}
    (sample / "labels.csv").unlink()
    (sample / rows[4]["path"]).unlink()
    write_sample(sample, train=5, test=2, seed=5, progress=False)
    assert digests(sample) == before


def test_a_sample_from_before_there_were_scenes_is_still_itself(sample: Path) -> None:
    mark = sample / "sample.json"
    settings = json.loads(mark.read_text())
    mark.write_text(json.dumps({key: settings[key] for key in settings if key != "scenes"}))
    write_sample(sample, train=5, test=2, seed=5, progress=False)
    with pytest.raises(CatalogError, match="another sample"):
        write_sample(sample, train=5, test=2, seed=5, scenes="typical", progress=False)
    mark.write_text(json.dumps(settings))


def test_another_folder_is_refused(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="another sample"):
        write_sample(sample, train=6, test=2, seed=5, progress=False)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CatalogError, match="not empty"):
        write_sample(tmp_path, train=1, test=1, progress=False)
    with pytest.raises(CatalogError, match="is a file"):
        write_sample(tmp_path / "thesis.txt", train=1, test=1, progress=False)


def test_every_codec_and_container_gives_back_the_frames(tmp_path: Path) -> None:
    video = drawn("box", "easy", frames=20)
    encodings = {
        (encoding.container, encoding.codec): encoding
        for encoding in (draw_encoding(np.random.default_rng(k)) for k in range(60))
    }
    assert len(encodings) == 7
    fps = draw_take(np.random.default_rng(0), "easy").fps
    for k, encoding in enumerate(encodings.values()):
        path = tmp_path / f"{k}{encoding.suffix}"
        write_video(path, video, fps=fps, size=(320, 240), encoding=encoding)
        capture = cv2.VideoCapture(str(path))
        for truth in video:
            ok, bgr = capture.read()
            assert ok
            error = np.abs(bgr[..., ::-1].astype(float) - truth).mean()
            assert error < 10  # grey levels: the right frame, compressed
        assert not capture.read()[0]
