"""A model card says what is known: clips, data, recipe, numbers with their spread, licence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from slic.errors import CheckpointError, FormatError
from slic.models.backbones import ClipSpec
from slic.models.card import TrainingFacts, read_run, read_scores, write_card
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder


def small_encoder() -> VideoEncoder:
    torch.manual_seed(0)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.0625},
        head=HeadSpec(hidden=8, embedding=4),
        clip=ClipSpec(frames=4, size=16, fps=12.5),
    )
    return VideoEncoder(config).eval()


def write_scores(path: Path, fingerprint: str, **values: Any) -> Path:
    about = {"protocol": "paper: 10 clips", "labels": "ucf101:1", "splits": "queries test"}
    path.write_text(json.dumps(about | {"encoder": fingerprint} | values))
    return path


def write_run(folder: Path) -> Path:
    (folder / "clusters").mkdir(parents=True)
    recipe = {
        "loss": {"name": "info_nce"},
        "clustering": {"name": "finch"},
        "init": {"weights": "random"},
        "train": {"epochs": 3, "batch_size": 32, "seed": 1},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    for epoch, videos in ((0, 5), (2, 7)):
        lines = [json.dumps({"video": f"{i}.mp4", "cluster": 0}) for i in range(videos)]
        (folder / "clusters" / f"epoch-{epoch:04}.jsonl").write_text("\n".join(lines))
    records = [{"kind": "round"}, *({"kind": "step", "step": n} for n in (1, 2, 1200))]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, records)) + '\n{"kind": "st')
    return folder


def test_a_run_tells_videos_steps_and_parts(tmp_path: Path) -> None:
    facts = read_run(write_run(tmp_path / "run"))
    assert facts is not None
    assert (facts.videos, facts.steps) == (7, 1200)
    text = "\n".join(facts.lines())
    assert "Videos: 7, without labels" in text
    assert "Steps: 1,200 (epochs: 3, batch size: 32, seed: 1)" in text
    assert "loss `info_nce`, clustering `finch`" in text
    assert read_run(tmp_path) is None


def test_a_damaged_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("{")
    with pytest.raises(CheckpointError, match=r"recipe\.yaml: cannot be read") as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_scores_of_several_seeds_have_mean_and_deviation(tmp_path: Path) -> None:
    recalls = ((0.70, "ours"), (0.72, "second"), (0.74, "third"))
    paths = [
        write_scores(tmp_path / f"{name}.json", name, recall={"1": r}, mean_average_precision=None)
        for r, name in recalls
    ]
    top = write_scores(tmp_path / "top.json", "ours", protocol="tuned", top_1=0.5, chance=0.1)
    recall, accuracy = read_scores([*paths, top], fingerprint="ours")
    assert recall.lines() == ["| ucf101:1, queries test | paper: 10 clips | R@1 | 72.0 ± 2.0 | 3 |"]
    assert accuracy.lines() == [
        "| ucf101:1, queries test | tuned | top-1 | 50.0 | 1 |",
        "| ucf101:1, queries test | tuned | top-1 of chance | 10.0 | 1 |",
    ]


def test_baselines_stand_beside_recall(tmp_path: Path) -> None:
    values = {"recall": {"1": 0.7}, "baselines_recall_at_1": {"chance": 0.1, "mean frame": 0.2}}
    (row,) = read_scores([write_scores(tmp_path / "s.json", "ours", **values)], fingerprint="ours")
    found = {"R@1": [70.0], "R@1 of chance": [10.0], "R@1 of mean frame": [20.0]}
    assert row.percents == found


def test_scores_of_another_encoder_or_file_are_refused(tmp_path: Path) -> None:
    other = write_scores(tmp_path / "other.json", "other", recall={"1": 0.5})
    with pytest.raises(CheckpointError, match="are of the encoder other, not of ours"):
        read_scores([other], fingerprint="ours")
    for name, content, error in (
        ("text.json", "hello", FormatError),
        ("list.json", "[]", FormatError),
        ("none.json", None, CheckpointError),
    ):
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(error, match=name):
            read_scores([tmp_path / name], fingerprint="ours")


def metadata_of(card: str) -> dict[str, Any]:
    _, head, _ = card.split("---\n", 2)
    values: dict[str, Any] = yaml.safe_load(head)
    return values


def test_the_card_has_metadata_use_training_and_numbers(tmp_path: Path) -> None:
    encoder = small_encoder()
    scores = write_scores(tmp_path / "s.json", encoder.fingerprint(), recall={"1": 0.712})
    card = write_card(
        encoder,
        name="org/name",
        licence="Apache-2.0",
        data="UCF101 split 1, train",
        training=read_run(write_run(tmp_path / "run")),
        scores=read_scores([scores], fingerprint=encoder.fingerprint()),
    )
    assert metadata_of(card)["license"] == "apache-2.0"
    assert metadata_of(card)["library_name"] == "slic"
    assert "# name\n" in card
    assert "| clips | 4 x 16 x 16 pixels, 12.5 frames per second |" in card
    assert f"| fingerprint | `{encoder.fingerprint()}` |" in card
    assert "- Data: UCF101 split 1, train\n- Videos: 7" in card
    assert "| R@1 | 71.2 | 1 |" in card
    use = card.split("```python\n")[1].split("```")[0]
    assert len(use.splitlines()) == 5
    compile(use, "card", "exec")
    assert 'from_pretrained("org/name")' in use


def test_what_nobody_stated_is_said_to_be_unknown() -> None:
    card = write_card(small_encoder(), name="folder/")
    assert metadata_of(card)["license"] == "unknown"
    assert "## Licence\n\nNot stated by the author." in card
    assert "## Training\n\nNot stated by the author." in card
    assert "No numbers of a protocol were given." in card
    assert "# folder\n" in card


@pytest.mark.parametrize(
    ("weights", "licence"), [("pretrained", "bsd-3-clause"), ("random", "unknown")]
)
def test_weights_that_learning_started_from_pass_on_their_licence(
    weights: str, licence: str
) -> None:
    encoder = small_encoder()
    encoder.backbone.licence = "BSD-3-Clause"  # type: ignore[attr-defined]
    training = TrainingFacts(videos=3, steps=2, recipe={"init": {"weights": weights}})
    card = write_card(encoder, name="org/name", training=training)
    assert metadata_of(card)["license"] == licence
