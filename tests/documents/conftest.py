"""A folder with everything that the examples of the documents name, made once.

=====================  ==============================================================
``VIDEOS``             12 drawn videos in ``train`` and ``test``, ``labels.csv``, and two
                       longer ones, ``cam1/door.mp4`` and ``cam2/hall.mp4``, of 15 s
``videos``             a link to it
``NEW_VIDEOS``         two more
``clip.mp4`` and so    single videos: ``good``, ``bad``, ``a``, ``b``, ``c``, ``query``
``labels.csv``         that of ``VIDEOS``
``run``                a run of the default recipe on ``VIDEOS``, and ``run/encoder``
``index``              an index of ``VIDEOS``, clustered, with a few labels
``names.txt``          two class names
``UCF101``             nine tiny videos of three classes, with lists
=====================  ==============================================================
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from slic.cli import main
from slic.sample.dataset import write_sample
from tests.documents.shell import FROM_THE_SAMPLE, run_slic

MakeVideo = Callable[..., Path]
NEVER_CHANGED = (".safetensors", ".mp4", ".avi", ".mkv", ".mov", ".webm")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Iterator[Path]:
    """Return the folder, which tests copy to its place beside it, where its index was made."""
    folder = tmp_path_factory.mktemp("documents")
    place = folder / "place"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        place.mkdir()
        patch.chdir(place)
        _write_videos(place, make_video)
        _write_ucf101(place / "UCF101", make_video)
        run_slic(["pretrain", "VIDEOS", "--out", "run"])
        run_slic(["index", "VIDEOS", "--out", "index", "--workers", "0"])
        main(["cluster", "index"])
        for moment, label in (("cam1/door.mp4@2", "open"), ("cam2/hall.mp4@2", "walk")):
            main(["labels", "set", "index", moment, label])
        for name in ("run", "index"):
            (place / name / FROM_THE_SAMPLE).touch()
    yield copy_of(place, folder / "sample")
    torch.set_num_threads(threads)
    shutil.rmtree(folder)


def _write_videos(folder: Path, make_video: MakeVideo) -> None:
    videos = folder / "VIDEOS"
    write_sample(videos, train=8, test=4, workers=1, progress=False)
    shutil.copy(videos / "labels.csv", "labels.csv")
    for number, name in enumerate(("cam1/door.mp4", "cam2/hall.mp4")):
        make_video(videos / name, frames=240, fps=16, size=(96 + 32 * number, 96))
    files = sorted((videos / "test").iterdir())
    for name, file in zip(("a", "b", "c", "bad"), files, strict=True):
        shutil.copy(file, f"{name}.mp4")
    for name in ("clip", "good", "query"):
        shutil.copy("a.mp4", f"{name}.mp4")
    for name in ("one", "two"):
        make_video(folder / "NEW_VIDEOS" / f"{name}.mp4", frames=60, size=(96, 64))
    (folder / "names.txt").write_text("walking\nwaving\n")
    (folder / "videos").symlink_to("VIDEOS")


def _write_ucf101(folder: Path, make_video: MakeVideo) -> None:
    """Write three classes of three videos; the first one of each class is a test video."""
    lists = folder / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    classes = ["Archery", "HandstandPushups", "YoYo"]
    names = [f"{label}/v_{label}_g0{group}_c01.avi" for label in classes for group in (1, 2, 3)]
    for name in names:
        make_video(folder / name, frames=8, size=(32, 24), codec="mpeg4")
    numbered = [f"{number} {label}" for number, label in enumerate(classes, start=1)]
    (lists / "classInd.txt").write_text("\n".join(numbered) + "\n")
    for split in (1, 2, 3):
        test = [name for name in names if f"_g0{split}_" in name]
        train = [f"{n} {classes.index(n.split('/')[0]) + 1}" for n in names if n not in test]
        (lists / f"testlist0{split}.txt").write_text("\n".join(test) + "\n")
        (lists / f"trainlist0{split}.txt").write_text("\n".join(train) + "\n")


@pytest.fixture
def place(sample: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder where the sample was made, with a new copy of it, as working directory."""
    folder = sample.with_name("place")
    for entry in folder.iterdir():  # the folder itself stays: processes that decode are in it
        entry.unlink() if entry.is_symlink() or entry.is_file() else shutil.rmtree(entry)
    monkeypatch.chdir(copy_of(sample, folder))
    monkeypatch.syspath_prepend(folder)
    yield folder
    monkeypatch.undo()


def copy_of(source: Path, target: Path) -> Path:
    """Copy a folder; videos and weights are links."""

    def copy(name: str, new: str) -> str:
        (os.link if name.endswith(NEVER_CHANGED) else shutil.copy2)(name, new)
        return new

    shutil.copytree(source, target, symlinks=True, copy_function=copy, dirs_exist_ok=True)
    return target
