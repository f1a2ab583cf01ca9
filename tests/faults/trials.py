"""Verbs on tiny inputs, disturbed at a random moment, and what they leave on the disk."""

import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pytest
import torch

from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.sealed import Seal, open_sealed
from tests.conftest import Ended, Program, Running, Slic

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
train: {epochs: 3, batch_size: 2, workers: 0}
"""
SMALL_RUN = """
clip: {frames: 4, stride: 1, size: 32}
sampling: {same_video_probability: 0.2, flow_probability: 0.25}
backbone: {name: slic/r3d10, width: 0.125}
head: {hidden: 32, embedding: 16}
clustering: {name: finch}
loss: {name: info_nce}
temporal: {weight: 1.0}
schedule: {name: cosine, warmup_steps: 2}
"""
"""A recipe without its rounds, optimizer and length."""
VIEWS_RECIPE = """
clip: {frames: 4, stride: 1, size: 32}
sampling: {stored_views: 2}
backbone: {name: slic/motion}
head: {hidden: 16, embedding: 8}
train: {steps: 12, batch_size: 2, workers: 0}
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
MakeWords = Callable[[Material, Path], Words]


@dataclass(frozen=True)
class Verb:
    """A verb as a user starts it.

    Attributes:
        words: The words of the command, given the material and a new folder for what it writes.
        begun: A file of a run that another command continues; empty if the same command does.
        again: The words of that command.
        writes: Whether the folder tells what the verb did.
    """

    words: MakeWords
    begun: str = ""
    again: MakeWords | None = None
    writes: bool = True

    def continuing(self, material: Material, out: Path) -> Words:
        """Return the words that continue what is in the folder."""
        if self.again and (out / self.begun).exists():
            return self.again(material, out)
        return self.words(material, out)


def _pretrain(*more: object) -> MakeWords:
    return lambda m, o: ["pretrain", m.videos, "--out", o / "run", "--log_with=none", *more]


def _classify(kind: str, *more: object, workers: int = 0) -> MakeWords:
    return lambda m, o: [*_evaluate(kind, m, workers=workers), "--out", o / "run", *more]


def _evaluate(kind: str, material: Material, *, workers: int = 0) -> Words:
    words: Words = ["evaluate", kind, material.videos, "--labels", material.labels]
    return [*words, "--encoder", material.encoder, f"--workers={workers}"]


def _index(*more: object) -> MakeWords:
    return lambda m, o: [
        "index", m.videos, "--encoder", m.encoder, "--out", o / "index", "--window=0.4", *more,
    ]  # fmt: skip


def _proxies(*more: object) -> MakeWords:
    words = ("--proxies", "--short-side=32", *more)
    return lambda m, o: ["prepare", m.videos, *words, "--out", o / "p"]


def _embed(*more: object) -> MakeWords:
    return lambda m, o: ["embed", m.videos, "--encoder", m.encoder, "--out", o / "e.npz", *more]


def _own_index(*words: object, last: Words) -> MakeWords:
    """Return words that change an index, of which each folder gets a copy."""

    def make(material: Material, out: Path) -> Words:
        if not (out / "index").exists():
            shutil.copytree(material.index, out / "index")
        return [*words, out / "index", *last]

    return make


_EPOCHS = ("--epochs=2", "--batch-size=2")
KILLED = {
    "pretrain": Verb(
        lambda m, o: _pretrain("--recipe", m.recipe)(m, o), "run/recipe.yaml", _pretrain("--resume")
    ),
    "pretrain, 1 worker": Verb(
        lambda m, o: _pretrain("--recipe", m.recipe, "--train.workers=1")(m, o),
        "run/recipe.yaml",
        _pretrain("--resume"),
    ),
    "pretrain, stored views": Verb(
        lambda m, o: _pretrain("--recipe", m.views_recipe)(m, o),
        "run/recipe.yaml",
        _pretrain("--resume"),
    ),
    "evaluate finetune": Verb(
        _classify("finetune", *_EPOCHS), "run/settings.json", _classify("finetune", "--resume")
    ),
    "evaluate finetune, 1 worker": Verb(
        _classify("finetune", *_EPOCHS, workers=1),
        "run/settings.json",
        _classify("finetune", "--resume"),
    ),
    "evaluate linear": Verb(
        _classify("linear", *_EPOCHS), "run/settings.json", _classify("linear", "--resume")
    ),
    "scan": Verb(lambda m, o: ["scan", linked(m, o), "--workers=2"]),
    "index": Verb(_index("--workers=0")),
    "index, 1 worker": Verb(_index("--workers=1")),
    "prepare --proxies": Verb(_proxies("--workers=1")),
    "prepare --proxies, 2 workers": Verb(_proxies("--workers=2")),
    "prepare --flow": Verb(
        lambda m, o: ["prepare", m.videos, "--flow", "--recipe", m.recipe, "--out", o / "f"]
    ),
    "embed": Verb(_embed("--workers=0")),
    "embed, 1 worker": Verb(_embed("--workers=1")),
}  # fmt: skip
"""Verbs whose work lasts: it goes on after a kill, and ends as if nothing had happened."""

STOPPED = {
    **KILLED,
    "evaluate retrieval": Verb(
        lambda m, o: [*_evaluate("retrieval", m), "--json", o / "scores.json"]
    ),
    "evaluate probe": Verb(lambda m, o: [*_evaluate("probe", m), "--json", o / "scores.json"]),
    "evaluate clusters": Verb(
        lambda m, o: [*_evaluate("clusters", m), "--json", o / "scores.json"]
    ),
    "sample": Verb(lambda _, o: ["sample", o / "s", "--train=3", "--test=3", "--workers=1"]),
    "sample, 2 workers": Verb(
        lambda _, o: ["sample", o / "s", "--train=5", "--test=5", "--workers=2"]
    ),
    "demo": Verb(lambda _, o: ["demo", "--out", o / "demo"], writes=False),
    "search": Verb(
        lambda m, _: ["search", m.index, m.videos / "1.mp4", "--from=0.1", "--to=0.5"],
        writes=False,
    ),
    "search --html": Verb(
        lambda m, o: ["search", m.index, "1.mp4@0.2", "--html", o / "page.html"]
    ),
    "cluster": Verb(_own_index("cluster", last=["--again"]), writes=False),
    "labels set": Verb(_own_index("labels", "set", last=["1.mp4@0.2", "wave"]), writes=False),
    "labels spread": Verb(_own_index("labels", "spread", last=[]), writes=False),
    "labels export": Verb(
        lambda m, o: ["labels", "export", m.index, o / "labels.csv"]
    ),
    "export embeddings": Verb(
        lambda m, o: ["export", "embeddings", m.index, "--out", o / "e.parquet"]
    ),
    "export torch": Verb(
        lambda m, o: ["export", "torch", m.encoder, "--out", o / "e.pt2"],
        writes=False,
    ),
    "data check": Verb(lambda m, _: ["data", "check", "ucf101", m.videos], writes=False),
    "reproduce": Verb(lambda _, o: ["reproduce", "retrieval", "--runs", o / "runs"], writes=False),
    "studio": Verb(
        lambda m, o: ["studio", *_own_index(last=["--no-browser"])(m, o)],
        writes=False,
    ),
    "doctor": Verb(lambda _m, _o: ["doctor"], writes=False),
}  # fmt: skip
"""Verbs that a signal stops."""


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
    if path.suffix == ".pt":
        return _values(_checkpoint(path))
    if path.suffix == ".scan" or path.name.startswith(".slic-scan"):
        return "a scan"  # its rows are in the order of completion
    return sha256(path.read_bytes()).hexdigest()


def _checkpoint(path: Path) -> Any:
    with open_sealed(path, Seal("checkpoint", version_of(path))) as stream:
        return torch.load(cast("IO[bytes]", stream), weights_only=True)


def version_of(path: Path) -> int:
    """Return the version in the header of a sealed file."""
    return int.from_bytes(path.read_bytes()[24:32], "little")


def _values(state: Any) -> Any:
    """Return a nested state with digests for tensors, so that two can be compared."""
    if isinstance(state, torch.Tensor):
        return sha256(state.contiguous().numpy().tobytes()).hexdigest()
    if isinstance(state, dict):
        return {key: _values(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [_values(value) for value in state]
    return state


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
    return [(*place, Vector(np.frombuffer(x, "<f4"))) for *place, x in found]


@dataclass(frozen=True, eq=False)
class Vector:
    """A vector that equals one with other last bits."""

    values: np.ndarray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vector) and bool(np.abs(self.values - other.values).max() < 1e-5)

    __hash__ = None  # type: ignore[assignment]


def group_ends(pid: int, seconds: float = 30.0) -> bool:
    """Return whether all processes of a group end by themselves."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(PermissionError):
            try:
                os.killpg(pid, 0)
            except ProcessLookupError:
                return True
        time.sleep(0.01)
    return False


def send(running: Running, number: int, *, group: bool) -> None:
    """Send a signal to a process, or to its whole group; it may have ended."""
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(running.pid, number)


def temporaries(folder: Path) -> list[str]:
    """Return the temporary files in a folder."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*.tmp*")]


@dataclass(frozen=True)
class Undisturbed:
    """A command that nobody disturbed: its exit code, what it left, and how long it took."""

    code: int | None
    contents: dict[str, Any]
    seconds: float


class Bench:
    """Starts verbs in folders of their own, and knows what they leave when nobody disturbs them.

    Args:
        program: Starts a program.
        material: What the verbs work on.
        folder: Where undisturbed commands write.
    """

    def __init__(self, program: Program, material: Material, folder: Path) -> None:
        self.material, self._program, self._folder = material, program, folder
        self._undisturbed: dict[str, Undisturbed] = {}

    def start(self, verb: Verb, out: Path, *, before: str = "") -> Running:
        """Start a verb, or what continues it if it was begun in this folder."""
        out.mkdir(exist_ok=True)
        return self.slic(*verb.continuing(self.material, out), before=before)

    def slic(self, *words: object, before: str = "") -> Running:
        """Start a command, and wait until it handles signals."""
        argv = ["slic", *map(str, words)]
        running = self._program(
            f"{before}\nimport sys\nsys.argv = {argv!r}\nfrom slic.__main__ import run\nrun()"
        )
        while running.process.is_alive() and not handles_signals(running.pid):
            time.sleep(0.001)
        return running

    def undisturbed(self, name: str) -> Undisturbed:
        """Return what a verb does when nobody disturbs it."""
        if name not in self._undisturbed:
            out, started = self._folder / name.replace(" ", "-"), time.monotonic()
            ended = self.start(STOPPED[name], out).wait()
            seconds = time.monotonic() - started
            self._undisturbed[name] = Undisturbed(ended.code, contents(out), seconds)
            assert ended.code in (0, 1), ended.err
            assert "Traceback" not in ended.err, ended.err
        return self._undisturbed[name]

    def finish(self, name: str, out: Path) -> list[str]:
        """Continue a verb to its end; return what differs from one that nobody disturbed."""
        ended, wanted = self.start(STOPPED[name], out).wait(), self.undisturbed(name)
        if ended.code != wanted.code:
            return [f"exit code {ended.code}: {ended.err[-2000:]}"]
        found, whole = contents(out), wanted.contents
        names = sorted(found.keys() | whole.keys())
        return [f"differs: {n}" for n in names if found.get(n) != whole.get(n)]


def handles_signals(pid: int) -> bool:
    """Return whether a process handles SIGHUP, for which it sets its handler last."""
    try:
        _, found, rest = Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")
    except OSError:  # it has ended
        return False
    return bool(found) and bool(int(rest.split()[0], 16) >> (signal.SIGHUP - 1) & 1)


@pytest.fixture(scope="session")
def bench(program: Program, material: Material, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a bench for verbs."""
    return Bench(program, material, tmp_path_factory.mktemp("undisturbed"))


def problems_of_a_stop(ended: Ended, number: int, code: int | None) -> list[str]:
    """Return what is wrong with how a command ended after a signal.

    Args:
        ended: How it ended.
        number: The signal.
        code: Its exit code when nobody disturbs it; it may have been faster than the signal.
    """
    text = ended.err
    problems = [f"{w!r}: {text[-3000:]}" for w in ("Traceback", "Exception ignored") if w in text]
    if ended.code == code:
        return problems
    if ended.code != 128 + number:
        problems.append(f"exit code {ended.code}: {text[-2000:]}")
    last = (text.splitlines() or [""])[-1]
    if not last.startswith("slic: stopped"):
        problems.append(f"last line {last!r}")
    return problems
