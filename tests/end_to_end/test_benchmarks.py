"""Train and score with the official lists of a benchmark."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Slic = Callable[..., Any]
CLASSES = ("Archery", "HandstandPushups")
NAMES = [f"{c}/v_{c}_g{group:02d}_c01.avi" for c in CLASSES for group in range(1, 7)]
TINY = (
    "--recipe=motion", "--clip.frames=4", "--clip.stride=2", "--clip.size=32",
    "--backbone.width=0.125",
    "--head.hidden=16", "--head.embedding=8", "--rounds.clips=1", "--train.batch_size=4",
    "--train.epochs=1", "--train.workers=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a copy of two classes of UCF101 with lists of those two beside it."""
    root = tmp_path_factory.mktemp("ucf101") / "UCF-101"
    video = make_video(root.parent / "video.avi", frames=20, size=(64, 48), codec="mpeg4")
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(video, root / name)
    lists = root.parent / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Archery\n2 HandstandPushups\n")
    for split in (1, 2, 3):
        test = [name for name in NAMES if f"_g0{split}_" in name]
        train = [f"{n} {1 + (n[0] == 'H')}" for n in NAMES if n not in test]
        (lists / f"testlist0{split}.txt").write_text("\n".join(test))
        (lists / f"trainlist0{split}.txt").write_text("\n".join(train))
    return root


def test_train_and_score_on_official_lists(slic: Slic, videos: Path, tmp_path: Path) -> None:
    shutil.copytree(videos.parent, tmp_path / "copy", copy_function=os.link)
    videos = tmp_path / "copy" / videos.name
    (videos / NAMES[-1]).rename(videos / "Archery" / "unlisted.avi")
    words = ("--labels", "ucf101:1", "--split", "train", "--out", tmp_path / "run", *TINY)
    ended = slic("pretrain", videos, *words).wait()
    assert ended.code == 0, ended.err
    messages = [line for line in ended.err.splitlines() if line.startswith("slic: ucf101:1: ")]
    assert messages == [
        f"slic: ucf101:1: 1 of 12 listed videos are missing or unreadable, the first is "
        f"{NAMES[-1]!r}; 1 of 12 videos have no label and are ignored, the first is "
        "'Archery/unlisted.avi'."
    ]
    figures = tmp_path / "scores.json"
    scoring = ("--labels", "ucf101:1", "--encoder", tmp_path / "run" / "encoder", "--json", figures)
    ended = slic("evaluate", "retrieval", videos, *scoring, "--workers=0").wait()
    assert ended.code == 0, ended.err
    printed = json.loads(figures.read_text())
    assert (printed["queries"], printed["gallery"]) == (2, 9)
    ended = slic("evaluate", "retrieval", videos, *scoring[2:], "--labels", "ucf101:4").wait()
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("slic: ucf101: no split '4'; use ucf101:1 or")
