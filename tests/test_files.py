"""Ids do not depend on the working directory, CSV files are checked, and writes are atomic."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from slic import files
from slic.errors import CatalogError, WriteError
from slic.files import (
    absolute,
    as_text,
    atomic_path,
    id_of,
    is_file,
    read_csv,
    read_json_object,
    read_yaml_mapping,
    temporary_folder,
    write_atomically,
)


@contextmanager
def small_disk(max_bytes: int) -> Iterator[None]:
    """Let no file grow over ``max_bytes``; the kernel refuses to write, as on a full disk.

    Only around the call in question: the test run's own log may be a file, and longer.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_is_written_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("name", ["a" * 255, "動" * 85, "\N{CLAPPER BOARD}" * 63])
def test_the_longest_names_are_written(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"one")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_that_is_too_long_raises_before_the_work(tmp_path: Path) -> None:
    with (
        pytest.raises(WriteError, match=r"aa: could not be written \(file name too long\)"),
        atomic_path(tmp_path / "new" / ("a" * 256)),
    ):
        pytest.fail("the work was begun")


def test_a_body_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write_half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    refused = pytest.raises(WriteError, match=r"file: could not be written \(file too large\)")
    with refused, small_disk(1000):
        write_atomically(path, bytes(1001))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_next_write_removes_what_a_killed_process_left_and_nothing_else(
    tmp_path: Path,
) -> None:
    (tmp_path / ".a.json.0123abcd.tmp").write_text("left by a kill")
    (tmp_path / ".folder.0123abcd.tmp").mkdir()
    (tmp_path / ".folder.0123abcd.tmp" / "frame").touch()
    kept = [tmp_path / ".mine.tmp", tmp_path / "a.0123abcd.tmp", tmp_path / ".x.0123abcdef.tmp"]
    for path in kept:
        path.touch()
    with atomic_path(tmp_path / "b.json") as mine:
        mine.write_text("{}")
        assert sorted(tmp_path.iterdir()) == sorted([*kept, mine])
        files._swept.clear()  # as another process
        files.remove_stale_temporaries(tmp_path)
        assert mine.exists()  # it is in use
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / "b.json"])


def test_a_process_that_ends_at_once_removes_its_temporaries(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "a") as folder, atomic_path(tmp_path / "b") as file:
        (folder / "frame").touch()
        file.touch()
        files.discard_temporaries()
        assert not list(tmp_path.iterdir())
        file.touch()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(WriteError, match="folder"):
        write_atomically(tmp_path / "folder" / "file", b"")


def test_an_id_is_relative_to_the_folder_or_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = tmp_path / "videos", tmp_path / "other" / "b.mp4"
    for name in ("sub/a.mp4", "./sub/../sub/a.mp4", folder / "sub" / "a.mp4"):
        assert id_of(name, folder) == "sub/a.mp4"
    assert id_of("../other/b.mp4", folder) == id_of(outside, folder) == outside.as_posix()
    monkeypatch.chdir(tmp_path)
    assert id_of("sub/a.mp4", Path("videos")) == "sub/a.mp4"
    assert absolute(Path("videos/../other")) == tmp_path / "other"


def test_absolute_keeps_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert absolute(tmp_path / "link" / "a") == tmp_path / "link" / "a"


def test_rows_of_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\ufeffpath , label,other\n a.mp4,walk ,1\n\nb.mp4,run,\n", "utf-8")
    rows = [(2, {"path": "a.mp4", "label": "walk"}), (4, {"path": "b.mp4", "label": "run"})]
    assert read_csv(path, "path", optional="label") == rows
    assert read_csv(path, "path", "label", optional="split") == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"name\nx\n", "no column 'path'; columns there: name"),
        (b"path\n", "has a header but no rows"),
        (b"path,label\na.mp4,\n", "line 2: column 'label' is empty"),
        (b"path,label\na.mp4\n", "line 2: column 'label' is empty"),
        (b"path,label\n\xff,x\n", "cannot be read as a CSV file"),
        (None, r"cannot be read as a CSV file \(no such file"),
    ],
)
def test_a_csv_file_that_cannot_be_used_is_named(
    tmp_path: Path, text: bytes | None, message: str
) -> None:
    path = tmp_path / "list.csv"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(CatalogError, match=rf"list\.csv: .*{message}"):
        read_csv(path, "path", optional="label")


def test_a_name_that_is_not_utf_8_becomes_text() -> None:
    assert as_text("ä\udcff.mp4") == "ä\N{REPLACEMENT CHARACTER}.mp4"


def test_a_file_in_a_closed_folder_does_not_exist(
    open_folder: Path, nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    (open_folder / "closed").mkdir()
    (open_folder / "closed" / "file").touch()
    assert is_file(open_folder / "closed" / "file")
    (open_folder / "closed").chmod(0)
    try:
        with nobody():
            assert not is_file(open_folder / "closed" / "file")
    finally:
        (open_folder / "closed").chmod(0o700)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "not a JSON object"), ("null", "not a JSON object"), ("{", "Expecting"),
        ('{"a": ' + 100_000 * "[", "nested too deeply"), ("\xff", "codec can't decode"),
    ],
)  # fmt: skip
def test_what_is_no_json_object_says_why(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "file").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=reason):
        read_json_object(tmp_path / "file")


def test_a_json_object_and_a_yaml_mapping_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text('{"a": [1, null]}')
    assert read_json_object(path) == read_yaml_mapping(path) == {"a": [1, None]}
    path.write_text("")
    assert read_yaml_mapping(path) == {}
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 3)
    path.write_text('{"a": 1}')
    with pytest.raises(ValueError, match="it has 8 bytes"):
        read_json_object(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("- a", "not a YAML mapping"), (20_000 * "[", "nested too deeply"), ("a: [", "expected")],
)
def test_what_is_no_yaml_mapping_says_why(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(ValueError, match=reason):
        read_yaml_mapping(tmp_path / "file")
