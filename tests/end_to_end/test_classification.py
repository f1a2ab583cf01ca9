"""``slic evaluate finetune``, ``linear`` and ``probe``: killed, stopped, resumed and misused."""

import json
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slic.evaluation.classification.training import CHECKPOINT_FORMAT
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.runs import load_checkpoint, read_log

pytestmark = pytest.mark.slow  # they start programs or train


Slic = Callable[..., Any]
CLOCK_KEYS = {"time", "clips_per_second"}
SETTINGS = ("--epochs=3", "--batch-size=3", "--learning-rate=0.01", "--seed=4")
SLOW = """
import time
from slic.evaluation.classification import ten_crop, training
cross_entropy, crop_probabilities = training.cross_entropy, ten_crop.crop_probabilities
def slow_loss(*arguments):
    time.sleep(0.1)
    return cross_entropy(*arguments)
def slow_crops(*arguments, **more):
    time.sleep(0.1)
    return crop_probabilities(*arguments, **more)
training.cross_entropy, ten_crop.crop_probabilities = slow_loss, slow_crops
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a folder of 9 training and 4 test videos of three classes, and their labels."""
    folder, lines = tmp_path_factory.mktemp("classes") / "the videos", ["path,label,split"]
    for number in range(13):
        name = f"{number:02d}.mp4"
        make_video(folder / name, frames=12 + 3 * number, size=(64, 48))
        lines.append(f"{name},action {number % 3},{'train' if number < 9 else 'test'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny encoder."""
    folder = tmp_path_factory.mktemp("encoder") / "encoder"
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=16, embedding=8),
        clip=ClipSpec(frames=4, stride=2, size=32),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        VideoEncoder(config).save_pretrained(folder)
    return folder


Words = Callable[[str, Path], list[object]]


@pytest.fixture(scope="module")
def words(videos: Path, encoder: Path) -> Words:
    """Return a function that gives the words of a command on these videos."""

    def of(kind: str, out: Path) -> list[object]:
        labels = videos / "labels.csv"
        return ["evaluate", kind, videos, "--labels", labels, "--encoder", encoder, "--out", out]

    return of


@pytest.fixture(scope="module")
def undisturbed(slic: Slic, words: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a fine-tuning that went from start to end."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    ended = slic(*words("finetune", out), *SETTINGS, "--json", out / "scores.json").wait()
    assert ended.code == 0, ended.err
    return out


def same_run(one: Path, other: Path) -> bool:
    """Whether two finished runs have the same weights, optimizer, log and predictions."""
    logs = [
        [{k: v for k, v in r.items() if k not in CLOCK_KEYS} for r in read_log(run / "log.jsonl")]
        for run in (one, other)
    ]
    states = [
        load_checkpoint(run / "checkpoints" / "last.pt", version=CHECKPOINT_FORMAT)
        for run in (one, other)
    ]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    return logs[0] == logs[1] and all(
        (one / name).read_bytes() == (other / name).read_bytes()
        for name in ("encoder/model.safetensors", "predictions.jsonl", "settings.json")
    )


def test_a_finished_run_has_its_protocol_settings_and_log(undisturbed: Path) -> None:
    scores = json.loads((undisturbed / "scores.json").read_text())
    assert scores["protocol"].startswith(
        "finetune: backbone and linear layer, 3 epochs in batches of 3, Adam 0.01 (backbone 0.0001)"
    )
    assert "ten crops" in scores["protocol"]
    assert (scores["videos"], scores["train_videos"], len(scores["encoder"])) == (4, 9, 16)
    assert scores["settings"]["seed"] == 4
    assert [record["epoch"] for record in read_log(undisturbed / "log.jsonl")] == [0, 1, 2]


def test_killed_again_and_again_it_ends_with_the_same_weights(
    slic: Slic, words: Words, undisturbed: Path, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    out, killed = tmp_path / "run", 0

    def lines(name: str) -> int:
        return len(read_log(out / f"{name}.jsonl"))

    moments: dict[str, Callable[[], bool]] = {
        "before the first checkpoint": lambda: (out / "settings.json").exists(),
        "amid the second epoch": lambda: lines("log") >= 1,
        "amid the last epoch": lambda: lines("log") >= 2,
        "in the test": lambda: lines("predictions") >= 2,
    }
    for moment, reached in moments.items():
        resume = ["--resume"] if (out / "settings.json").exists() else []
        settings = [] if resume else SETTINGS
        command = [*words("finetune", out), *settings, *resume, f"--workers={killed % 2}"]
        running = slic(*command, before=SLOW)
        wait_until(reached, running)
        running.kill()
        ended = running.wait()
        assert ended.code == -signal.SIGKILL, (moment, ended.err)
        killed += 1
    before = (out / "predictions.jsonl").read_text()
    ended = slic(*words("finetune", out), "--resume").wait()
    assert ended.code == 0, ended.err
    assert killed == len(moments)
    whole = before[: before.rindex("\n") + 1]
    assert (out / "predictions.jsonl").read_text().startswith(whole)
    assert same_run(out, undisturbed)


@pytest.mark.parametrize("phase", ["train", "test"])
def test_ctrl_c_saves_and_prints_how_to_continue(
    slic: Slic,
    words: Words,
    undisturbed: Path,
    tmp_path: Path,
    wait_until: Callable[..., None],
    phase: str,
) -> None:
    out = tmp_path / "a run"  # with a space, which the command that is shown must quote
    running = slic(*words("finetune", out), *SETTINGS, "--workers=1", before=SLOW)
    log = {"train": "log.jsonl", "test": "predictions.jsonl"}[phase]
    wait_until(lambda: len(read_log(out / log)) >= 1, running)
    running.signal_group(signal.SIGINT)
    ended = running.wait()
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    *_, said = ended.err.splitlines()
    command = shlex.split(said.removeprefix("slic: stopped and saved. Continue with: "))
    assert command[0] == "slic"
    assert command[-1] == "--resume"
    before = (out / "predictions.jsonl").read_text() if phase == "test" else ""
    ended = slic(*command[1:]).wait()
    assert ended.code == 0, ended.err
    assert (out / "predictions.jsonl").read_text().startswith(before)
    assert same_run(out, undisturbed)


def one_line(ended: Any) -> str:
    """Return the last line on stderr of a command that failed as it should."""
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err
    line: str = ended.err.splitlines()[-1]
    assert line.startswith("slic: ")
    return line


def test_an_impossible_command_prints_one_line(
    slic: Slic, words: Words, undisturbed: Path, tmp_path: Path
) -> None:
    new = words("finetune", tmp_path / "run")
    again = one_line(slic(*words("finetune", undisturbed), *SETTINGS).wait())
    assert "there is a run already. Resume it" in again
    other = one_line(slic(*words("finetune", undisturbed), "--resume", "--dropout=0.2").wait())
    assert "the run to resume has another dropout" in other
    assert "there is no run to resume" in one_line(slic(*new, "--resume").wait())
    assert "weight_decay is -1.0, but" in one_line(slic(*new, "--weight-decay=-1").wait())
    missing = [tmp_path if word == new[6] else word for word in new]
    assert f"{tmp_path}/config.json: there is no encoder" in one_line(slic(*missing).wait())
    split = one_line(slic(*new, "--test-split=val").wait())
    assert "no video is in split 'val'; splits in the file: test, train" in split
    assert not (tmp_path / "run").exists()


def test_a_class_without_training_videos_and_a_damaged_checkpoint(
    slic: Slic, words: Words, videos: Path, undisturbed: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(videos, tmp_path / "videos")
    table = (copy / "labels.csv").read_text()
    (copy / "labels.csv").write_text(table.replace("12.mp4,action 0", "12.mp4,spin"))
    new = words("finetune", tmp_path / "run")
    elsewhere = [
        {videos: copy, videos / "labels.csv": copy / "labels.csv"}.get(word, word)  # type: ignore[call-overload]
        for word in new
    ]
    said = one_line(slic(*elsewhere).wait())
    assert "1 test videos have a label that no training video has" in said
    assert "'spin'" in said
    run = shutil.copytree(undisturbed, tmp_path / "damaged")
    (run / "checkpoints" / "last.pt").write_bytes(b"hello")
    (run / "checkpoints" / "previous.pt").unlink()
    said = one_line(slic(*words("finetune", run), "--resume").wait())
    assert "last.pt: not a whole checkpoint of a run" in said
