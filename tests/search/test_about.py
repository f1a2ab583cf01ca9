"""The description of an index, and the files that were refused."""

import time
from collections.abc import Callable
from pathlib import Path

from slic.models.encoder import VideoEncoder
from slic.search import Index, IndexReport, create_index
from slic.search.about import RefusedFile, about_index, notes_on_absent_folders
from slic.search.repository import IndexSettings

Update = Callable[[Index, Path], IndexReport]


def test_an_index_is_described_and_keeps_what_the_last_update_refused(
    tmp_path: Path, encoder: VideoEncoder, make_video: Callable[..., Path], updated: Update
) -> None:
    one, other = (tmp_path / name for name in ("one", "other"))
    for folder in (one, other):
        make_video(folder / "a.mp4", frames=60, size=(64, 48))
        (folder / "brökén.mp4").write_bytes(b"no video")
    before = time.time()
    index = create_index(tmp_path / "index", encoder, window_seconds=1.0)
    updated(index, one)
    updated(index, other)
    about = about_index(index)
    assert about.encoder is not None
    assert (about.encoder.backbone, about.encoder.clip) == ("slic/r3d10", encoder.clip)
    assert about.settings == index.settings
    assert (about.videos, about.moments, about.levels) == (2, index.count, ())
    assert about.created is not None
    assert before - 1 <= about.created <= about.changed + 1 <= time.time() + 2
    assert about.generation == index.generation
    places = [(file.root, file.path) for file in about.refused]
    assert places == [(str(one), "brökén.mp4"), (str(other), "brökén.mp4")]

    (one / "brökén.mp4").unlink()
    report = updated(index, one)
    assert report.changes.refused == []
    assert [file.root for file in about_index(index).refused] == [str(other)]
    assert isinstance(about_index(index).refused[0], RefusedFile)


def test_an_index_of_an_older_version_has_no_time_of_creation(tmp_path: Path) -> None:
    settings = IndexSettings(
        encoder="0", vectors={"embedding": 4}, window_seconds=2.0, stride_seconds=1.0
    )
    index = Index.create(tmp_path / "index", settings)
    with index.database.transaction() as connection:
        connection.execute("DELETE FROM about WHERE key = 'created'")
    about = about_index(index)
    assert (about.created, about.encoder, about.refused) == (None, None, [])


def test_a_folder_that_is_not_there_is_named_with_the_command_for_its_new_place(
    index_of_videos: Index, videos: Path
) -> None:
    assert notes_on_absent_folders(index_of_videos, Path("index")) == []
    videos.rename(videos.with_name("elsewhere"))
    assert notes_on_absent_folders(index_of_videos, Path("an index")) == [
        f"{str(videos)!r}, a folder with 3 videos, is not on this machine. If they are elsewhere, "
        "run: slic index FOLDER --out 'an index'"
    ]
