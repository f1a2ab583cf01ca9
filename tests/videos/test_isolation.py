"""A worker that crashes, hangs or runs out of memory costs one file, and nothing else."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slic.errors import VideoError
from slic.videos import isolation, set_aside
from slic.videos.inspection import inspect_video
from slic.videos.isolation import DecodingWorker, inspect_isolated, read_isolated
from slic.videos.sources import resized_frames
from slic.videos.video import Video

SIZE = (160, 120)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Video:
    path = make_video(tmp_path_factory.mktemp("isolation") / "a.mp4", frames=40)
    return inspect_video(path, "a.mp4")


@pytest.fixture(autouse=True)
def _own_workers() -> Iterator[None]:
    isolation._close_all()
    set_aside._tables.clear()
    set_aside._failed_readings.clear()
    yield
    isolation._close_all()


def read(video: Video, places: list[int]) -> np.ndarray:
    return np.concatenate([block.copy() for block in read_isolated(video, places, SIZE)])


def test_frames_are_those_of_this_process(video: Video) -> None:
    expected = np.stack(list(resized_frames(video, range(40), SIZE)))
    np.testing.assert_array_equal(read(video, list(range(40))), expected)
    (worker,) = isolation._idle[os.getpid()]
    np.testing.assert_array_equal(read(video, [3, 30]), expected[[3, 30]])
    assert isolation._idle[os.getpid()] == [worker]  # the same one again
    assert inspect_isolated(video.path, video.id) == video


def test_a_long_reading_comes_in_blocks(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "REPLY_BYTES", 10 * SIZE[0] * SIZE[1] * 3)
    program = "import slic.videos.isolation as i; i.REPLY_BYTES = 576000; i.serve({}, {})"
    monkeypatch.setattr(isolation, "_PROGRAM", program)
    blocks = [block.copy() for block in read_isolated(video, range(35), SIZE)]
    assert [len(block) for block in blocks] == [10, 10, 10, 5]
    expected = np.stack(list(resized_frames(video, range(35), SIZE)))
    np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_two_readings_at_once_do_not_mix(video: Video) -> None:
    one, other = read_isolated(video, [1], SIZE), read_isolated(video, [2], SIZE)
    first, second = next(one).copy(), next(other).copy()
    expected = np.stack(list(resized_frames(video, [1, 2], SIZE)))
    np.testing.assert_array_equal(np.concatenate([first, second]), expected)


def test_a_worker_follows_to_another_folder(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read(video, [5])
    monkeypatch.chdir(video.path.parent)
    relative = replace(video, path=Path(video.path.name))
    np.testing.assert_array_equal(read(relative, [5]), expected)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError, match=r"^a\.mp4: "):
        read(relative, [5])


def test_an_error_is_that_of_the_worker_and_keeps_it(video: Video, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4: frame 50 does not decode"):
        read(replace(video, frames=60), [50])
    assert len(isolation._idle[os.getpid()]) == 1
    with pytest.raises(VideoError, match=r"gone\.mp4: no such file or directory") as caught:
        inspect_isolated(tmp_path / "gone.mp4", "gone.mp4")
    assert isinstance(caught.value.__cause__, OSError)  # so that it is not remembered


@pytest.mark.parametrize("code", ["os.abort()", "os.kill(os.getpid(), 11)"])
def test_a_crash_costs_one_request(
    code: str, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        crash = (
            f"import os; import slic.videos.isolation as i; i.resized_frames = lambda *_: {code}"
        )
        patch.setattr(isolation, "_PROGRAM", crash + "; i.serve({}, {})")
        with pytest.raises(VideoError, match=r"a\.mp4: the decoder crashed \(SIG(ABRT|SEGV)\)"):
            read(video, [0])
    assert isolation._idle[os.getpid()] == []
    with pytest.raises(VideoError, match="the decoder crashed"):  # without another try
        read(video, [0])
    set_aside._tables.clear()
    set_aside._failed_readings.clear()
    assert len(read(video, [0])) == 1


@pytest.mark.parametrize("lost", [1, isolation.MAX_TRIES])
def test_a_worker_that_somebody_kills_is_replaced(
    lost: int, video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the system when memory ran out. It kills the first ones amid a reading."""
    program = f"""
import os, pathlib
import slic.videos.isolation as i
i.REPLY_BYTES = 10 * {SIZE[0]} * {SIZE[1]} * 3
fill, deaths = i._Server._fill, pathlib.Path({str(tmp_path)!r})
def dies(server, filled=[]):
    filled.append(0)
    if len(filled) == 2 and len([*deaths.iterdir()]) < {lost}:
        (deaths / str(os.getpid())).touch()
        os.kill(os.getpid(), 9)
    return fill(server)
i._Server._fill = dies
i.serve({{}}, {{}})
"""
    monkeypatch.setattr(isolation, "_PROGRAM", program)
    if lost < isolation.MAX_TRIES:
        expected = np.stack(list(resized_frames(video, range(35), SIZE)))
        np.testing.assert_array_equal(read(video, [*range(35)]), expected)
    else:
        with pytest.raises(VideoError, match=r"the decoder crashed \(SIGKILL\)"):
            read(video, [*range(35)])


def test_an_inspection_whose_workers_are_killed_is_no_fault_of_the_file(
    video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "_PROGRAM", "import os; os.kill(os.getpid(), 9)")
        with pytest.raises(VideoError, match=r"the decoder crashed \(SIGKILL\)") as caught:
            inspect_isolated(video.path, video.id)
    assert isinstance(caught.value.__cause__, OSError)  # so that it is not remembered
    assert inspect_isolated(video.path, video.id) == video


def test_a_worker_is_replaced_before_its_memory_grows(
    video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "MAX_REQUESTS", 4)  # a reading takes two: frames, and no more
    processes = []
    for _ in range(4):
        assert len(list(read_isolated(video, [3, 5], SIZE))) == 1
        processes.append([worker._process.pid for worker in isolation._idle.get(os.getpid(), [])])
    first, second, third, fourth = processes
    assert len(first) == len(third) == 1
    assert first != third
    assert second == fourth == []


def test_a_hang_is_ended(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import slic.videos.isolation as i\ndef hang(*_):\n while True: pass\n"
    monkeypatch.setattr(isolation, "MAX_REPLY_SECONDS", 0.3)
    monkeypatch.setattr(isolation, "_PROGRAM", program + "i.resized_frames = hang\ni.serve({}, {})")
    with pytest.raises(VideoError, match=r"a\.mp4: decoding takes too long \(stopped after"):
        read(video, [0])
    assert isolation._idle[os.getpid()] == []


def test_a_picture_beyond_the_memory_is_an_error(video: Video) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4: needs more than 1400 MB to decode"):
        list(read_isolated(video, [0], (30_000, 30_000)))


def test_a_worker_ends_with_the_process_that_asked() -> None:
    code = (
        "import os, sys; from slic.videos.isolation import DecodingWorker;"
        "worker = DecodingWorker(); print(worker._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            break
        if state == "Z":
            break
        signal.sigtimedwait([], 0.01)
    else:
        pytest.fail("the worker is still there")


def test_a_worker_can_be_closed_before_it_answers() -> None:
    DecodingWorker().close()
