"""``slic evaluate retrieval``: what it prints and writes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.models.encoder import VideoEncoder

Lines = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def words(labelled_videos: Path, encoder_folder: Path) -> list[object]:
    """Return the words after the name of a protocol."""
    labels = labelled_videos / "labels.csv"
    return [labelled_videos, "--encoder", encoder_folder, "--labels", labels, "--workers=0"]


def test_retrieval_prints_what_was_compared_and_writes_scores_and_pictures(
    lines: Lines, words: list[object], labelled_videos: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    outputs = ["--json", tmp_path / "scores.json", "--pictures", tmp_path / "page.html"]
    code, out, err = lines(
        "evaluate", "retrieval", *words, *outputs, "--protocol", "sliding-windows"
    )
    assert code == 0, err
    fingerprint = VideoEncoder.from_pretrained(encoder_folder).fingerprint()
    assert out[0] == f"encoder {encoder_folder} ({fingerprint})"
    labels = f"{labelled_videos}/labels.csv"
    assert out[1] == f"videos {labelled_videos}, labels {labels}, queries test, gallery train"
    assert out[2] == "1 videos of these splits are absent, the first: gone.mp4"
    assert out[3].startswith("retrieval (sliding-windows: backbone output, mean over all half-over")
    assert out[4] == "4 queries, gallery of 6"
    assert out[-2].startswith("chance R@1 50.0, mean frame R@1 ")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["encoder"], scores["absent_videos"]) == (fingerprint, 1)
    assert scores["splits"] == "queries test, gallery train"
    assert sum(sum(found.values()) for found in scores["confusion"].values()) == 4
    assert (tmp_path / "page.html").read_text().count('class="row"') == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "scores.json"]


def test_a_protocol_is_also_a_name_of_its_own(lines: Lines, words: list[object]) -> None:
    by_option = lines("evaluate", "retrieval", *words, "--protocol", "backbone")
    by_name = lines("evaluate", "backbone", *words)
    assert by_name[:2] == by_option[:2]
    assert by_name[0] == 0


def test_the_default_protocol_is_that_of_the_paper_if_the_encoder_has_a_head(
    lines: Lines, words: list[object], encoder_folder: Path, tmp_path: Path
) -> None:
    _, with_head, _ = lines("evaluate", "retrieval", *words)
    assert with_head == lines("evaluate", "paper", *words)[1]
    VideoEncoder.from_pretrained(encoder_folder).without_head().save_pretrained(tmp_path / "bare")
    words[2] = tmp_path / "bare"
    _, without, _ = lines("evaluate", "retrieval", *words)
    assert without == lines("evaluate", "backbone", *words)[1]
    assert len(without) == len(with_head)


def test_map_can_be_left_out_and_features_are_kept(
    lines: Lines, words: list[object], tmp_path: Path
) -> None:
    code, out, err = lines("evaluate", "paper", *words, "--cache", tmp_path, "--skip-map")
    assert code == 0, err
    assert "mAP" not in "".join(out)
    assert list(tmp_path.glob("*/*.features"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("papre", "slic: unknown protocol 'papre'. Did you mean 'paper'? Known: paper, backbone, "),
        ("probe", "slic: protocol 'probe' is not one of retrieval: paper, backbone, "),
    ],
)
def test_another_protocol_is_refused(
    lines: Lines, words: list[object], name: str, message: str
) -> None:
    code, _, err = lines("evaluate", "retrieval", *words, f"--protocol={name}")
    assert code == 1
    assert err[-1].startswith(message)
