"""The cache of scans: what is kept, where, and when it is not used."""

from dataclasses import replace
from pathlib import Path

import pytest

from slic.videos import scan_cache
from slic.videos.scan_cache import cache_places, load, save
from slic.videos.scanning import Found, Verdict
from slic.videos.video import Refused, Video


def verdicts(root: Path) -> list[Verdict]:
    good, bad = (Found(name, root / name, 100, 7) for name in ("a.mp4", "b.mp4"))
    video = Video(
        id="a.mp4", path=root / "a.mp4", frames=3, fps=25.0, width=8, height=6, timeline=b"packets"
    )
    return [Verdict(good, replace(video, timeline=b"")), Verdict(bad, Refused("b.mp4", "broken"))]


def test_verdicts_are_the_same_after_a_round_trip(tmp_path: Path) -> None:
    kept = verdicts(tmp_path)
    save([tmp_path / "cache"], kept)
    assert load([tmp_path / "cache"], [verdict.found for verdict in kept]) == kept


@pytest.mark.parametrize("change", [{"size": 101}, {"mtime_ns": 8}, {"id": "c.mp4"}])
def test_a_changed_file_has_no_verdict(tmp_path: Path, change: dict[str, object]) -> None:
    kept = verdicts(tmp_path)
    save([tmp_path / "cache"], kept)
    assert load([tmp_path / "cache"], [replace(kept[0].found, **change)]) == []  # type: ignore[arg-type]


def test_what_may_pass_is_not_kept(tmp_path: Path) -> None:
    good, bad = verdicts(tmp_path)
    gone = replace(good, found=replace(good.found, size=-1))
    save([tmp_path / "cache"], [gone, replace(bad, lasting=False)])
    assert load([tmp_path / "cache"], [gone.found, bad.found]) == []


def test_a_changed_bit_is_reported_and_changes_no_verdict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, place = verdicts(tmp_path), tmp_path / "cache"
    save([place], kept)
    whole = place.read_bytes()
    for position in range(0, len(whole), 7):
        place.write_bytes(whole[:position] + bytes([whole[position] ^ 16]) + whole[position + 1 :])
        assert load([place], [verdict.found for verdict in kept]) == []
    assert f"{place}: damaged (its checksum does not match)" in caplog.text


def test_another_version_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = verdicts(tmp_path)
    other = scan_cache._SCHEMA.with_metadata({"decoder": "PyAV 1.0"})
    with monkeypatch.context() as patch:
        patch.setattr(scan_cache, "_SCHEMA", other)
        save([tmp_path / "cache"], kept)
        assert load([tmp_path / "cache"], [kept[0].found]) == kept[:1]
    assert load([tmp_path / "cache"], [kept[0].found]) == []


def test_the_first_place_that_takes_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    places = [tmp_path / "file/cache", tmp_path / "second", tmp_path / "third"]
    save(places, verdicts(tmp_path))
    assert (tmp_path / "second").exists()
    assert not (tmp_path / "third").exists()
    save(places[:1], verdicts(tmp_path))  # no place is no error


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    root = tmp_path / "videos"
    root.mkdir()
    in_folder, of_user = cache_places(root, "cache")
    assert in_folder == root / "cache"
    assert of_user.parent == tmp_path / "home/slic"
    root.chmod(0o555)
    assert cache_places(root, "cache") == [of_user]
