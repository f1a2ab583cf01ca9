"""Label files as people write them, and one clear line for each way they go wrong."""

from pathlib import Path

import pytest

from slic.datasets import Labels, read_labels
from slic.datasets.table import covered_seconds
from slic.errors import LabelError
from slic.videos.catalog import Catalog


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_in_any_order_others_ignored(tmp_path: Path) -> None:
    csv = write(
        tmp_path,
        "\ufeffactor,label, split ,path\n"
        'a1,jumping jack,train,"train/0,7.mp4"\n'
        "a2,walk,test,./test/ü 1.mp4\n\n",
    )
    labels = read_labels(csv)
    assert labels.labels_of(["test/ü 1.mp4", "train/0,7.mp4"]) == ["walk", "jumping jack"]
    assert labels.ids("train") == ("train/0,7.mp4",)


def test_split_is_optional(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, "path,label\na.mp4,walk\n"))
    assert labels == Labels({"a.mp4": "walk"}, {})
    with pytest.raises(LabelError, match="no column 'split'"):
        labels.ids("train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'path' and no column 'label'; columns there: none"),
        ("file,label\na.mp4,walk\n", "no column 'path'; columns there: file, label"),
        ("path,label\n", "no rows"),
        (
            "path,label\na.mp4,walk\n./a.mp4,run\n",
            "'a.mp4' has the label 'walk' in line 2 and 'run'",
        ),
        (
            "path,label,split\na.mp4,walk,a\na.mp4,walk,b\n",
            "has the split 'a' in line 2 and 'b' in",
        ),
        ("path,label\na.mp4,\n", "line 2: column 'label' is empty"),
        ("path,label,split\na.mp4,walk\n", "line 2: column 'split' is empty"),
        (
            "path,label\na.mp4,walk\n../x/../a.mp4,walk\n../a.mp4,run\n",
            "has the label 'walk' in line 3 and 'run' in line 4",
        ),
    ],
)
def test_each_mistake_gets_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabelError) as raised:
        read_labels(write(tmp_path, text))
    assert message in str(raised.value)
    assert "labels.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_labels_of_moments_label_their_videos(tmp_path: Path) -> None:
    """A file with a row for each labelled moment has several rows for one video."""
    header = "path,label,start_seconds,end_seconds,confidence,source\n"
    rows = "a.mp4,walk,0,2,1.0,given\na.mp4,walk,4,6,0.8,spread\nb.mp4,run,0,2,1.0,given\n"
    labels = read_labels(write(tmp_path, header + rows))
    assert labels == Labels({"a.mp4": "walk", "b.mp4": "run"}, {})
    with pytest.raises(LabelError, match=r"'b.mp4' has the label 'run' in line 4 and 'fall' in"):
        read_labels(write(tmp_path, header + rows + "b.mp4,fall,4,6,1.0,given\n"))


def test_with_times_the_label_that_covers_most_of_a_video_counts(tmp_path: Path) -> None:
    rows = "a.mp4,walk,0,2\na.mp4,run,1,2.5\na.mp4,walk,1,2\nb.mp4,run,0,1\nb.mp4,jump,3,4\n"
    rows += "c.mp4,walk,0,9\nc.mp4,run,,\n"  # without times: the whole video
    labels = read_labels(write(tmp_path, f"path,label,start,end\n{rows}"))
    assert labels.label == {"a.mp4": "walk", "b.mp4": "jump", "c.mp4": "run"}
    for row, message in (
        ("d.mp4,walk,x,2", "line 9: could not convert string to float: 'x'; start and end are in"),
        ("d.mp4,walk,2,1", "line 9: the end 1 is not after the start 2"),
        ("d.mp4,walk,nan,1", "line 9: the end 1 is not after the start nan"),
    ):
        with pytest.raises(LabelError, match=message):
            read_labels(write(tmp_path, f"path,label,start,end\n{rows}{row}\n"))


def test_covered_seconds_by_hand() -> None:
    assert covered_seconds([]) == 0
    assert covered_seconds([(3.0, 4.0), (0.0, 2.0), (1.0, 2.5), (0.5, 1.0)]) == 3.5


def test_cells_that_were_guarded_against_spreadsheets_are_read_as_they_were(
    tmp_path: Path,
) -> None:
    labels = read_labels(write(tmp_path, "path,label\n'=a.mp4,'@walk\n'b'.mp4,'quoted'\n"))
    assert labels.label == {"=a.mp4": "@walk", "'b'.mp4": "'quoted'"}


def test_columns_without_a_name_are_passed_over(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, "path,label,\na.mp4,walk,\nb.mp4,run,x\n"))
    assert labels == Labels({"a.mp4": "walk", "b.mp4": "run"}, {})


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"none.csv: cannot be read as a CSV file \(no such"):
        read_labels(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(LabelError, match="cannot be read as a CSV file"):
        read_labels(tmp_path / "binary.csv")


def test_a_list_of_videos_labels_them_from_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists").mkdir()
    rows = ["sub/a.mp4", "./b.mp4", "../v/c.mp4", str(tmp_path / "lists/d.mp4"), "/data/e.mp4"]
    text = "path,label\n" + "".join(f"{row},walk\n" for row in rows)
    (tmp_path / "lists" / "train.csv").write_text(text)
    expected = {"sub/a.mp4", "b.mp4", f"{tmp_path}/v/c.mp4", "d.mp4", "/data/e.mp4"}
    for folder, name in ((".", "lists/train.csv"), ("lists", "train.csv"), ("/", None)):
        monkeypatch.chdir(tmp_path / folder)
        path = Path(name or tmp_path / "lists/train.csv")
        assert set(read_labels(path).label) == expected
        assert {r.id for r in Catalog.from_list(path, progress=False, cache=False).refused} == (
            expected
        )
