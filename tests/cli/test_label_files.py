"""``slic labels export``, ``import`` and ``cut``: what they print, and what they refuse."""

from collections.abc import Callable
from pathlib import Path

from slic.search import Index, labels_of_moments, set_label

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
