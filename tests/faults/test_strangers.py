"""Indexes and encoders of somebody else: whatever is in them, a verb works or says one line."""

import json
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
import torch

from slic.cli import main
from slic.cli.output import printable
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.search import cluster_index, create_index, move_moments, set_label, update_index
from slic.search.repository import DATABASE_FILE
from slic.videos.catalog import Catalog
from tests.faults.campaign import Campaign

pytestmark = pytest.mark.usefixtures("one_thread")

INDEX_VERBS: Final = (
    "search INDEX a.mp4@0.5",
    "search INDEX a.mp4@0.5 --json",
    "search INDEX a.mp4@0.5 --where duration>0.1",
    "search INDEX CLIP",
    "cluster INDEX",
    "cluster INDEX --json",
    "cluster INDEX --again",
    "cluster INDEX --level 1",
    "cluster INDEX --outliers 3",
    "cluster INDEX --duplicates 3",
    "cluster INDEX --merge 0 1",
    "cluster INDEX --split 0",
    "cluster INDEX --move a.mp4@0.5 --to new",
    "cluster INDEX --undo",
    "labels list INDEX",
    "labels set INDEX a.mp4@0.5 jump",
    "labels set INDEX 0 jump",
    "labels remove INDEX a.mp4@0.5",
    "labels spread INDEX",
    "labels undo INDEX",
    "labels export INDEX OUT.csv",
    "labels export INDEX OUT.json",
    "labels cut INDEX OUT",
    "classify INDEX CLIP",
    "export embeddings INDEX --out OUT.npz",
    "export embeddings INDEX --out OUT.parquet",
    "index VIDEOS --out INDEX --workers 0",
)
ENCODER_VERBS: Final = ("embed VIDEOS --encoder INDEX/encoder --out OUT.npz --workers 0",)
TABLES: Final = (
    "about", "videos", "moments", "removed", "tree", "labels", "label_changes", "cluster_changes",
)  # fmt: skip
HOSTILE: Final[tuple[Any, ...]] = (
    None, "text", "", "\x1b[2J\x1b]0;x\x07", "two\nlines", "\u202e", "1e999", "NaN", "[" * 5000,
    "{}", "null", b"", b"\xff\xfe", b"\0" * 33, 0, -1, 1, 7, 2**31, 2**53, 2**63 - 1, -(2**63),
    0.5, -1e308, 1e308, float("inf"), -float("inf"), 1e-320,
)  # fmt: skip
HOSTILE_JSON: Final[tuple[Any, ...]] = (
    None, True, "text", "", -1, 0, 1, 400.0, 1e-9, 1e308, float("nan"), float("inf"), 10**7,
    2**40, 10**30, [], [0.0] * 3, {}, {"class_path": "antigravity"}, "antigravity.x", [[]] * 100,
)  # fmt: skip


class Stranger(NamedTuple):
    """An index, and what verbs are given beside it."""

    folder: Path
    videos: Path

    @property
    def database(self) -> Path:
        """Return the path of its database."""
        return self.folder / DATABASE_FILE


@pytest.fixture(scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Stranger:
    """Return an index with labels, clusters, and changes of both."""
    folder = tmp_path_factory.mktemp("honest")
    for name, frames in (("a.mp4", 40), ("b.mp4", 30), ("c.mp4", 50)):
        make_video(folder / "videos" / name, frames=frames, size=(64, 48))
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=16, embedding=8),
        clip=ClipSpec(frames=4, stride=2, size=32),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = VideoEncoder(config).eval()
    index = create_index(folder / "index", encoder, window_seconds=0.5, stride_seconds=0.25)
    catalog = Catalog.from_folder(folder / "videos", workers=1, cache=False, progress=False)
    update_index(index, catalog, workers=0, progress=False)
    ids = index.ids()
    for start, label in ((0, "wave"), (1, "kick"), (2, "wave"), (5, "kick")):
        set_label(index, [int(ids[start])], label)
    cluster_index(index)
    move_moments(index, ids[:2].tolist(), None, level=0)
    index.close()
    with closing(sqlite3.connect(index.path / DATABASE_FILE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Stranger(index.path, folder / "videos")


@pytest.fixture
def copies(honest: Stranger, tmp_path: Path) -> Callable[[], Stranger]:
    """Return a function that copies the index to the same place again."""

    def copy() -> Stranger:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(honest.folder, tmp_path / "copy" / "index")
        return Stranger(tmp_path / "copy" / "index", honest.videos)

    return copy


class Ending(NamedTuple):
    """How a verb ended."""

    code: int
    out: str
    err: str


def run(stranger: Stranger, verb: str, capsys: pytest.CaptureFixture[str]) -> Ending:
    """Run a verb in this process. An error that it does not handle ends the test."""
    places = {
        "INDEX": stranger.folder,
        "CLIP": stranger.videos / "b.mp4",
        "VIDEOS": stranger.videos,
        "OUT": stranger.folder.parent / "out",
    }
    words = []
    for word in verb.split():
        for name, path in places.items():
            word = word.replace(name, str(path))
        words.append(word)
    capsys.readouterr()
    code = 0
    try:
        main(words)
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    return Ending(code, printed.out, printed.err)


def require_one_line(ending: Ending, verb: str) -> None:
    """Check the exit code, that an error is one line, and that nothing controls the terminal."""
    assert ending.code in (0, 1), (verb, ending)
    errors = [line for line in ending.err.split("\n") if line.startswith("slic: ")]
    if ending.code == 1:
        assert len(errors) >= 1, (verb, ending)
        assert len(errors[-1]) < 1500, (verb, ending)
    elif "--json" in verb:
        json.loads(ending.out)
    bars = ending.err.replace("\r", "").replace("\x1b[A", "")  # of tqdm
    bad = {c for c in ending.out + bars if printable(c) != c} - {"\n"}
    assert not bad, (verb, bad, ending)


def flip_bits(path: Path, rng: random.Random) -> str:
    """Flip one to eight bits of a file, in bytes that hold something."""
    data = bytearray(path.read_bytes())
    used = [place for place, value in enumerate(data) if value]
    places = [8 * rng.choice(used) + rng.randrange(8) for _ in range(rng.randint(1, 8))]
    for place in places:
        data[place // 8] ^= 1 << place % 8
    path.write_bytes(data)
    return f"bits {places}"


def mutate_row(path: Path, rng: random.Random) -> str:
    """Change a cell, delete a row or insert a copy of one, whatever the schema asks."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        version = connection.execute("PRAGMA schema_version").fetchone()[0]
        schema = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')")
        connection.execute(f"PRAGMA schema_version = {version + 1}")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        changed = _mutate(connection, rng)
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in schema:
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))
        connection.execute(f"PRAGMA schema_version = {version + 2}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return changed


def _mutate(connection: sqlite3.Connection, rng: random.Random) -> str:
    table = rng.choice(TABLES)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    column = rng.choice(columns)
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    if not rows:
        return f"{table} is empty"
    row = rng.choice(rows)
    where = " AND ".join(f"{name} IS ?" for name in columns)
    kind = rng.choice(("cell", "cell", "cell", "cell", "all", "delete"))
    value = hostile_vector(row[-1], rng) if column == "vector" else rng.choice(HOSTILE)
    try:
        if kind == "delete":
            connection.execute(f"DELETE FROM {table} WHERE {where}", row)
        elif kind == "all":
            connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
        else:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *row))
    except (sqlite3.Error, OverflowError) as error:
        return f"{table}.{column} refuses {str(value)[:40]!r} ({error})"
    return f"{kind} {table}.{column} = {str(value)[:40]!r}"


def hostile_vector(vector: bytes, rng: random.Random) -> Any:
    """Return a vector with a number that no vector has, or one of another length or type."""
    x = np.frombuffer(vector, "<f4").copy()
    wrong = rng.choice((np.nan, np.inf, -np.inf, 3e38, 0.0, 100.0))
    x[rng.randrange(len(x))] = wrong
    return rng.choice((x.tobytes(), x.tobytes(), vector[:-4], vector * 3, b"", "text", 5, None))


def mutate_settings(path: Path, rng: random.Random) -> str:
    """Change a value of the settings, or any other value of the table ``about``."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        about = dict(connection.execute("SELECT key, value FROM about"))
        key = rng.choice(list(about))
        if key == "settings" or rng.random() < 0.5:
            key, settings = "settings", json.loads(about["settings"])
            place = rng.choice([*settings, "unknown"])
            settings[place] = rng.choice(HOSTILE_JSON)
            value = json.dumps(settings)
        else:
            value = rng.choice([v for v in HOSTILE if v is not None])
        connection.execute("UPDATE about SET value = ? WHERE key = ?", (value, key))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return f"about.{key} = {value[:200] if isinstance(value, str) else value!r}"


MUTATIONS: Final = {"bits": flip_bits, "rows": mutate_row, "settings": mutate_settings}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", MUTATIONS)
def test_every_verb_on_a_hostile_index_works_or_says_one_line(
    kind: str,
    copies: Callable[[], Stranger],
    campaign: Campaign,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trials = campaign.trials(quick=7, soak=400)
    rng = random.Random(kind)
    refused = 0
    for trial in range(trials):
        stranger = copies()
        change = MUTATIONS[kind](stranger.database, rng)
        for verb in [INDEX_VERBS[trial % len(INDEX_VERBS)], *rng.sample(INDEX_VERBS, 2)]:
            try:
                ending = run(stranger, verb, capsys)
                require_one_line(ending, verb)
            except Exception as error:
                raise AssertionError(f"trial {trial}: {change}; {verb}") from error
            refused += ending.code
    assert refused
    note = f"{refused} of {3 * trials} calls refused"
    campaign.record(f"hostile index, {kind}", tried=3 * trials, survived=3 * trials, note=note)


def mutate_config(folder: Path, rng: random.Random) -> str:
    """Change a value of ``config.json``."""
    path = folder / "config.json"
    values = json.loads(path.read_text())
    places: list[tuple[dict[str, Any], str]] = []
    for key, value in [*values.items()]:
        places.append((values, key))
        if isinstance(value, dict):
            places += [(value, inner) for inner in value]
    place, key = rng.choice(places)
    place[key] = rng.choice(HOSTILE_JSON)
    path.write_text(json.dumps(values))
    return f"{key} = {str(place[key])[:60]}"


def mutate_weights(folder: Path, rng: random.Random) -> str:
    """Flip bits of the header of the weights, or of their numbers, or cut them short."""
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    (header,) = struct.unpack("<Q", data[:8])
    kind = rng.choice(("header", "numbers", "short", "length"))
    if kind == "header":
        data[8 + rng.randrange(header)] ^= 1 << rng.randrange(8)
    elif kind == "numbers":
        data[8 + header + rng.randrange(len(data) - 8 - header)] ^= 1 << rng.randrange(8)
    elif kind == "short":
        del data[rng.randrange(len(data)) :]
    else:
        data[:8] = struct.pack("<Q", rng.choice((0, 1, 2**31, 2**63, 2**64 - 1)))
    path.write_bytes(data)
    return kind


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mutate", [mutate_config, mutate_weights])
def test_every_verb_on_a_hostile_encoder_works_or_says_one_line(
    mutate: Callable[[Path, random.Random], str],
    copies: Callable[[], Stranger],
    campaign: Campaign,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trials = campaign.trials(quick=6, soak=300)
    rng = random.Random(mutate.__name__)
    refused = 0
    for trial in range(trials):
        stranger = copies()
        change = mutate(stranger.folder / "encoder", rng)
        verb = (*ENCODER_VERBS, "search INDEX CLIP", "index VIDEOS --out INDEX --workers 0")[
            trial % 3
        ]
        try:
            ending = run(stranger, verb, capsys)
            require_one_line(ending, verb)
        except Exception as error:
            raise AssertionError(f"trial {trial}: {change}; {verb}") from error
        refused += ending.code
    assert refused
    kind = mutate.__name__.removeprefix("mutate_")
    note = f"{refused} refused"
    campaign.record(f"hostile encoder, {kind}", tried=trials, survived=trials, note=note)


NAMES_OF_A_MODULE: Final[dict[str, dict[str, Any]]] = {
    "backbone": {"backbone": "of_a_stranger:Net"},
    "function": {"backbone": "torch.hub:load", "arguments": {"repo_or_dir": "x", "model": "y"}},
    "head": {"head": {"class_path": "of_a_stranger.Net"}},
    "head as text": {"head": "of_a_stranger.Net"},
    "clip": {"clip": {"class_path": "of_a_stranger.Net"}},
    "clip as text": {"clip": "of_a_stranger.Net"},
    "argument": {"arguments": {"width": {"class_path": "of_a_stranger.Net"}}},
    "list": {"arguments": {"stem_stride": [{"class_path": "of_a_stranger.Net"}]}},
}
VERBS_WITH_AN_ENCODER: Final = (
    "embed VIDEOS --encoder INDEX/encoder --out OUT.npz --workers 0",
    "search INDEX CLIP",
    "pretrain VIDEOS --out OUT --init.weights=INDEX/encoder --print_config",
)


def configure(stranger: Stranger, **settings: Any) -> None:
    """Change settings in the configuration of an index's encoder."""
    path = stranger.folder / "encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize("verb", VERBS_WITH_AN_ENCODER)
@pytest.mark.parametrize("name", NAMES_OF_A_MODULE)
def test_an_encoder_does_not_choose_what_is_imported(
    name: str,
    verb: str,
    copies: Callable[[], Stranger],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stranger = copies()
    here = stranger.folder.parent
    (here / "of_a_stranger.py").write_text("open('imported', 'w').close()\nclass Net: ...\n")
    configure(stranger, **NAMES_OF_A_MODULE[name])
    monkeypatch.chdir(here)
    ending = run(stranger, verb, capsys)
    assert (ending.code, ending.out) == (1, "")
    assert not (here / "imported").exists()
    assert "of_a_stranger" not in sys.modules
    if name == "backbone":
        assert "SLIC_TRUST_CODE=of_a_stranger" in ending.err


def test_a_module_that_the_user_trusts_is_imported_from_the_working_directory(
    copies: Callable[[], Stranger],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stranger = copies()
    here = stranger.folder.parent
    (here / "of_the_user.py").write_text("class Net: ...\n")
    configure(stranger, backbone="of_the_user:Net")
    monkeypatch.chdir(here)
    monkeypatch.setenv("SLIC_TRUST_CODE", "of_the_user")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    ending = run(stranger, "search INDEX CLIP", capsys)
    assert "of_the_user" in sys.modules
    monkeypatch.delitem(sys.modules, "of_the_user")
    assert "no encoder can be built from it" in ending.err  # it is no network


def test_programs_that_slic_starts_import_nothing_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "multiprocessing.py").write_text("print('of a stranger')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    command = [sys.executable, "-c", "import multiprocessing"]  # as pools begin their workers
    assert subprocess.run(command, capture_output=True, check=True).stdout
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("slic ")
    assert not subprocess.run(command, capture_output=True, check=True).stdout
