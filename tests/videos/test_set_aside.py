"""Videos that failed to decode are remembered by their content, and a run is not changed by it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest
import torch

from slic.errors import VideoError
from slic.pretraining.state import CHECKPOINT_FORMAT
from slic.runs import load_checkpoint
from slic.videos import isolation, set_aside
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames
from slic.videos.set_aside import MAX_SET_ASIDE, SET_ASIDE_FORMAT, SET_ASIDE_NAME
from slic.videos.video import Video

MakeVideo = Callable[..., Path]
# A worker that crashes on the file b.mp4 when a frame from the 20th on is read.
CRASH = """
import os
import slic.videos.isolation as i
read = i.resized_frames
def crash(video, places, size):
    if video.path.name.startswith("b") and places[-1] >= 20:
        os.abort()
    return read(video, places, size)
i.resized_frames = crash
"""
TINY = """
clip: {frames: 4, stride: 1, size: 32}
sampling: {flow_probability: 0.0}
backbone: {name: slic/r3d10, width: 0.125}
head: {hidden: 32, embedding: 16}
train: {epochs: 2, batch_size: 2, workers: 0}
rounds: {every_epochs: 1, inputs: [rgb]}
"""


def forget() -> None:
    """Forget what this process knows, as another process does not know it."""
    isolation._close_all()
    set_aside._tables.clear()
    set_aside._failed_readings.clear()
    set_aside._content_mark.cache_clear()


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Path:
    folder = tmp_path_factory.mktemp("set aside")
    for number, name in enumerate(["a.mp4", "b.mp4", "c.mp4", "d.mp4"]):
        make_video(folder / name, frames=40 + number, size=(64, 48))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "videos"))


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_PROGRAM", CRASH + "i.serve({}, {})")


def scanned(folder: Path) -> Catalog:
    return Catalog.from_folder(folder, progress=False)


def fail(video: Video) -> None:
    with pytest.raises(VideoError, match="the decoder crashed"):
        read_frames(video, [30])


@pytest.mark.usefixtures("crashing")
def test_another_process_does_not_decode_it_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = scanned(folder)
    assert catalog.find_set_aside() == {}
    fail(catalog[1])
    forget()
    monkeypatch.setattr(isolation, "_take", lambda: pytest.fail("a worker was started"))
    again = scanned(folder)
    assert [video.id for video in again] == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    assert again.find_set_aside() == {"b.mp4": "the decoder crashed (SIGABRT)"}
    reason = r"b\.mp4: set aside earlier: the decoder crashed \(SIGABRT\)"
    with pytest.raises(VideoError, match=reason):
        read_frames(again[1], [0])
    kept = again.with_refused(again.find_set_aside())
    assert [refused.id for refused in kept.refused] == ["b.mp4"]
    assert len(kept) == 3


@pytest.mark.usefixtures("crashing")
def test_what_is_remembered_is_the_content(folder: Path) -> None:
    fail(scanned(folder)[1])
    (folder / "b.mp4").rename(folder / "b2.mp4")
    os.utime(folder / "b2.mp4", (1, 1))
    assert list(scanned(folder).find_set_aside()) == ["b2.mp4"]
    content = bytearray((folder / "b2.mp4").read_bytes())
    content[len(content) // 2] ^= 1  # same size, same ends
    (folder / "b2.mp4").write_bytes(content)
    os.utime(folder / "b2.mp4", (1, 1))
    forget()
    assert scanned(folder).find_set_aside() == {}
    shutil.copy(folder / "c.mp4", folder / "b2.mp4")
    forget()
    assert read_frames(scanned(folder)[1], [0]).shape == (1, 48, 64, 3)


@pytest.mark.usefixtures("crashing")
def test_a_replaced_file_is_read_by_the_same_process(folder: Path) -> None:
    fail(scanned(folder)[1])
    shutil.copy(folder / "c.mp4", folder / "b.mp4")
    assert len(read_frames(scanned(folder)[1], [0, 1])) == 2


def test_a_damaged_video_is_remembered(folder: Path) -> None:
    catalog = scanned(folder)
    with av.open(str(folder / "b.mp4")) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.pos and p.size]
    content = bytearray((folder / "b.mp4").read_bytes())
    for position, size in packets[10:30]:
        content[position : position + size] = bytes([255]) * size
    (folder / "b.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"b\.mp4: frame \d+ does not decode"):
        read_frames(catalog[1], range(40))
    forget()
    assert "does not decode" in scanned(folder).find_set_aside()["b.mp4"]


@pytest.mark.usefixtures("crashing")
def test_a_folder_that_takes_no_file(folder: Path) -> None:
    catalog = scanned(folder)
    folder.chmod(0o555)
    fail(catalog[1])
    with pytest.raises(VideoError, match="set aside earlier"):
        read_frames(catalog[1], [0])
    assert not (folder / SET_ASIDE_NAME).exists()
    forget()
    assert scanned(folder).find_set_aside() == {}


@pytest.mark.usefixtures("crashing")
def test_without_a_catalog_cache_nothing_is_written(folder: Path) -> None:
    fail(Catalog.from_folder(folder, cache=False, progress=False)[1])
    assert not (folder / SET_ASIDE_NAME).exists()


def test_a_killed_worker_is_not_the_fault_of_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = CRASH.replace("os.abort()", "os.kill(os.getpid(), 9)") + "i.serve({}, {})"
    monkeypatch.setattr(isolation, "_PROGRAM", kill)
    fail(scanned(folder)[1])
    assert not (folder / SET_ASIDE_NAME).exists()


@pytest.mark.usefixtures("crashing")
def test_the_file_has_a_version_and_an_end(folder: Path) -> None:
    video = scanned(folder)[1]
    place = folder / SET_ASIDE_NAME
    for content in (b"", b"[1]", b'{"slic_set_aside": 99, "decoder": "x", "files": {}}'):
        place.write_bytes(content)
        forget()
        assert scanned(folder).find_set_aside() == {}
    files = {f"1-{number:08x}": "broken" for number in range(MAX_SET_ASIDE)}
    about = {"slic_set_aside": SET_ASIDE_FORMAT, "decoder": set_aside.DECODER, "files": files}
    place.write_text(json.dumps(about))
    fail(video)
    kept = json.loads(place.read_text())["files"]
    assert len(kept) == MAX_SET_ASIDE
    assert "1-00000000" not in kept
    assert [*kept.values()][-1] == "the decoder crashed (SIGABRT)"


def test_long_files_are_sampled_up_to_their_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_aside, "BLOCK_BYTES", 10)
    monkeypatch.setattr(set_aside, "MAX_MARK_BYTES", 30)
    path = tmp_path / "a"
    marks = []
    for changed in (None, 0, 99, 45, 15):
        content = bytearray(100)
        if changed is not None:
            content[changed] = 1
        path.write_bytes(content)
        set_aside._content_mark.cache_clear()
        marks.append(set_aside._content_mark(path, 100, 0))
    assert len(set(marks)) == 4
    assert marks[4] == marks[0]  # between two blocks


@pytest.mark.usefixtures("crashing")
def test_in_a_run_only_the_same_reading_fails_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = scanned(folder).with_set_aside({"a.mp4": "it is broken"})
    with pytest.raises(VideoError, match=r"a\.mp4: set aside earlier: it is broken"):
        read_frames(catalog[0], [0])
    fail(catalog[1])
    assert len(read_frames(catalog[1], [0])) == 1  # although the file is remembered now
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "_take", lambda: pytest.fail("a worker was started"))
        fail(catalog[1])
    with pytest.raises(VideoError, match="set aside earlier"):
        read_frames(replace(catalog[1], set_aside=None), [0])


@pytest.mark.soak
def test_a_resumed_run_reads_what_failed_elsewhere_meanwhile(folder: Path, tmp_path: Path) -> None:
    """Another process sets a video aside; the resumed run ends with the same weights even so."""
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TINY)
    program = f"""
import os, signal, sys
import torch
from slic.callbacks import Callback
from slic.pretraining.entry import pretrain
from slic.recipe import load_recipe

class Stop(Callback):
    def on_step_end(self, run, result):
        if run.state.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

torch.set_num_threads(1)
out, resume, stop = sys.argv[1], sys.argv[2] == "resume", sys.argv[3] == "stop"
recipe = load_recipe({str(recipe)!r})
pretrain({str(folder)!r}, out=out, recipe=recipe, resume=resume, progress=False,
         callbacks=[Stop()] if stop else [])
"""

    def run(out: str, *words: str) -> bool:
        command = [sys.executable, "-c", program, str(tmp_path / out), *words]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    assert run("whole", "new", "go")
    assert not run("parts", "new", "stop")
    set_aside.set_aside(scanned(folder)[1], [0], "it failed elsewhere", lasting=True)
    assert run("after", "new", "go")
    assert run("parts", "resume", "go")
    whole, parts, after = (
        load_checkpoint(tmp_path / out / "checkpoints/last.pt", version=CHECKPOINT_FORMAT)[
            "encoder"
        ]
        for out in ("whole", "parts", "after")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not all(torch.equal(whole[name], after[name]) for name in whole)  # a new run knows it
