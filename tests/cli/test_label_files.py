"""``slic labels export``, ``import`` and ``cut``: what they print, and what they refuse."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.cli import main
from slic.search import LABEL_FILES, Index, clip_writing, cutting, labels_of_moments, set_label

Lines = Callable[..., tuple[int, list[str], list[str]]]
MakeIndex = Callable[..., Index]


def test_labels_are_carried_to_another_index_and_listed_there(
    make_index: MakeIndex, lines: Lines, tmp_path: Path
) -> None:
    elsewhere = make_index({"a.mp4": 4}, name="elsewhere")
    set_label(elsewhere, [1, 3], "wave")
    file = tmp_path / "labels.json"
    _, out, _ = lines("labels", "export", elsewhere.path, file)
    assert out == [f"{file}: 2 labels written."]
    here = make_index({"b.mp4": 4})
    _, out, _ = lines("labels", "import", here.path, file)
    assert out == [f"2 labels read. Undo with: slic labels undo {here.path}"]
    _, out, _ = lines("labels", "list", here.path)  # although no video has this content
    assert out[0].split() == ["wave", "2", "given", "0", "spread"]


def test_a_file_that_cannot_be_imported_is_one_line(
    make_index: MakeIndex, lines: Lines, tmp_path: Path
) -> None:
    index = make_index({"a.mp4": 4})
    row = '{"content_id": "\\ud800", "start_seconds": 0, "end_seconds": 1, "label": "x",'
    row += ' "confidence": 1, "source": "given"}'
    (tmp_path / "a.json").write_text(f'{{"format": 1, "labels": [{row}]}}')
    for file in ("a.json", "none.csv"):
        code, out, err = lines("labels", "import", index.path, tmp_path / file)
        assert (code, out, len(err)) == (1, [], 1)
    assert labels_of_moments(index) == {}


def test_labels_go_out_and_come_back_in_a_named_format(
    make_index: MakeIndex, lines: Lines, tmp_path: Path
) -> None:
    index = make_index({"a.mp4": 4, "b.mp4": 3})
    set_label(index, [1, 5], "wave")
    file = tmp_path / "tasks.json"
    _, out, _ = lines("labels", "export", index.path, file, "--format", "label-studio")
    assert out == [f"{file}: 2 labels written."]
    here = make_index({"a.mp4": 4}, name="here")
    code, out, err = lines("labels", "import", here.path, file)
    assert code == 0
    assert out == [f"1 labels read. Undo with: slic labels undo {here.path}"]
    assert err == [f"slic: {file}: 1 labels are of 1 videos outside the index: b.mp4"]
    assert lines("labels", "undo", here.path)[1] == [
        "1 labels are as they were before the last change."
    ]


def test_many_unknown_videos_are_counted_and_some_named(
    make_index: MakeIndex, lines: Lines, tmp_path: Path
) -> None:
    index = make_index({"a.mp4": 4})
    rows = "".join(f"gone\x1b{n}.mp4,x,0,1\n" for n in range(5))
    text = f"path,label,start,end\n{rows}a.mp4,x,0,1\na.mp4,y,0,1\n"
    (tmp_path / "labels.csv").write_text(text)
    _, out, err = lines("labels", "import", index.path, tmp_path / "labels.csv", "--json")
    document = json.loads("".join(out))
    assert (document["labels"], document["unknown_labels"]) == (1, 5)
    assert len(document["unknown_videos"]) == 5
    names = "; ".join(f"gone\N{REPLACEMENT CHARACTER}{n}.mp4" for n in range(3))
    assert err[0].endswith(f"5 labels are of 5 videos outside the index: {names}; and 2 more")
    assert err[1].endswith("later one of the same segment: line 7 'x', line 8 'y'")


def test_an_unknown_format_lists_the_formats(
    make_index: MakeIndex, lines: Lines, tmp_path: Path
) -> None:
    index = make_index({"a.mp4": 4})
    for words in ((tmp_path / "labels",), (tmp_path / "labels.csv", "--format", "coco")):
        code, out, err = lines("labels", "export", index.path, *words)
        assert (code, out, len(err)) == (1, [], 1)
        assert "csv, slic, activitynet, label-studio, cvat, fiftyone" in err[0]
    _, out, _ = lines("labels", "export", "--help")
    assert sum(name in line for line in out for name in LABEL_FILES) >= len(LABEL_FILES)


@pytest.fixture
def labelled_videos_index(
    tmp_path: Path, encoder_folder: Path, make_video: Callable[..., Path]
) -> Index:
    """Return an index of two videos with a label each."""
    for name, frames in (("a b", 60), ("c", 70)):
        make_video(tmp_path / "videos" / f"{name}.mp4", frames=frames, size=(64, 48))
    main(["index", str(tmp_path / "videos"), "--encoder", str(encoder_folder), "--workers", "0",
          "--out", str(tmp_path / "index")])  # fmt: skip
    index = Index.open(tmp_path / "index")
    set_label(index, [index.moment_at("a b.mp4", 1.0)], "up/down")
    set_label(index, [index.moment_at("c.mp4", 1.0)], "walk")
    return index


def test_clips_are_cut_once_and_a_lost_video_is_named(
    labelled_videos_index: Index, lines: Lines, tmp_path: Path
) -> None:
    index, out_folder = labelled_videos_index, tmp_path / "clips"
    lines()
    words = ("labels", "cut", index.path, out_folder)
    _, out, _ = lines(*words, "--label", "walk", "--padding", "0.2")
    assert out == [f"{out_folder}: 1 clips written, 0 were there."]
    (tmp_path / "videos" / "a b.mp4").unlink()
    code, out, err = lines(*words, "--padding", "0.2", "--json")
    assert code == 0
    document = json.loads("".join(out))
    assert (document["written"], document["kept"], document["lost"]) == (0, 1, 1)
    assert any(line.startswith("refused: a b.mp4: no such file") for line in err)
    code, _, err = lines("labels", "cut", index.path, tmp_path / "none", "--label", "up/down")
    assert (code, err[-1]) == (
        1,
        f"slic: {tmp_path}/none: no clip can be cut; see the lines above.",
    )
    for word in ("-1", "nan", "half"):
        code, _, err = lines(*words, f"--padding={word}")
        assert (code, "is not a number of seconds from 0" in err[-1]) == (2, True)


def test_ctrl_c_leaves_whole_clips_and_says_how_to_go_on(
    labelled_videos_index: Index,
    lines: Lines,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index, out_folder = labelled_videos_index, tmp_path / "clips"
    lines()
    write = clip_writing.write_clip

    def write_and_press(*arguments: Any) -> None:
        write(*arguments)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cutting, "write_clip", write_and_press)
    words = ("labels", "cut", index.path, out_folder)
    code, _, err = lines(*words, "--label", "up/down", "walk", "--padding", "0.5")
    assert code == 130
    assert err[-1].endswith(
        f"Continue with: slic labels cut {index.path} {out_folder} --padding 0.5 "
        "--label up/down walk"
    )
    assert len(list(out_folder.rglob("*.mp4"))) == len(list(out_folder.rglob("*_*.*"))) == 1
    monkeypatch.undo()
    _, out, _ = lines(*words, "--padding", "0.5")
    assert out == [f"{out_folder}: 1 clips written, 1 were there."]
