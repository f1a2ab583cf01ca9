"""The files of a sample are the same wherever and however they are written."""

import csv
import hashlib
import json
from pathlib import Path

import cv2
import pytest

from slic.errors import CatalogError, FormatError
from slic.sample import ACTIONS, write_sample


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def read_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, train=5, test=2, seed=5, workers=1, progress=False)
    return folder


def test_a_sample_decodes_as_labels_csv_says(sample: Path) -> None:
    rows = read_rows(sample)
    assert list(rows[0]) == ["path", "label", "split", "actor", "background"]
    assert [row["split"] for row in rows] == ["train"] * 5 + ["test"] * 2
    for row in rows:
        assert row["path"].startswith(row["split"] + "/")
        assert not any(action in row["path"] for action in ACTIONS)
        capture = cv2.VideoCapture(str(sample / row["path"]))
        fps, frames = capture.get(cv2.CAP_PROP_FPS), 0
        while (read := capture.read())[0]:
            assert read[1].shape == (240, 320, 3)
            frames += 1
        assert 25 <= round(fps, 2) <= 30
        assert 1.9 <= frames / fps <= 6.1


def test_any_number_of_workers_writes_the_same_files(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "again", train=5, test=2, seed=5, workers=2, progress=False)
    assert digests(tmp_path / "again") == digests(sample)


def test_a_finished_sample_is_left_alone_and_a_broken_one_completed(sample: Path) -> None:
    before, rows = digests(sample), read_rows(sample)
    times = {path: path.stat().st_mtime_ns for path in sample.rglob("*")}
    write_sample(sample, train=5, test=2, seed=5, progress=False)
    assert times == {path: path.stat().st_mtime_ns for path in sample.rglob("*")}
    (sample / "labels.csv").unlink()
    (sample / rows[4]["path"]).unlink()
    write_sample(sample, train=5, test=2, seed=5, progress=False)
    assert digests(sample) == before


def test_settings_of_an_older_sample(sample: Path) -> None:
    settings_file = sample / "sample.json"
    settings = json.loads(settings_file.read_text())
    settings_file.write_text(
        json.dumps({key: settings[key] for key in settings if key != "scenes"})
    )
    write_sample(sample, train=5, test=2, seed=5, progress=False)
    with pytest.raises(CatalogError, match="another sample"):
        write_sample(sample, train=5, test=2, seed=5, scenes="typical", progress=False)
    settings_file.write_text(json.dumps(settings | {"drawing": 0}))
    with pytest.raises(FormatError, match=r"sample.json: is of version 0, this package writes 1"):
        write_sample(sample, train=5, test=2, seed=5, progress=False)
    settings_file.write_text(json.dumps(settings))


def test_another_folder_is_refused(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="another sample"):
        write_sample(sample, train=6, test=2, seed=5, progress=False)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CatalogError, match="not empty"):
        write_sample(tmp_path, train=1, test=1, progress=False)
    with pytest.raises(CatalogError, match="is a file"):
        write_sample(tmp_path / "thesis.txt", train=1, test=1, progress=False)
