"""Storage that is read through a file system of fsspec, here one in memory."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from slic.storage import RemotePath, fetch, list_folder, pinned
from slic.storage import backends as table
from slic.storage.backends.generic import GenericBackend


class Cloud(MemoryFileSystem):  # type: ignore[misc]
    """A file system in memory with tags, as clouds have them."""

    store: dict[str, Any] = {}  # noqa: RUF012 (as in its base class)
    pseudo_dirs = [""]  # noqa: RUF012
    cachable = False
    failing: list[Exception] = []  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        return "/" + str(path).removeprefix("gs://").strip("/")

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        about = super().info(path)
        state: dict[str, Any] = about | {
            "etag": str(hash(self.cat_file(path))),
            "mtime": about["created"],
        }
        return state

    def find(self, path: str, **_: Any) -> dict[str, Any]:
        return {name: self.info(name) for name in super().find(path)}

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        if start is not None and self.failing:
            raise self.failing.pop()
        data: bytes = super().cat_file(path, start=start, end=end)
        return data


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Give a cloud that stands behind gs://."""
    backend, system = GenericBackend(), Cloud()
    backend._systems[os.getpid(), "gs"] = system
    monkeypatch.setitem(table._made, "gs", backend)
    system.pipe_file("gs://films/v/a.mp4", b"0123456789" * 100)
    system.pipe_file("gs://films/v/deep/b.mp4", b"b")
    yield system
    Cloud.store.clear()
    Cloud.failing.clear()


def test_objects_are_listed_and_read(cloud: Cloud) -> None:
    listed = list_folder(RemotePath("gs://films/v"))
    assert {name: path.known.size for name, path in listed.items()} == {
        "a.mp4": 1000,
        "deep/b.mp4": 1,
    }
    path = pinned(RemotePath("gs://films/v/a.mp4"))
    assert path.known == listed["a.mp4"].known
    cloud.failing.append(ConnectionError("odd"))
    assert fetch(path.address, path.known, 5, 15) == b"5678901234"
    assert not cloud.failing


def test_a_changed_object_is_noticed(cloud: Cloud) -> None:
    path = pinned(RemotePath("gs://films/v/a.mp4"))
    cloud.pipe_file("gs://films/v/a.mp4", b"9876543210" * 100)
    with pytest.raises(OSError, match="has changed"):
        fetch(path.address, path.known, 0, 10)
    with pytest.raises(FileNotFoundError, match="no such object"):
        pinned(RemotePath("gs://films/v/none.mp4"))
    cloud.failing.append(PermissionError())
    with pytest.raises(PermissionError, match="refuses access"):
        fetch(path.address, pinned(RemotePath(path.url)).known, 20, 30)
