"""Verbs on tiny inputs, disturbed at a random moment, and what they leave on the disk."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.conftest import Ended, Running, Slic

CLOCK_KEYS = frozenset({"time", "seconds", "waited", "clips_per_second"})
RECIPE = """
clip: {frames: 4, stride: 1, size: 32}
sampling: {same_video_probability: 0.2, flow_probability: 0.5}
backbone: {name: slic/r3d10, width: 0.125}
head: {hidden: 16, embedding: 8}
clustering: {name: finch}
rounds: {every_epochs: 1, inputs: [rgb]}
loss: {name: info_nce}
temporal: {weight: 1.0}
optimizer: {name: adamw, learning_rate: 0.001, weight_decay: 0.0}
schedule: {name: cosine, warmup_steps: 2}
train: {epochs: 3, batch_size: 2, workers: 1}
"""
VIEWS_RECIPE = """
clip: {frames: 4, stride: 1, size: 32}
sampling: {stored_views: 2}
backbone: {name: slic/motion}
head: {hidden: 16, embedding: 8}
train: {steps: 12, batch_size: 2, workers: 1}
"""


@dataclass(frozen=True)
class Material:
    """What the verbs work on: tiny videos with labels, an encoder, recipes and an index."""

    videos: Path
    labels: Path
    encoder: Path
    recipe: Path
    views_recipe: Path
    index: Path


Words = list[object]


@dataclass(frozen=True)
class Verb:
    """A verb as a user starts it.

    Attributes:
        name: Its name in reports.
        words: The words of the command, given the material and a new folder for what it writes.
        again: The words of the command that continues; None if the same command does.
        before: Python source that runs first, which makes the phases of the work longer.
    """

    name: str
    words: Callable[[Material, Path], Words]
    again: Callable[[Material, Path], Words] | None = None
    started: str = ""  # the file that a verb with --resume needs

    def continuing(self, material: Material, out: Path) -> Words:
        """Return the words that continue what is in the folder."""
        begun = (out / self.started).exists() if self.started else False
        return self.again(material, out) if begun and self.again else self.words(material, out)


def _pretrain(material: Material, out: Path) -> Words:
    words = ["pretrain", material.videos, "--out", out / "run", "--log_with", "none"]
    return [*words, "--recipe", material.recipe]


def _pretrain_views(material: Material, out: Path) -> Words:
    words = ["pretrain", material.videos, "--out", out / "run", "--log_with", "none"]
    return [*words, "--recipe", material.views_recipe]


def _resume(material: Material, out: Path) -> Words:
    words = ["pretrain", material.videos, "--out", out / "run", "--log_with", "none"]
    return [*words, "--resume"]


def _classification(kind: str, *, resume: bool) -> Callable[[Material, Path], Words]:
    def words(material: Material, out: Path) -> Words:
        settings: Words = ["--resume"] if resume else ["--epochs=2", "--batch-size=2"]
        return [*_evaluate(kind, material), *settings, "--out", out / "run"]

    return words


def _evaluate(kind: str, material: Material) -> Words:
    words: Words = ["evaluate", kind, material.videos, "--labels", material.labels]
    return [*words, "--encoder", material.encoder, "--workers=1"]


VERBS = {
    verb.name: verb
    for verb in (
        Verb("pretrain", _pretrain, _resume, "run/recipe.yaml"),
        Verb("pretrain with stored views", _pretrain_views, _resume, "run/recipe.yaml"),
        Verb(
            "finetune",
            _classification("finetune", resume=False),
            _classification("finetune", resume=True),
            "run/settings.json",
        ),
        Verb(
            "linear",
            _classification("linear", resume=False),
            _classification("linear", resume=True),
            "run/settings.json",
        ),
        Verb("scan", lambda m, o: ["scan", linked(m, o), "--json", "--workers=2"]),
        Verb(
            "index",
            lambda m, o: [
                "index", m.videos, "--encoder", m.encoder, "--out", o / "index", "--window=0.4",
                "--workers=1",
            ],
        ),
        Verb(
            "prepare --proxies",
            lambda m, o: [
                "prepare", m.videos, "--proxies", "--short-side=32", "--out", o / "proxies",
                "--workers=1",
            ],
        ),
        Verb(
            "prepare --flow",
            lambda m, o: [
                "prepare", m.videos, "--flow", "--recipe", m.recipe, "--out", o / "flow",
                "--workers=2",
            ],
        ),
        Verb(
            "embed",
            lambda m, o: [
                "embed", m.videos, "--encoder", m.encoder, "--workers=1", "--out", o / "e.npz",
            ],
        ),
        Verb(
            "retrieval", lambda m, o: [*_evaluate("retrieval", m), "--json", o / "scores.json"]
        ),
        Verb("clusters", lambda m, o: [*_evaluate("clusters", m), "--json", o / "scores.json"]),
        Verb(
            "sample",
            lambda _, o: ["sample", o / "sample", "--train=10", "--test=10", "--workers=1"],
        ),
    )
}  # fmt: skip


def linked(material: Material, out: Path) -> Path:
    """Return a folder of hard links to the videos, in which no scan is kept yet."""
    folder = out / "videos"
    folder.mkdir(parents=True, exist_ok=True)
    for video in material.videos.glob("*.mp4"):
        if not (folder / video.name).exists():
            (folder / video.name).hardlink_to(video)
    return folder


@pytest.fixture(scope="session")
def material(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path], slic: Slic
) -> Material:
    """Return tiny videos, an encoder, recipes and an index of these videos."""
    import torch

    from slic.models.backbones import ClipSpec
    from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

    folder = tmp_path_factory.mktemp("material")
    videos, lines = folder / "videos", ["path,label,split"]
    for number in range(6):
        make_video(videos / f"{number}.mp4", frames=16 + 3 * number, size=(64, 48))
        lines.append(f"{number}.mp4,action {number % 2},{'train' if number < 4 else 'test'}")
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=16, embedding=8),
        clip=ClipSpec(frames=4, stride=1, size=32),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        VideoEncoder(config).save_pretrained(folder / "encoder")
    names = ("labels.csv", "encoder", "recipe.yaml", "views.yaml", "index")
    made = Material(videos, *(folder / name for name in names))
    made.labels.write_text("\n".join(lines) + "\n")
    made.recipe.write_text(RECIPE)
    made.views_recipe.write_text(VIEWS_RECIPE)
    words = ["index", videos, "--encoder", made.encoder, "--out", made.index, "--window=0.4"]
    ended = slic(*words).wait()
    assert ended.code == 0, ended.err
    return made


def contents(folder: Path) -> dict[str, Any]:
    """Return what a verb left in a folder, without what may differ between two equal runs."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): _content(path)
        for path in files
        if path.name not in (".lock", "previous.pt") and not path.name.endswith(("-wal", "-shm"))
    }


def _content(path: Path) -> Any:
    if path.suffix == ".jsonl":
        records = [json.loads(line) for line in path.read_text().splitlines()]
        return [{k: v for k, v in r.items() if k not in CLOCK_KEYS} for r in records]
    if path.suffix == ".sqlite":
        return _rows(path)
    if path.suffix == ".scan" or path.name.startswith(".slic-scan"):
        return "a scan"  # its rows are in the order of completion
    return sha256(path.read_bytes()).hexdigest()


def _rows(path: Path) -> list[tuple[Any, ...]]:
    """Return every moment of an index; equal up to the last bits of sums over other batches."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = connection.execute(
            "SELECT v.path, m.number, m.start_seconds, m.end_seconds, m.vector"
            " FROM moments m JOIN videos v ON v.id = m.video_id ORDER BY 1, 2"
        ).fetchall()
    finally:
        connection.close()
    return [(*place, pytest.approx(np.frombuffer(x, "<f4"), abs=1e-5)) for *place, x in found]


def group_ends(pid: int, seconds: float = 20.0) -> bool:
    """Return whether all processes of a group end by themselves."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def seconds_of(running: Running) -> tuple[Ended, float]:
    """Wait for a command, and return how long it took from now."""
    started = time.monotonic()
    return running.wait(), time.monotonic() - started


def moments(seed: int, trials: int, seconds: float) -> Iterator[float]:
    """Give random moments of a command, one in each of as many equal parts of its time."""
    rng = Random(seed)
    for trial in range(trials):
        yield (trial + rng.random()) / trials * seconds


def stop(running: Running, number: int, *, group: bool) -> None:
    """Send a signal to a process, or to its whole group; it may have ended."""
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(running.pid, number)


KILL = signal.SIGKILL
