"""Temporary folders are private, are deleted at the end, and after a kill at the next start."""

import os
import stat
from pathlib import Path

import pytest

from slic.studio.session import PREFIX, SessionFolder


def test_the_folder_is_private_and_deleted_at_the_end(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path)
    assert stat.S_IMODE(session.path.stat().st_mode) == 0o700
    (session.path / "upload").write_bytes(b"x")
    session.close()
    session.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_a_killed_studio_left_is_deleted_at_the_next_start(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        session = SessionFolder(tmp_path)
        (session.path / "upload").write_bytes(b"x" * 1000)
        os._exit(9)  # as after kill -9: nothing is cleaned up
    os.waitpid(pid, 0)
    (left,) = tmp_path.iterdir()
    assert sorted(path.name for path in left.iterdir()) == ["in-use", "upload"]
    session = SessionFolder(tmp_path)
    assert list(tmp_path.iterdir()) == [session.path]
    session.close()


def test_folders_that_are_used_or_not_ours_stay(tmp_path: Path) -> None:
    running = SessionFolder(tmp_path)
    (tmp_path / f"{PREFIX}of-another-program").mkdir()
    target = tmp_path / "precious"
    target.mkdir()
    (target / "in-use").touch()
    (target / "file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(target)
    second = SessionFolder(tmp_path)
    assert running.path.exists()
    assert (target / "file").exists()
    assert (tmp_path / f"{PREFIX}of-another-program").exists()
    running.close()
    second.close()
