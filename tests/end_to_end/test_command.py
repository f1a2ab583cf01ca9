"""The command in its own process: from a sample to a score, and an error for each bad input."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.embeddings import Embeddings

pytestmark = pytest.mark.slow

Slic = Callable[..., Any]
TINY = (
    "--clip.frames=4",
    "--clip.stride=2",
    "--clip.size=32",
    "--recipe",
    "motion",
    "--backbone.width=0.125",
    "--head.hidden=16",
    "--head.embedding=8",
    "--rounds.clips=1",
    "--train.batch_size=4",
    "--train.epochs=1",
    "--train.workers=0",
)


@pytest.fixture(scope="module")
def sample(slic: Slic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny sample that the command wrote."""
    folder = tmp_path_factory.mktemp("sample") / "videos"
    ended = slic("sample", folder, "--train=8", "--test=4", "--workers=1").wait()
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == f"{folder}: 8 training and 4 test videos."
    return folder


@pytest.fixture(scope="module")
def encoder(slic: Slic, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the encoder of a tiny run on the sample's training videos."""
    out = tmp_path_factory.mktemp("run") / "run"
    words = ["--labels", sample / "labels.csv", "--split", "train", "--out", out, *TINY]
    ended = slic("pretrain", sample, *words).wait()
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"{out}/encoder: encoder after 2 steps, ")
    assert f"next: slic index {sample} --encoder {out}/encoder --out index" in ended.out
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    (first, *_) = [record for record in log if record["kind"] == "round"]
    assert 0 <= first["nmi"] <= 1  # the clusters beside the labels
    folder: Path = out / "encoder"
    return folder


@pytest.fixture
def videos(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """Return a folder of four good videos."""
    for number in range(4):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=10 + number, size=(64, 48))
    return tmp_path / "videos"


def one_line(ended: Any, *, code: int = 1) -> str:
    """Return the last line on stderr of a command that failed as it should."""
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    line: str = ended.err.splitlines()[-1]
    assert line.startswith("slic: ")
    return line


def test_embed_writes_what_loads(slic: Slic, sample: Path, encoder: Path, tmp_path: Path) -> None:
    out = tmp_path / "embeddings.npz"
    words = ["--encoder", encoder, "--out", out, "--clips=2", "--layer=backbone", "--workers=1"]
    ended = slic("embed", sample / "train", *words).wait()
    assert ended.code == 0, ended.err
    loaded = Embeddings.load(out)
    assert loaded.clips.shape[:2] == (8, 2)
    assert np.isfinite(loaded.clips).all()
    assert ended.out == (
        f"{out}: 8 videos x 2 clips x {loaded.clips.shape[2]} numbers, encoder {loaded.encoder}\n"
    )


@pytest.mark.parametrize(
    "death", ["os.kill(os.getpid(), 9)", pytest.param("os._exit(1)", marks=pytest.mark.soak)]
)
def test_a_loading_process_that_dies_is_one_line(
    slic: Slic, sample: Path, encoder: Path, tmp_path: Path, death: str
) -> None:
    die = f"""
from slic.clips.clip_dataset import ClipDataset
def dies(*_): {death}
ClipDataset.__getitem__ = dies
"""
    words = ["--encoder", encoder, "--out", tmp_path / "x.npz", "--workers=1"]
    ended = slic("embed", sample / "train", *words, before=die).wait()
    assert "a loading process died, probably because memory ran out. Use fewer" in one_line(ended)


def test_evaluate_prints_its_protocol_and_writes_json(
    slic: Slic, sample: Path, encoder: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "scores.json"
    words = ["--encoder", encoder, "--labels", sample / "labels.csv", "--json", figures]
    ended = slic("evaluate", "retrieval", sample, *words, "--workers=0").wait()
    assert ended.code == 0, ended.err
    assert "paper: head output, mean over 10 clips, cosine, any match" in ended.out
    assert "chance R@1 " in ended.out
    assert "mean frame R@1 " in ended.out
    printed = json.loads(figures.read_text())
    assert printed["baselines_recall_at_1"].keys() == {"chance", "mean frame"}
    assert len(printed["encoder"]) == 16
    assert "paper" in printed["protocol"]


def test_a_folder_without_permission(slic: Slic, videos: Path, tmp_path: Path) -> None:
    deny = """
import os, pathlib
scandir, iterdir = os.scandir, pathlib.Path.iterdir
def denied(path):
    if "locked" in str(path):
        raise PermissionError(13, "Permission denied", str(path))
os.scandir = lambda path=".": denied(path) or scandir(path)
pathlib.Path.iterdir = lambda self: denied(self) or iterdir(self)
"""  # root, as in most containers, would read it all the same
    (tmp_path / "locked").mkdir()
    error = one_line(slic("scan", tmp_path / "locked", before=deny).wait())
    assert error == f"slic: {tmp_path}/locked: this folder cannot be read (permission denied)."
    (videos / "locked").mkdir()
    ended = slic("scan", videos, before=deny).wait()
    assert ended.code == 0
    assert "refused: locked: this folder cannot be listed (permission denied)" in ended.out
    assert ": 4 videos, " in ended.out


def bad_files(videos: Path, make_video: Callable[..., Path]) -> dict[str, str]:
    """Add bad files to a folder; return a word of each one's reason."""
    (videos / "text.mp4").write_text("this is no video")
    whole = make_video(videos.parent / "whole.mp4", frames=30, size=(64, 48)).read_bytes()
    (videos / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    make_video(videos / "still.mp4", frames=1, size=(64, 48))
    return {"text.mp4": "", "cut.mp4": "", "still.mp4": "frame"}


def test_bad_files_are_named_and_more_than_a_tenth_stop_the_run(
    slic: Slic, videos: Path, tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    reasons = bad_files(videos, make_video)
    scanned = slic("scan", videos).wait()
    assert scanned.code == 0
    assert "Traceback" not in scanned.err
    refused = [line for line in scanned.out.splitlines() if line.startswith("refused: ")]
    for name in ("text.mp4", "cut.mp4"):
        assert any(line.startswith(f"refused: {name}: ") for line in refused), refused
    assert all(reasons[line.split(": ")[1]] in line for line in refused)
    ended = slic("pretrain", videos, "--out", tmp_path / "run", *TINY).wait()
    error = one_line(ended)
    assert f"{len(refused)} of 7 files cannot be used, at most 10% may be" in error
    assert "text.mp4: " in error
    names = [path.name for path in sorted(videos.glob("*.mp4")) if path.name not in reasons]
    rows = [f"{name},a,train" for name in names] + ["gone.mp4,a,test"]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,split", *rows]))
    split = ("--labels", tmp_path / "labels.csv", "--split")
    ended = slic("pretrain", videos, "--out", tmp_path / "run", *TINY, *split, "train").wait()
    assert f"{len(refused)} of 7 files cannot be used" in one_line(ended)
    assert not (tmp_path / "run" / "checkpoints").exists()
    for name in reasons:
        (shutil.rmtree if (videos / name).is_dir() else os.unlink)(videos / name)
    ended = slic("pretrain", videos, "--out", tmp_path / "run", *TINY, *split, "test").wait()
    assert "none of the 1 videos of split 'test' is there; the first is 'gone.mp4'" in ended.err


def test_one_bad_file_among_many_is_named_and_the_run_goes_on(
    slic: Slic, videos: Path, tmp_path: Path
) -> None:
    for number in range(4, 10):
        shutil.copy(videos / "0.mp4", videos / f"{number}.mp4")
    (videos / "text.mp4").write_text("this is no video")
    ended = slic("pretrain", videos, "--out", tmp_path / "run", *TINY).wait()
    assert ended.code == 0, ended.err
    assert "refused: text.mp4: " in ended.err
    assert "refused" not in ended.out
    assert (tmp_path / "run" / "encoder" / "model.safetensors").exists()


def test_videos_of_one_frame_do_not_break_a_run(
    slic: Slic, videos: Path, tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    make_video(videos / "still.mp4", frames=1, size=(64, 48))
    ended = slic("pretrain", videos, "--out", tmp_path / "run", *TINY).wait()
    assert "Traceback" not in ended.err
    scanned = slic("scan", videos).wait()
    assert ended.code == (1 if "refused: still.mp4" in scanned.out else 0), ended.err


def test_nothing_usable_to_embed(slic: Slic, encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "text.mp4").write_text("this is no video")
    out = tmp_path / "embeddings.npz"
    ended = slic("embed", tmp_path / "videos", "--encoder", encoder, "--out", out).wait()
    assert "no usable video to embed" in one_line(ended)
    assert not out.exists()


def test_an_unknown_setting_names_the_nearest(slic: Slic, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    error = one_line(slic("pretrain", videos, "--out", out, "--train.epoch=3").wait(), code=2)
    assert "unknown setting 'train.epoch'. The nearest known is 'train.epochs'." in error
    (tmp_path / "mine.yaml").write_text("train: {lerning_rate: 1}")
    error = one_line(slic("pretrain", videos, "--recipe", tmp_path / "mine.yaml").wait())
    assert (
        "unknown setting 'train.lerning_rate'. The nearest known is 'optimizer.learning_rate'."
        in error
    )
    assert not out.exists()


def test_weights_of_another_architecture(
    slic: Slic, videos: Path, encoder: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(encoder, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["arguments"]["depth"], config["head"]["hidden"] = 18, 24
    (other / "config.json").write_text(json.dumps(config))
    out = tmp_path / "embeddings.npz"
    error = one_line(slic("embed", videos, "--encoder", other, "--out", out).wait())
    assert "the weights do not fit the encoder; missing: " in error
    assert "of another shape: head.0.weight (16, " in error
    error = one_line(slic("embed", videos, "--encoder", tmp_path, "--out", out).wait())
    assert f"{tmp_path}/config.json: there is no encoder" in error
    assert not out.exists()


def test_labels_that_lack_a_split(slic: Slic, sample: Path, encoder: Path) -> None:
    words = ["--labels", sample / "labels.csv", "--encoder", encoder, "--queries", "val"]
    error = one_line(slic("evaluate", "retrieval", sample, *words).wait())
    assert "no video is in split 'val'; splits in the file: test, train." in error


def test_a_path_that_cannot_be_used_is_one_line(slic: Slic, encoder: Path, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300)
    for words in (
        ["evaluate", "retrieval", tmp_path, "--encoder", encoder, "--labels", long],
        ["search", long, "a.mp4"],
        ["studio", long, "--no-browser"],
    ):
        error = one_line(slic(*words).wait())
        assert error.startswith(f"slic: {long}"), error
        assert error.endswith(": File name too long."), error


def test_a_folder_in_place_of_a_file_is_an_error_before_the_work(
    slic: Slic, videos: Path, encoder: Path, tmp_path: Path
) -> None:
    common = (videos, "--encoder", encoder)
    labelled = (*common, "--labels", "tree", "--json")
    for words in (
        ("embed", *common, "--out", tmp_path),
        ("evaluate", "probe", *labelled, tmp_path),
        ("evaluate", "finetune", *labelled, tmp_path, "--out", tmp_path / "run"),
        ("evaluate", "retrieval", *labelled, tmp_path / "file", "--pictures", tmp_path),
    ):
        error = one_line(slic(*words).wait())
        assert error.endswith(f"{tmp_path}: is a folder; give the name of a file to write.")
