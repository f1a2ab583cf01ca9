"""With any engine, an index has the moments and vectors that one process gives it."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.engines import Costs, Work
from slic.engines.identifying import content_ids_by
from slic.engines.local import LocalEngine
from slic.engines.stages import EmbedStage, ReadStage
from slic.errors import EngineError, VideoError, WriteError
from slic.models.encoder import VideoEncoder
from slic.search import Index, create_index, pieces, spreading, update_index
from slic.search.fragments import FragmentFolder
from slic.signals import StopRequested
from slic.videos.catalog import Catalog
from slic.videos.contents import content_id, content_ids

Contents = Callable[[Index], dict[str, list[tuple[float, float, bytes]]]]


class EngineHere:
    """Does the stages of an engine in this process; ``after`` is called with each result."""

    def __init__(self, after: Callable[[Path], object] = lambda _: None) -> None:
        self.costs = Costs()
        self.after = after
        self.tasks: list[int] = []
        self.contents: set[str] = set()

    def __enter__(self) -> "EngineHere":
        return self

    def __exit__(self, *_: object) -> None: ...

    def check_folders(self, folders: Sequence[Path]) -> None: ...

    def map(self, function: Callable[[Any], Any], items: Sequence[Any], *, stage: str) -> Any:
        assert stage == "identify"
        return map(function, reversed(items))  # in any order

    def run(self, work: Work[Any, Any, Any, Any], tasks: Sequence[Any]) -> Iterator[Any]:
        import torch

        read, embed = ReadStage(work), EmbedStage(work, torch.device("cpu"))
        self.tasks.append(len(tasks))
        self.contents |= {task.content_id for task in tasks}
        for task in tasks:
            (done,) = embed([read(task)])
            self.costs.add(done.costs)
            if done.error:
                raise done.error
            self.after(done.results[0])
            yield from done.results


@pytest.fixture
def collection(videos: Path) -> Catalog:
    """Return three videos, a copy of one, and one that breaks off after the scan."""
    shutil.copy(videos / "a.mp4", videos / "copy.mp4")
    shutil.copy(videos / "b.mp4", videos / "broken.mp4")
    with (videos / "broken.mp4").open("ab") as file:
        file.write(b"another content")
    catalog = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
    data = (videos / "broken.mp4").read_bytes()
    (videos / "broken.mp4").write_bytes(data[: len(data) // 2])
    return catalog


Make = Callable[..., Index]


@pytest.fixture
def make(tmp_path: Path, encoder: VideoEncoder) -> Make:
    """Return a function that creates an index of a name."""
    return lambda name: create_index(tmp_path / name, encoder, window_seconds=1.0)


@pytest.fixture
def truth(make: Make, collection: Catalog, contents: Contents) -> dict[str, Any]:
    """Return what one process makes of the collection."""
    index = make("truth")
    report = update_index(index, collection, workers=0, progress=False)
    assert [refused.id for refused in report.changes.refused] == ["broken.mp4"]
    return contents(index)


def assert_equal(found: dict[str, Any], truth: dict[str, Any]) -> None:
    """Compare moments, and vectors to 1e-5."""
    assert found.keys() == truth.keys()
    for path in truth:
        assert [row[:2] for row in found[path]] == [row[:2] for row in truth[path]]
        one, other = (
            np.stack([np.frombuffer(row[2], "<f4") for row in rows])
            for rows in (found[path], truth[path])
        )
        assert one == pytest.approx(other, abs=1e-5)


def fragments(index: Index) -> list[Path]:
    return sorted((index.path / "fragments").rglob("*.fragment"))


def test_two_processes_give_the_index_of_one(
    make: Make, collection: Catalog, truth: dict[str, Any], contents: Contents
) -> None:
    index = make("two")
    with LocalEngine(workers=0, devices=2) as engine:
        report = update_index(index, collection, engine=engine, progress=False)
    assert_equal(contents(index), truth)
    assert [refused.id for refused in report.changes.refused] == ["broken.mp4"]
    stages = {"identify", "decode", "embed", "write", "index"}
    assert stages == engine.costs.cpu_seconds.keys()
    assert not (index.path / "fragments").exists()
    with LocalEngine(workers=0, devices=2) as engine:
        again = update_index(index, collection, engine=engine, progress=False)
    assert again.embedded == 0


def test_long_videos_are_cut_into_pieces(
    make: Make,
    collection: Catalog,
    truth: dict[str, Any],
    contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4 * 3 * 4 * 32 * 32)
    index, engine = make("pieces"), EngineHere()
    update_index(index, collection, engine=engine, progress=False)
    assert engine.tasks == [20]  # one for each moment
    assert_equal(contents(index), truth)


@pytest.mark.parametrize("damage", [0, 200, -1, None])
def test_a_damaged_fragment_is_embedded_again(
    damage: int | None,
    make: Make,
    collection: Catalog,
    truth: dict[str, Any],
    contents: Contents,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damaged: list[Path] = []

    def harm(path: Path) -> None:
        if len(damaged) < 2:
            damaged.append(path)
            data = bytearray(path.read_bytes())
            if damage is None:
                path.unlink()
                return
            data[damage] ^= 1
            path.write_bytes(data)

    index, engine = make("damaged"), EngineHere(harm)
    update_index(index, collection, engine=engine, progress=False)
    assert_equal(contents(index), truth)
    assert engine.tasks == [4, 2]
    assert caplog.text.count("embedded again") == 2


def test_a_disk_that_damages_every_fragment_ends_the_run(make: Make, collection: Catalog) -> None:
    engine = EngineHere(lambda path: path.write_bytes(b"\0" * 100))
    with pytest.raises(EngineError, match="4 fragments are damaged or missing whenever"):
        update_index(make("bad"), collection, engine=engine, progress=False)
    assert engine.tasks == [4] * spreading.MAX_ROUNDS


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_what_a_killed_driver_left_is_taken_in_and_not_embedded_again(
    after: int,
    make: Make,
    collection: Catalog,
    videos: Path,
    truth: dict[str, Any],
    contents: Contents,
) -> None:
    written: list[Path] = []

    def killed(path: Path) -> None:
        written.append(path)
        if len(written) == after:
            raise KeyboardInterrupt  # nothing after the fragments was written, as after a kill

    index = make("killed")
    with pytest.raises(KeyboardInterrupt):
        update_index(index, collection, engine=EngineHere(killed), progress=False)
    assert fragments(index)
    finished = {path.name[:32] for path in written} - {content_id(videos / "broken.mp4")}
    engine = EngineHere()
    update_index(index, collection, engine=engine, progress=False)
    assert not engine.contents & finished
    assert_equal(contents(index), truth)
    assert fragments(index) == []


def test_a_fragment_that_comes_twice_is_in_the_index_once(
    make: Make, collection: Catalog, truth: dict[str, Any], contents: Contents
) -> None:
    index, kept = make("twice"), {}

    def remember(path: Path) -> None:
        kept[path] = path.read_bytes()

    update_index(index, collection, engine=EngineHere(remember), progress=False)
    for path, data in kept.items():  # of a worker that went on after its driver was killed
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    update_index(index, collection, workers=0, progress=False)
    assert_equal(contents(index), truth)
    assert fragments(index) == []


def test_fragments_of_another_index_are_left_alone(
    make: Make, collection: Catalog, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    for name in ("one", "other"):
        with pytest.raises(KeyboardInterrupt):
            update_index(
                make(name), collection, engine=EngineHere(killed), fragments=shared, progress=False
            )
    assert len([*shared.rglob("*.fragment")]) == 2
    update_index(make("one"), collection, engine=EngineHere(), fragments=shared, progress=False)
    assert len([*shared.rglob("*.fragment")]) == 1


def test_a_stop_keeps_what_is_embedded(
    make: Make, collection: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "_SECONDS_PER_COMMIT", 0.0)
    index = make("stopped")

    def stop(done: int, _: int) -> None:
        if done:
            raise StopRequested

    with pytest.raises(StopRequested):
        update_index(index, collection, engine=EngineHere(), progress=False, on_batch=stop)
    assert index.count


def test_a_full_disk_is_one_line(
    make: Make, collection: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Path:
        raise WriteError("fragments: no space left on device")

    monkeypatch.setattr(FragmentFolder, "write", full)
    with pytest.raises(WriteError, match="no space left"):
        update_index(make("full"), collection, engine=EngineHere(), progress=False)


def test_contents_are_read_where_the_engine_works(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(videos)
    paths = [Path("a.mp4"), Path("gone.mp4"), Path("b.mp4"), videos / "a.mp4"]
    found = content_ids_by(EngineHere(), paths, folder=Path(), progress=False)
    assert list(map(str, found)) == list(map(str, content_ids(paths, progress=False)))
    assert isinstance(found[1], VideoError)
    assert found[0] == found[3] != found[2]
