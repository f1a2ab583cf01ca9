"""The tasks keep their word: who is unseen in test, what tells the action, what a run is given."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from learning import tasks
from learning.foreign import ACTIONS, write_foreign
from learning.frames import stored_frames
from learning.tasks import Task, balanced, open_task, why_missing
from slic.clips.reader import ClipReader
from slic.evaluation.mean_frame import mean_frame_vectors
from slic.evaluation.retrieval import evaluate
from slic.models.backbones import ClipSpec
from slic.recipe import Recipe
from slic.videos.catalog import Catalog

pytestmark = pytest.mark.slow  # they start programs or train


CLIP = ClipSpec(frames=4, stride=3, size=32)
Open = Callable[..., Task]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Return a function that opens a small draw of the foreign set."""
    data = tmp_path_factory.mktemp("tasks")
    return lambda videos=None: open_task(
        "foreign", "test", data=data, videos=videos, train=14, test=6
    )


@given(st.lists(st.sampled_from("abcd"), min_size=1), st.integers(1, 50))
def test_the_first_so_many_videos_have_the_labels_as_evenly_as_there_are(
    labels: list[str], count: int
) -> None:
    ids = [f"{k}" for k in range(len(labels))]
    ordered = balanced(ids, labels)
    assert sorted(ordered) == sorted(ids)
    taken = Counter(labels[int(name)] for name in ordered[:count])
    for label, number in Counter(labels).items():  # nobody waits while another gets a second more
        assert taken[label] == number or taken[label] >= max(taken.values()) - 1


def test_fewer_training_videos_are_among_more_and_the_gallery_stays(opened: Open) -> None:
    whole, few, fewer = (opened(videos) for videos in (None, 10, 4))
    ids = [{video.id for video in task.training} for task in (whole, few, fewer)]
    assert ids[0] > ids[1] > ids[2]
    assert [len(part) for part in ids] == [14, 10, 4]
    assert whole.split == few.split == fewer.split
    assert not ids[0] & {video.id for video in whole.split.test}
    assert ids[0] == {video.id for video in whole.split.train}


def test_stored_frames_are_those_that_reading_gives(opened: Open) -> None:
    task = opened()
    stored = task.reader(Recipe(clip=CLIP))
    files = ClipReader(frames=CLIP.frames, stride=CLIP.stride, size=CLIP.size)
    for video in task.catalog:
        spans = [np.arange(video.frames - 5, video.frames + 7, 3), np.array([7, 3, 3, 0])]
        for ours, theirs in zip(stored.read(video, spans), files.read(video, spans), strict=True):
            assert np.array_equal(ours, theirs)


def test_foreign_actors_and_places_are_unseen_in_test_and_tell_no_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, str]] = []
    monkeypatch.setattr(
        "learning.foreign.write_set", lambda _, plan, **__: rows.extend(one.row for one in plan)
    )
    write_foreign(tmp_path, train=4000, test=400, seed=3)
    train, test = ([row for row in rows if row["split"] == part] for part in ("train", "test"))
    assert (len(train), len(test)) == (4000, 400)
    for look in ("actor", "background"):
        assert {row[look] for row in train}.isdisjoint(row[look] for row in test)
        seen = sorted({row[look] for row in train})
        counts = np.zeros((len(ACTIONS), len(seen)))
        for row in train:
            counts[ACTIONS.index(row["label"]), seen.index(row[look])] += 1
        assert chi2_contingency(counts).pvalue > 1e-3
    assert set(Counter(row["label"] for row in test).values()) == {40}


def test_foreign_videos_are_the_same_wherever_they_are_made(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_foreign(tmp_path / name, train=1, test=1, seed=2)
    first, second = (
        [file.read_bytes() for file in sorted((tmp_path / name).rglob("*")) if file.is_file()]
        for name in ("one", "other")
    )
    assert first == second


def test_the_task_of_real_clips_is_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "ARID6", Path("nowhere"))
    assert why_missing("easy", "validation") is None
    assert "nowhere" in str(why_missing("arid6", "test"))
    assert "no other draw" in str(why_missing("arid6", "validation"))


def test_real_clips_are_asked_val_among_train(shared: Path, tmp_path: Path) -> None:
    if not (shared / "data" / "arid6").is_dir():
        pytest.skip("arid6 is not in the shared folder")
    task = open_task("arid6", "test", data=tmp_path)
    assert (len(task.split.test), len(task.split.train), len(task.training)) == (96, 150, 150)
    queries, gallery = (mean_frame_vectors(side) for side in (task.split.test, task.split.train))
    found = evaluate(queries, task.split.test_labels, gallery, task.split.train_labels, ks=(1,))
    assert found.recall[1] < 0.25  # scenes do not carry over; chance is one in six


def test_a_catalog_with_other_videos_gets_other_frames(opened: Open, tmp_path: Path) -> None:
    task = opened()
    part = Catalog(task.catalog.root, task.catalog.videos[3:5])
    stored = stored_frames(part, size=(40, 30), folder=tmp_path)
    stored_frames(task.catalog, size=(40, 30), folder=tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2
    last = part.videos[1]
    assert stored.take(last, np.array([0, last.frames + 3])).shape == (2, 30, 40, 3)
