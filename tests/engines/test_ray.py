"""A Ray on this machine gives the index and the embeddings that one process gives."""

import logging
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slic.clustering.finch import finch
from slic.embeddings import embed
from slic.engines import open_engine, scanner_of
from slic.engines.ray import CLIPS_PER_BLOCK, RayEngine, in_blocks
from slic.errors import EngineError, VideoError
from slic.models.encoder import VideoEncoder
from slic.neighbours import approximate, division
from slic.search import Index, create_index, update_index
from slic.videos.catalog import Catalog
from tests.conftest import tiny_encoder
from tests.engines.test_local import fail_at, square_work

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    """Return an engine with one process of a Ray that this machine starts."""
    pytest.importorskip("ray.data")
    opened = open_engine("ray", devices=1)
    assert isinstance(opened, RayEngine)
    with opened:
        yield opened


@pytest.fixture
def encoder() -> VideoEncoder:
    """Return an encoder with random weights."""
    return tiny_encoder()


def moments(index: Index) -> dict[tuple[str, int], np.ndarray]:
    with index.database.reading() as connection:
        rows = connection.execute(
            "SELECT v.path, m.number, m.vector FROM moments m JOIN videos v ON v.id = m.video_id"
        ).fetchall()
    assert len({row[:2] for row in rows}) == len(rows)
    return {(path, number): np.frombuffer(vector, "<f4") for path, number, vector in rows}


def test_ray_gives_what_one_process_gives(
    engine: RayEngine,
    encoder: VideoEncoder,
    tmp_path: Path,
    make_video: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    videos = tmp_path / "videos"
    for number in range(3):
        make_video(videos / f"{number}.mp4", frames=50 + 10 * number, size=(64, 48))
    shutil.copy(videos / "0.mp4", videos / "copy.mp4")
    (videos / "no video.mp4").write_bytes(b"nothing")
    truth = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
    scanner = scanner_of(engine, videos, progress=False)
    catalog = Catalog.from_folder(videos, scanner=scanner, cache=False, progress=False)
    assert catalog == truth

    embeddings = [
        embed(encoder, catalog, clips=2, workers=0, engine=one, progress=False)
        for one in (None, engine)
    ]
    assert embeddings[0].clips == pytest.approx(embeddings[1].clips, abs=1e-5)

    (videos / "2.mp4").write_bytes((videos / "2.mp4").read_bytes()[:-2000])  # breaks off
    found = []
    for one in (None, engine):
        index = create_index(tmp_path / f"index {one is None}", encoder, window_seconds=1.0)
        report = update_index(index, catalog, workers=0, engine=one, progress=False)
        assert {refused.id for refused in report.changes.refused} == {"2.mp4", "no video.mp4"}
        found.append(moments(index))
    assert found[0].keys() == found[1].keys()
    assert all(found[0][key] == pytest.approx(found[1][key], abs=1e-5) for key in found[0])
    assert {"scan", "decode", "embed", "write", "index"} <= engine.costs.cpu_seconds.keys()
    assert capfd.readouterr() == ("", "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 100)), st.integers(1, 20))
def test_small_tasks_are_sent_together(clips: list[int], least: int) -> None:
    blocks = in_blocks(clips, int, least)
    assert [count for block in blocks for count in block] == clips
    assert all(len(block) == 1 or sum(block) <= CLIPS_PER_BLOCK for block in blocks)
    if len(set(clips)) == 1:
        assert len(blocks) >= min(least, len(clips))


def test_what_goes_wrong_in_a_process_is_one_line(engine: RayEngine, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="3: no frame could be decoded"):
        list(engine.run(square_work(partial(fail_at, 3)), range(5)))
    missing = tmp_path / "not mounted"
    with pytest.raises(EngineError, match=r"^node .*not mounted: the node .* does not see"):
        engine.check_folders([missing])
    work = square_work(partial(fail_at, 9))
    unseen = replace(work, folders=(missing,))
    with pytest.raises(EngineError, match=r"not mounted: the node .* does not see this folder"):
        list(engine.run(unseen, range(2)))


@pytest.mark.soak  # test_lists.py does the same with two processes
def test_a_clustering_on_ray_is_that_of_one_process(
    engine: RayEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approximate, "MAX_LIST_POINTS", 20)
    monkeypatch.setattr(division, "LISTS_PER_TASK", 8)
    centres, rng = np.random.default_rng(0).normal(size=(200, 12)), np.random.default_rng(1)
    x = (centres.repeat(10, axis=0) + 0.2 * rng.normal(size=(2000, 12))).astype(np.float32)
    one = finch(x, exact_up_to=100)
    other = finch(x, exact_up_to=100, sharding=engine.sharding(tmp_path))
    assert one.recalls[0] is not None
    assert one.recalls == other.recalls
    assert all(np.array_equal(a, b) for a, b in zip(one.partitions, other.partitions, strict=True))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EngineError, match=r"not mounted: the node .* does not see"):
        engine.sharding(tmp_path / "not mounted")


def answer_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(100)
        connection.sendall(b"HTTP/1.0 400 Bad request")


def test_no_cluster_or_no_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.data")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=answer_once, args=(other,)).start()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        for wrong, message in (
            (address, "no Ray cluster answers there"),
            (taken, "no Ray cluster answers there .another server has this port"),
            ("head", "is no address of a Ray cluster"),
        ):
            opened = open_engine("ray", address=wrong)
            assert opened is not None
            with pytest.raises(EngineError, match=f"^{wrong}: {message}"):
                opened.__enter__()
    monkeypatch.setitem(sys.modules, "ray.data", None)
    opened = open_engine("ray")
    assert opened is not None
    with pytest.raises(EngineError, match=r"pip install 'slic-video\[ray\]'"):
        opened.__enter__()
    assert logging.getLogger("slic").level == logging.NOTSET
