"""Indexing and searching as a user does it: the verbs, what they refuse, and kill -9."""

import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.cli import main
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

pytestmark = pytest.mark.slow  # they start programs or train


Slic = Callable[..., Any]
KILLS = 3


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an encoder with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=16, embedding=8),
        clip=ClipSpec(frames=4, stride=2, size=32),
    )
    VideoEncoder(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a folder of six videos, with the scan kept in it."""
    folder = tmp_path_factory.mktemp("collection") / "videos"
    for number in range(6):
        make_video(folder / f"{number}.mp4", frames=100 + 10 * number, size=(64, 48))
    return folder


@pytest.fixture(scope="module")
def index(
    slic: Slic, encoder: Path, videos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return an index made in one go."""
    out = tmp_path_factory.mktemp("indexed") / "index"
    ended = slic("index", videos, "--encoder", encoder, "--out", out, "--window=1").wait()
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"{out}: 6 added, 0 moved, 0 changed, 0 removed, 0 unchanged")
    return out


def one_line(ended: Any) -> str:
    """Return the last line on stderr of a command that failed as it should."""
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err
    line: str = ended.err.splitlines()[-1]
    assert line.startswith("slic: ")
    return line


def rows(index: Path) -> dict[tuple[str, int], tuple[float, float, np.ndarray]]:
    """Return times and vector of every moment, by video and number, with plain SQL."""
    connection = sqlite3.connect(index / "index.sqlite")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = connection.execute(
            "SELECT v.path, m.number, m.start_seconds, m.end_seconds, m.vector"
            " FROM moments m JOIN videos v ON v.id = m.video_id"
        ).fetchall()
    finally:
        connection.close()
    moments = {(path, n): (start, end, np.frombuffer(x, "<f4")) for path, n, start, end, x in found}
    assert len(moments) == len(found)  # nothing twice
    return moments


def test_killed_at_random_moments_and_resumed_it_is_the_index_made_in_one_go(
    slic: Slic, encoder: Path, videos: Path, index: Path, tmp_path: Path
) -> None:
    slow = """
import time
import slic.search.indexing as indexing
indexing.CLIPS_PER_BATCH = 8
commit = indexing._commit
def slowly(*words):
    time.sleep(0.05)
    return commit(*words)
indexing._commit = slowly
"""
    out, rng = tmp_path / "index", random.Random(0)
    words = ["index", videos, "--encoder", encoder, "--out", out, "--window=1", "--workers=1"]
    counts: list[int] = []
    for _ in range(KILLS):
        running = slic(*words, before=slow)
        wanted = (counts[-1] if counts else 0) + rng.randint(0, 4)
        while running.process.is_alive() and committed(out) < wanted:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.2)
        running.kill()
        running.wait()
        counts.append(committed(out))
    ended = slic(*words).wait()
    assert ended.code == 0, ended.err
    whole, resumed = rows(index), rows(out)
    assert 0 < counts[0] < len(whole)  # it was killed on the way
    assert resumed.keys() == whole.keys()  # nothing missing
    for moment, (start, end, vector) in whole.items():
        assert resumed[moment][:2] == (start, end)
        assert resumed[moment][2] == pytest.approx(vector, abs=1e-5)
    assert slic(*words).wait().out.startswith(f"{out}: 0 added")
    found = json.loads(slic("search", out, videos / "2.mp4", "--k=1", "--json").wait().out)
    assert found[0]["hits"][0]["score"] > 0.999


def committed(index: Path) -> int:
    """Return how many moments another process has committed so far."""
    try:
        connection = sqlite3.connect(f"{(index / 'index.sqlite').as_uri()}?mode=ro", uri=True)
        try:
            (count,) = connection.execute("SELECT count(*) FROM moments").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError:  # not there yet
        return 0
    return int(count)


def test_search_finds_the_second_and_writes_json_and_a_page(
    slic: Slic, index: Path, videos: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    words = ["--from=2", "--to=4", "--k=2", "--json", "--html", page]
    ended = slic("search", index, videos / "5.mp4", *words).wait()
    assert ended.code == 0, ended.err
    (found,) = json.loads(ended.out)
    first = found["hits"][0]
    assert first["path"] == "5.mp4" or first["score"] > 0.999  # all videos begin alike
    assert abs(first["best_start_seconds"] - 2.0) <= 0.5
    assert page.read_text("utf-8").count("<figure") == len(found["hits"]) + 1
    words = [videos / "1.mp4", "0.mp4@1.5", "--k=3", "--where", "path <> '0.mp4'"]
    ended = slic("search", index, *words).wait()
    assert ended.out.splitlines()[0] == f"{videos / '1.mp4'}:"
    assert "0.mp4@1.5:" in ended.out
    assert "  0.mp4" not in ended.out
    words = ["--like", videos / "1.mp4", "--like", "2.mp4@1", "--unlike", "3.mp4@4"]
    ended = slic("search", index, *words).wait()
    assert ended.code == 0, ended.err
    assert "unlike 3.mp4@4:" in ended.out.splitlines()[0]


def test_label_spread_classify_export_and_undo(
    slic: Slic, index: Path, videos: Path, tmp_path: Path
) -> None:
    document = json.loads(slic("cluster", index, "--level=0", "--json").wait().out)
    first, second, *_ = document["clusters"]
    assert sum(c["size"] for c in document["clusters"]) == len(rows(index))
    assert slic("labels", "set", index, first["id"], "beginning").wait().code == 0
    assert slic("labels", "set", index, second["id"], "end").wait().code == 0
    assert slic("labels", "set", index, "5.mp4@3.0", "middle").wait().code == 0
    assert "moments labelled" in slic("labels", "spread", index, "--confidence=0.6").wait().out
    listed = slic("labels", "list", index).wait()
    assert [line.split()[0] for line in listed.out.splitlines()] == ["beginning", "end", "middle"]
    assert "left out one by one" in listed.err
    ended = slic("classify", index, videos / "0.mp4", "--json").wait()
    (video,) = json.loads(ended.out)["videos"]
    assert {s["label"] for s in video["segments"]} <= {"beginning", "end", "middle", None}
    export, table = tmp_path / "labels.json", tmp_path / "labels.csv"
    assert "labels written" in slic("labels", "export", index, export).wait().out
    assert "labels written" in slic("labels", "export", index, table).wait().out
    for _ in range(4):
        assert slic("labels", "undo", index).wait().code == 0
    assert "no labels yet" in slic("labels", "list", index).wait().err
    assert "labels read" in slic("labels", "import", index, export).wait().out
    assert slic("labels", "undo", index).wait().code == 0
    # What was exported is taken as labels by the commands that need them.
    embeddings = tmp_path / "embeddings.npz"
    words = ["embed", videos, "--encoder", index / "encoder", "--out", embeddings]
    assert slic(*words, "--workers=0").wait().code == 0
    ended = slic("evaluate", "clusters", embeddings, "--labels", table).wait()
    assert ended.code == 0, ended.err
    assert f"labels {table}" in ended.out


def test_what_cannot_be_done_is_one_line(
    index: Path, videos: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    VideoEncoder(VideoEncoder.from_pretrained(encoder).config).save_pretrained(tmp_path / "other")
    cases: list[tuple[list[object], str]] = [
        (["index", videos, "--encoder", tmp_path / "other", "--out", index], "made with encoder"),
        (["index", videos, "--out", index, "--window=3"], "made with window_seconds 1.0, not 3.0"),
        (["index", tmp_path / "vid", "--encoder", encoder, "--out", tmp_path / "new"], "vid: "),
        (["search", tmp_path, videos / "0.mp4"], "no index here; make one with `slic index`"),
        (["search", index, tmp_path / "nothing.mp4"], "no such file"),
        (["search", index, "nothing.mp4@3"], "not a video of"),
        (["search", index, videos / "0.mp4", "--from=90"], "there are no frames from 90"),
        (["search", index, "0.mp4@1", "--from=1"], "is a moment already"),
        (["search", index, videos / "0.mp4", "--where=1; DROP TABLE videos"], "syntax error"),
        (["labels", "set", index, "99999", "x"], "there is no such cluster"),
        (["labels", "set", index, "somewhere", "x"], "neither the number of a cluster nor"),
        (["classify", index, videos], "0 moments are labelled"),
    ]
    if sqlite3.connect(index / "index.sqlite").execute("SELECT 1 FROM tree").fetchone() is None:
        main(["cluster", str(index)])
    for words, part in cases:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, words)))
        assert ended.value.code == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("slic: ")
        assert part in line
    assert not (tmp_path / "new").exists()


def test_a_second_writer_is_refused_and_ctrl_c_keeps_what_was_done(
    slic: Slic, encoder: Path, videos: Path, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    out = tmp_path / "index"
    words = ["index", videos, "--encoder", encoder, "--out", out, "--window=1", "--workers=1"]
    slow = "import slic.search.indexing as i, time\ni.CLIPS_PER_BATCH = 8\nc = i._commit\n"
    slow += "i._commit = lambda *w: (time.sleep(0.3), c(*w))[1]"
    running = slic(*words, before=slow)
    wait_until(lambda: committed(out) > 0, running)
    assert "another run is writing to this folder" in one_line(slic(*words).wait())
    running.signal_group(2)
    ended = running.wait()
    assert ended.code == 130
    kept = committed(out)
    assert f"stopped; {kept} moments are kept. Continue with: slic index {videos}" in ended.err
    assert kept > 0
