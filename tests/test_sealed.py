"""A sealed file comes back whole, or is refused: whichever bit changes, wherever it is cut."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slic.sealed import DamagedFileError, OtherVersionError, Seal, open_sealed, read_sealed, sealing

SEAL = Seal("test", 7)


def write(path: Path, content: bytes, seal: Seal = SEAL) -> bytes:
    with sealing(path, seal) as stream:
        stream.write(content)
    return path.read_bytes()


def test_every_changed_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state"
    whole = write(path, b"a content")
    assert read_sealed(path, SEAL) == b"a content"
    damaged = [whole[:length] for length in range(len(whole))] + [whole + b"\0"]
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(DamagedFileError):
            read_sealed(path, SEAL)


def test_another_kind_and_another_version_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write(path, b"", Seal("other", 7))
    with pytest.raises(DamagedFileError, match="kind 'other' instead of 'test'"):
        read_sealed(path, SEAL)
    write(path, b"", Seal("test", 8))
    with pytest.raises(OtherVersionError, match="version 8 instead of 7") as caught:
        read_sealed(path, SEAL)
    assert caught.value.found == 8


def test_a_failed_write_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write(path, b"before")
    with suppress(ZeroDivisionError), sealing(path, SEAL) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert read_sealed(path, SEAL) == b"before"
    assert list(tmp_path.iterdir()) == [path]


Steps = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-30, 30), st.none() | st.integers(-1, 30)), max_size=20
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=25), Steps)
def test_the_content_is_read_as_a_file_of_its_own(
    tmp_path: Path, content: bytes, steps: list[tuple[int, int, int | None]]
) -> None:
    write(tmp_path / "state", content)
    (tmp_path / "plain").write_bytes(content)
    with open_sealed(tmp_path / "state", SEAL) as ours, (tmp_path / "plain").open("rb") as plain:
        for whence, offset, size in steps:
            base = (0, plain.tell(), len(content))[whence]
            if base + offset >= 0:
                assert ours.seek(offset, whence) == plain.seek(offset, whence)
            assert ours.read(-1 if size is None else size) == plain.read(size)
            assert ours.tell() == plain.tell()
        ours.seek(0)
        buffer = bytearray(30)
        length = ours.readinto(buffer)
        assert buffer[:length] == content[: len(buffer)]
