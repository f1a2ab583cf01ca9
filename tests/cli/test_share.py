"""``slic share`` writes an encoder with its card, and uploads both."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.models.encoder import VideoEncoder

Lines = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(encoder_folder: Path, tmp_path: Path) -> Path:
    """Return a folder like that of a finished run."""
    VideoEncoder.from_pretrained(encoder_folder).save_pretrained(tmp_path / "run" / "encoder")
    (tmp_path / "run" / "recipe.yaml").write_text("loss: {name: triplet}\n")
    return tmp_path / "run"


@pytest.mark.parametrize("part", ["", "encoder"])
def test_a_folder_has_encoder_card_and_recipe(
    lines: Lines, run: Path, tmp_path: Path, part: str
) -> None:
    out = tmp_path / "shared"
    words = (run / part, "--out", out, "--licence", "mit", "--data", "drawn videos")
    code, (said, _), _ = lines("share", *words)
    encoder = VideoEncoder.from_pretrained(out)
    assert (code, said) == (0, f"{out}: encoder {encoder.fingerprint()} with its card")
    card = (out / "README.md").read_text()
    assert "license: mit" in card
    assert "- Data: drawn videos" in card
    assert "loss `triplet`" in card
    assert (out / "recipe.yaml").read_text() == (run / "recipe.yaml").read_text()


def test_an_upload_has_the_same_files_and_the_scores(
    lines: Lines, run: Path, tmp_path: Path, hub: Any
) -> None:
    fingerprint = VideoEncoder.from_pretrained(run / "encoder").fingerprint()
    scores = {"protocol": "paper", "encoder": fingerprint, "recall": {"1": 0.5}}
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    words = (run, "org/name", "--scores", tmp_path / "scores.json", "--private")
    code, (said, then), _ = lines("share", *words)
    assert (code, said) == (
        0,
        f"https://hub/org/name/commit/1: encoder {fingerprint} with its card",
    )
    assert then == "next: slic index VIDEOS --encoder org/name --out index"
    assert hub.uploads == [("org/name", None, f"Encoder {fingerprint}", True)]
    files = sorted(path.name for path in hub.path("org/name").iterdir())
    assert files == ["README.md", "config.json", "model.safetensors", "recipe.yaml"]
    assert "| R@1 | 50.0 | 1 |" in (hub.path("org/name") / "README.md").read_text()


def test_a_target_is_required(lines: Lines, run: Path) -> None:
    code, _, errors = lines("share", run)
    assert code == 2
    assert errors[-1].endswith("give a repository ORG/NAME, or --out DIR, or both.")


def test_scores_of_another_encoder_write_nothing(lines: Lines, run: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"protocol": "paper", "encoder": "0123"}')
    words = (run, "--out", tmp_path / "shared", "--scores", tmp_path / "scores.json")
    code, _, errors = lines("share", *words)
    assert code == 1
    assert "scores of 'paper' are of the encoder 0123" in errors[-1]
    assert not (tmp_path / "shared").exists()
