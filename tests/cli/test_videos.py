"""``slic sample`` and ``slic scan``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Lines = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a folder of two videos and a file that is none."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(2):
        make_video(folder / f"{number}.mp4", frames=25 * (number + 1), size=(64, 48))
    (folder / "text.mp4").write_text("this is no video")
    return folder


def test_sample_writes_videos_and_names_the_next_command(lines: Lines, tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    code, out, _ = lines("sample", folder, "--train=2", "--test=1", "--workers=1")
    assert (code, out) == (
        0,
        [
            f"{folder}: 2 training and 1 test videos.",
            f"next: slic pretrain {folder}/train --out run",
        ],
    )
    assert len((folder / "labels.csv").read_text().splitlines()) == 4


def test_scan_prints_refused_files(lines: Lines, videos: Path) -> None:
    code, out, _ = lines("scan", videos)
    assert code == 0
    assert out[0] == f"{videos}: 2 videos, 0.00 hours."
    assert [line.split(": ")[:2] for line in out[1:]] == [["refused", "text.mp4"]]


def test_scan_prints_json(lines: Lines, videos: Path) -> None:
    code, out, _ = lines("scan", videos, "--json")
    printed = json.loads("\n".join(out))
    assert (code, printed["root"]) == (0, str(videos))
    assert printed["videos"] == [
        {"id": f"{n}.mp4", "frames": 25 * (n + 1), "fps": 25.0, "width": 64, "height": 48}
        for n in range(2)
    ]
    assert [refused["id"] for refused in printed["refused"]] == ["text.mp4"]


def test_a_folder_without_videos_is_an_error(lines: Lines, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words in (["scan"], ["pretrain", "--out", tmp_path / "run"]):
        code, _, err = lines(words[0], tmp_path / "empty", *words[1:])
        assert code == 1
        assert err[-1].startswith(f"slic: {tmp_path}/empty: no video found (")
    assert not (tmp_path / "run").exists()
    code, _, err = lines("scan", tmp_path / "nowhere")
    assert code == 1
    assert f"{tmp_path}/nowhere: this folder cannot be read (no such file" in err[-1]
