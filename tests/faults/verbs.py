"""Every verb that writes, on videos so small that a run takes about a second."""

import hashlib
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.search.repository.schema import DATABASE_FILE
from tests.faults.faults import FaultyDisk

_SMALL: Final = (
    "--recipe=paper-small", "--clip.frames=4", "--clip.size=32", "--backbone.width=0.125",
    "--head.hidden=16", "--head.embedding=8", "--train.epochs=2", "--train.batch_size=4",
    "--train.workers=0", "--sampling.flow_probability=0", "--log_with=none",
)  # fmt: skip
_LABELLED: Final = ("--labels=videos/labels.csv", "--encoder=encoder", "--workers=0")
_MOMENT: Final = "0.mp4@0"


@dataclass(frozen=True)
class Verb:
    """A command that writes.

    Attributes:
        words: Its words.
        before: Python source to run first; for what is no command, all of it.
        again: Words to add when it continues what a fault stopped, where there is a run.
        run: Folder that has a run to continue if it has this file.
        costly: Whether one run takes seconds; the quick part leaves it out.
    """

    words: tuple[str, ...]
    before: str = ""
    again: tuple[str, ...] = ()
    run: str = ""
    costly: bool = False


VERBS: Final[Mapping[str, Verb]] = {
    "sample": Verb(("sample", "new", "--train=1", "--test=1", "--workers=1"), costly=True),
    "scan": Verb(("scan", "fresh", "--workers=1")),
    "prepare --flow": Verb(
        ("prepare", "videos", "--flow", "--workers=1", "--recipe=paper-small", "--clip.size=32")
    ),
    "prepare --proxies": Verb(("prepare", "videos", "--proxies", "--workers=1", "--short-side=32")),
    "pretrain": Verb(
        ("pretrain", "videos", "--out=run", *_SMALL), again=("--resume",), run="run/recipe.yaml"
    ),
    "embed .npz": Verb(("embed", "videos", "--encoder=encoder", "--workers=0", "--out=new/e.npz")),
    "embed .parquet": Verb(
        ("embed", "videos", "--encoder=encoder", "--workers=0", "--out=new/e.parquet")
    ),
    "embed --cache": Verb(
        ("embed", "videos", "--encoder=encoder", "--workers=0", "--out=e.npz", "--cache=cache")
    ),
    "evaluate retrieval": Verb(
        (
            "evaluate",
            "retrieval",
            "videos",
            *_LABELLED,
            "--json=new/scores.json",
            "--pictures=new/page.html",
        )
    ),
    "evaluate clusters": Verb(
        (
            "evaluate",
            "clusters",
            "kept.npz",
            "--labels=videos/labels.csv",
            "--json=new/scores.json",
            "--picture=new/page.html",
        )
    ),
    "evaluate probe": Verb(
        ("evaluate", "probe", "videos", *_LABELLED, "--json=new/scores.json", "--cache=cache")
    ),
    "evaluate linear": Verb(
        ("evaluate", "linear", "videos", *_LABELLED, "--out=lin", "--epochs=2", "--json=s.json"),
        again=("--resume",),
        run="lin/settings.json",
    ),
    "evaluate finetune": Verb(
        ("evaluate", "finetune", "videos", *_LABELLED, "--out=fine", "--epochs=2", "--json=s.json"),
        again=("--resume",),
        run="fine/settings.json",
        costly=True,
    ),
    "index": Verb(("index", "videos", "--encoder=encoder", "--out=new/index", "--workers=0")),
    "index again": Verb(("index", "more", "--out=index", "--workers=0")),
    "cluster": Verb(("cluster", "index", "--again")),
    "cluster --merge": Verb(("cluster", "index", "--merge", "0", "1")),
    "labels set": Verb(("labels", "set", "index", _MOMENT, "waving")),
    "labels spread": Verb(("labels", "spread", "index", "--confidence=0.1")),
    "labels undo": Verb(("labels", "undo", "index")),
    "labels import": Verb(("labels", "import", "index", "kept.csv")),
    "labels export csv": Verb(("labels", "export", "index", "new/labels.csv")),
    "labels export json": Verb(("labels", "export", "index", "new/labels.json")),
    "labels export cvat": Verb(("labels", "export", "index", "new/labels.cvat.zip")),
    "labels export folder": Verb(
        ("labels", "export", "index", "new/labels.fiftyone", "--format=fiftyone")
    ),
    "labels cut": Verb(("labels", "cut", "index", "clips")),
    "export embeddings": Verb(("export", "embeddings", "index", "--out=new/moments.parquet")),
    "export torch": Verb(("export", "torch", "encoder", "--out=new/encoder.pt2"), costly=True),
    "export onnx": Verb(("export", "onnx", "encoder", "--out=new/encoder.onnx"), costly=True),
    "search --html": Verb(("search", "index", _MOMENT, "--html=new/page.html")),
    "share": Verb(("share", "encoder", "--out=shared")),
}


def make_template(folder: Path, make_video: Callable[..., Path]) -> None:
    """Write videos, labels and a random encoder."""
    rows = ["path,label,split"]
    for number in range(6):
        make_video(folder / "videos" / f"{number}.mp4", frames=12 + 6 * number, size=(64, 48))
        label = "even" if number % 2 == 0 else "odd"
        rows.append(f"{number}.mp4,{label},{'test' if number < 2 else 'train'}")
    (folder / "videos" / "labels.csv").write_text("\n".join(rows) + "\n")
    for name in ("more", "fresh"):
        make_video(folder / name / "7.mp4", frames=60, size=(64, 48))
    config = EncoderConfig(
        backbone="slic/r3d10", arguments={"width": 0.125}, head=HeadSpec(hidden=8, embedding=4),
        clip=ClipSpec(frames=4, stride=1, size=32),
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        VideoEncoder(config).save_pretrained(folder / "encoder")


def finish_template(disk: FaultyDisk) -> None:
    """Add an index with clusters and labels, and embeddings, to what the disk holds."""
    for words in (
        ("scan", "videos", "--workers=1"),
        ("scan", "more", "--workers=1"),
        ("index", "videos", "--encoder=encoder", "--out=index", "--workers=0", "--window=0.4"),
        ("labels", "set", "index", "1.mp4@0", "waving"),
        ("labels", "set", "index", "5.mp4@0.2", "walking"),
        ("labels", "export", "index", "kept.csv"),
        ("embed", "videos", "--encoder=encoder", "--workers=0", "--out=kept.npz"),
    ):
        trial = disk.run(*words)
        assert trial.code == 0, trial


_VARYING: Final = re.compile(
    r"(^|/)(\.lock|\.slic-.*|cache|log\.jsonl|events\.out.*|tmp|map.*)(/|$)|-shm$|-wal$"
)

_TIMES: Final = re.compile(  # when it was made, a random identity, ids of changes
    r"'created', '[^']+'|\"identity\": \"\w+\"|\b\d{16}\b"
)
_DATES: Final = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d+:]*")


def results(folder: Path) -> dict[str, str]:
    """Return a digest of every result by its path; caches, logs and locks are no results."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _VARYING.search(name):
            found[name] = hashlib.sha256(_content(path)).hexdigest()[:12]
    return found


def _content(path: Path) -> bytes:
    """Return the content of a file without what differs from run to run."""
    if path.name == DATABASE_FILE:
        return "\n".join(_rows(path)).encode()
    data = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(_without_times(json.loads(data))).encode()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [(name, archive.read(name)) for name in sorted(archive.namelist())]
        return repr([(name, _DATES.sub(b"", content)) for name, content in members]).encode()
    return data


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: _without_times(v) for k, v in value.items() if "time" not in k and k != "seconds"
        }
    return value


def _rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return [
            f"{table} {sorted(_TIMES.sub('', row) for row in map(repr, rows))}"
            for (table,) in sorted(tables)
            for rows in (database.execute(f"SELECT * FROM {table}"),)
        ]
