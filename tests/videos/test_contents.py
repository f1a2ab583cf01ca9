"""The content id is of the bytes, and of nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from slic.errors import VideoError
from slic.videos.contents import content_id, content_ids


def test_it_follows_the_bytes(tmp_path: Path) -> None:
    for name, data in (("a", b"same"), ("b", b"same"), ("c", b"else"), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
    a, b, c, empty = (content_id(tmp_path / name) for name in ("a", "b", "c", "empty"))
    assert a == b
    assert len({a, c, empty}) == 3
    assert len(a) == 32


def test_a_folder_of_frames_has_one(tmp_path: Path, make_frames: Callable[..., Path]) -> None:
    one, other = (make_frames(tmp_path / name) for name in ("one", "other"))
    assert content_id(one) == content_id(other)
    last = max(other.iterdir())
    last.write_bytes(last.read_bytes() + b"more")
    assert content_id(one) != content_id(other)


def test_a_file_that_cannot_be_read_has_an_error_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"data")
    with pytest.raises(VideoError, match="none: no such file"):
        content_id(tmp_path / "none")
    paths = [tmp_path / name for name in ("a", "none", "a")]
    first, error, last = content_ids(paths, progress=False)
    assert first == last == content_id(tmp_path / "a")
    assert isinstance(error, VideoError)
