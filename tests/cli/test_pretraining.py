"""``slic pretrain``: help, settings, and what is refused before the videos are scanned."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from slic.errors import VideoError
from slic.recipe import load_recipe

Lines = Callable[..., tuple[int, list[str], list[str]]]
SMALL = (
    "--recipe", "paper-small", "--clip.frames=4", "--clip.size=32", "--backbone.width=0.125",
    "--head.hidden=16", "--head.embedding=8", "--train.epochs=1", "--train.batch_size=4",
    "--train.workers=0", "--sampling.flow_probability=0",
)  # fmt: skip


def test_help_ends_with_the_settings(lines: Lines) -> None:
    code, printed, _ = lines("pretrain", "--help")
    assert code == 0
    assert any(line.startswith("usage: slic pretrain") for line in printed)
    assert "  rounds.every_epochs = 5" in printed


def test_the_printed_recipe_is_the_one_that_would_run(lines: Lines, tmp_path: Path) -> None:
    words = ["--train.epochs=3", "--loss.name=triplet", "--loss.margin=0.3"]
    code, printed, _ = lines("pretrain", "--print_config", *words)
    assert code == 0
    (tmp_path / "mine.yaml").write_text("\n".join(printed))
    assert load_recipe(tmp_path / "mine.yaml") == load_recipe("two-stream", words)
    assert yaml.safe_load("\n".join(printed))["loss"]["margin"] == 0.3
    code, printed, _ = lines("pretrain", "--segments", 4, "--print_config", "videos")
    assert yaml.safe_load("\n".join(printed))["segments"]["seconds"] == 4.0


def test_a_run_that_is_there_does_not_hinder_printing(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text("train: {epochs: 7}\n")
    code, printed, _ = lines("pretrain", "--print_config")
    assert code == 0
    assert yaml.safe_load("\n".join(printed)) == load_recipe("two-stream").to_dict()
    code, printed, _ = lines("pretrain", "--print_config", "--resume")
    assert yaml.safe_load("\n".join(printed))["train"]["epochs"] == 7


def test_videos_are_required(lines: Lines) -> None:
    code, _, errors = lines("pretrain")
    assert code == 2
    assert errors[-1].endswith("the following arguments are required: videos")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--resume"], 1, "there is no run to resume; leave --resume out"),
        (["--loss.nme=triplet"], 2, "unknown setting 'loss.nme'. The nearest known is 'loss.name'"),
        (["--loss=triplet", "--loss=triplet"], 2, "--loss is given more than once."),
        (["--segments=2", "--segments.seconds=3"], 2, "--segments.seconds is given more than once"),
        (["--train.epochs"], 2, "setting '--train.epochs' has no value"),
        (["--train.epochs=0"], 1, "train.epochs is 0, but it must be at least 1"),
        (["stray"], 2, "'stray' is not a setting"),
        (["--annotations", "lists"], 2, "--annotations is for --labels, which is not given."),
        (["--split", "train"], 2, "--split is for --labels, which is not given."),
        (["--log_with", "tensorboard,wandbb"], 1, "unknown tracker 'wandbb'. Did you mean 'wandb'"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    lines: Lines, labelled_videos: Path, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    found, _, errors = lines("pretrain", labelled_videos, "--out", tmp_path / "run", *words)
    assert found == code
    assert message in errors[-1]
    assert not (tmp_path / "run").exists()


def test_a_used_folder_is_refused_before_the_scan(lines: Lines, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("")
    code, _, errors = lines("pretrain", tmp_path / "nothing", "--out", tmp_path)
    assert code == 1
    assert errors == [
        f"slic: {tmp_path}: a run is already here; continue it with --resume, or choose another "
        "--out."
    ]


def test_a_run_on_a_split_with_labels_in_the_log(
    lines: Lines, labelled_videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    labels = ("--labels", labelled_videos / "labels.csv", "--split", "train")
    code, printed, errors = lines("pretrain", labelled_videos, "--out", out, *labels, *SMALL)
    assert code == 0, errors
    assert "encoder after 1 steps" in printed[0]
    assert printed[1].startswith("next: slic index")
    assert '"nmi"' in (out / "log.jsonl").read_text()
    again = ("pretrain", labelled_videos, "--out", out, *labels, "--resume")
    assert lines(*again, "--train.epochs=1", "--head.hidden=16")[0] == 0  # as they are
    code, _, errors = lines(*again, "--head.hidden=8")
    assert code == 1
    assert "the run to resume has other settings" in errors[-1]


def test_a_video_that_breaks_names_the_command_that_continues(
    lines: Lines, labelled_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        checkpoints = tmp_path / "run" / "checkpoints"
        checkpoints.mkdir(parents=True)
        (checkpoints / "last.pt").touch()
        raise VideoError("7.mp4: frame 3 does not decode.")

    monkeypatch.setattr("slic.pretraining.pretrain", broken)
    code, _, errors = lines("pretrain", labelled_videos, "--out", tmp_path / "run")
    assert code == 1
    assert "7.mp4: frame 3 does not decode. The run is saved. Restore the file" in errors[-1]
    assert errors[-1].endswith(f"slic pretrain {labelled_videos} --out {tmp_path}/run --resume")


def test_no_tracker_at_all_is_no_warning(
    lines: Lines, labelled_videos: Path, tmp_path: Path
) -> None:
    words = ("--out", tmp_path / "run", "--log_with", "none", *SMALL)
    code, _, errors = lines("pretrain", labelled_videos, *words)  # warnings are errors in tests
    assert code == 0, errors
