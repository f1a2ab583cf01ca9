"""What is stored and shown of an address, and which addresses are refused."""

import pickle
from pathlib import Path, PurePosixPath

import pytest

from slic.errors import CatalogError
from slic.storage import RemotePath, id_and_path, in_folder, is_address, location
from slic.storage.addresses import is_link_local, parse_address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://films/a b?#.mp4", "s3://films/a b?#.mp4"),  # a key may have any character
        ("s3a://films/a.mp4", "s3://films/a.mp4"),
        ("s3:/films/a.mp4", "s3://films/a.mp4"),  # as a path writes it
        ("https://host/a.mp4?v=3", "https://host/a.mp4?v=3"),
        ("https://host:81/a.mp4#t=4", "https://host:81/a.mp4"),
        ("https://host/a.mp4?X-Amz-Signature=12ab&v=3", "https://host/a.mp4"),
        ("https://host/a.mp4?sv=2&sig=12ab", "https://host/a.mp4"),
        ("https://me:secret@host/a.mp4", "https://host/a.mp4"),
        ("http://[::1]:81/a.mp4", "http://[::1]:81/a.mp4"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    path = RemotePath(text)
    assert str(path) == path.as_posix() == path.url == shown
    assert "secret" not in repr(path)
    assert "12ab" not in repr(path)
    assert path.address.request.startswith(text.partition(":")[0].replace("s3a", "s3"))
    again = pickle.loads(pickle.dumps(path))
    assert (again, again.address) == (path, path.address)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://169.254.169.254/latest", "link-local"),
        ("http://[::ffff:169.254.169.254]/latest", "link-local"),
        ("http://metadata.google.internal/", "link-local"),
        ("http://host:port/a.mp4", "not a web address"),
        ("s3://", "not an address|names no bucket"),
        ("ftp://host/a.mp4", "not an address"),
        ("file:///etc/passwd", "not an address"),
    ],
)
def test_some_addresses_are_refused(text: str, reason: str) -> None:
    with pytest.raises(CatalogError, match=reason):
        parse_address(text)


def test_what_is_no_address_is_a_path() -> None:
    for text in ("a.mp4", "/v/a.mp4", "c:/a.mp4", "walk: 1/a.mp4", "file:///a.mp4"):
        assert not is_address(text)
        assert location(text) == Path(text)
    assert location(Path("s3://films/v")) == RemotePath("s3://films/v")
    assert not is_link_local("10.0.0.1")


def test_a_remote_path_is_never_a_local_one() -> None:
    path = RemotePath("s3://films/v/a.mp4")
    assert (path.name, path.suffix, str(path.parent)) == ("a.mp4", ".mp4", "s3://films/v")
    assert path.parent / "b.mp4" == RemotePath("s3://films/v/b.mp4")
    assert path != Path("/films/v/a.mp4")
    with pytest.raises(TypeError, match="no file of this machine"):
        open(path)  # noqa: PTH123, SIM115
    assert not isinstance(PurePosixPath(*path.parts), RemotePath)


def test_ids_of_listed_videos() -> None:
    root, here = RemotePath("s3://films/v"), Path("/v")
    assert id_and_path("s3://films/v/c/a.mp4", root)[0] == "c/a.mp4"
    assert id_and_path("c/../a.mp4", root) == ("a.mp4", root / "a.mp4")
    assert id_and_path("s3://other/a.mp4", root)[0] == "s3://other/a.mp4"
    assert id_and_path("s3://films/v/a.mp4", here)[0] == "s3://films/v/a.mp4"
    assert id_and_path("a.mp4", here) == ("a.mp4", Path("/v/a.mp4"))
    for name in ("c/a.mp4", "s3://other/a.mp4", "https://host/a.mp4"):
        shown, path = id_and_path(name, root)
        assert in_folder(str(root), shown) == path
