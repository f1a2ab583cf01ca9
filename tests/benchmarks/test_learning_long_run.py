"""The long runs: what is kept of them, their picture, and the baseline without clusters."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from learning.long_run import active_shares, condensed, draw, thinned
from learning.plots import Line, plot
from learning.rows import do, read_row
from learning.tables import Record
from learning.tasks import open_task
from slic.models.encoder import VideoEncoder

SVG = "{http://www.w3.org/2000/svg}"
TINY = (
    "--clip.frames=4,--clip.size=32,--backbone.width=.125,--head.hidden=16,--head.embedding=8,"
    "--train.batch_size=4,--train.precision=fp32,--train.epochs=3,--rounds.every_epochs=1"
)


def record(method: str, seed: int = 0, **more: object) -> Record:
    curve = {
        "0": {"backbone": 0.2, "backbone mAP": 0.1, "paper": 0.2, "paper mAP": 0.1},
        "1000": {"backbone": 0.5, "backbone mAP": 0.3, "paper": 0.4, "paper mAP": 0.2},
    }
    rounds = [{"step": step, "clusters": 9, "nmi": 0.4, "ami": 0.1} for step in (0, 500)]
    shares = {"500": 0.9, "1000": 0.7}
    made: Record = {
        "id": f"{method}{seed}", "task": "easy", "method": method, "seed": seed, "steps": 1000,
        "curve": curve, "rounds": rounds, "active": shares, "recipe": {"backbone": "small"},
        "draw": "test", "videos": 400, "gallery": 400, "queries": 120,
    }  # fmt: skip
    return {**made, **more}


def test_the_first_round_of_every_500_steps_is_kept() -> None:
    rounds = [
        {"step": step, "clusters": step + 1, "nmi": 0.5, "ami": 0.1, "purity": 0.3}
        for step in range(0, 2000, 45)
    ]
    expected = []
    for start in range(0, 2000, 500):
        first = next(one for one in rounds if one["step"] >= start)
        expected.append({key: first[key] for key in ("step", "clusters", "nmi", "ami")})
    assert thinned(rounds) == expected


def test_active_triplets_are_averaged_over_500_steps() -> None:
    shares = np.random.default_rng(0).random(1100)
    steps = [{"step": number + 1, "active": share} for number, share in enumerate(shares)]
    found = active_shares(steps)
    assert list(found) == ["500", "1000"]  # 100 steps are left over
    means = shares[:1000].reshape(2, 500).mean(axis=1)
    assert list(found.values()) == pytest.approx(means.tolist(), abs=1e-4)


def test_a_picture_has_four_panels_with_both_ways_and_the_baselines() -> None:
    records = [
        record("slic"),
        record("slic", seed=1),
        record("instance-finch"),
        record("random", curve={"0": {"backbone": 0.2, "backbone mAP": 0.1}}),
        record("mean-frame", curve={"0": {"any": 0.3, "any mAP": 0.15}}),
        record("chance", curve={"0": {"any": 0.1}}),
        record("random", curve={"0": {"backbone": 0.9}}, recipe={"backbone": "large"}),
        record("mean-frame", curve={"0": {"any": 0.9}}, draw="validation"),
    ]  # the last two do not count
    root = ElementTree.fromstring(draw("easy", records))
    panels = root.findall(f"{SVG}svg")
    texts = [[text.text or "" for text in panel.iter(f"{SVG}text")] for panel in panels]
    places = [(panel.get("x"), panel.get("y")) for panel in panels]
    assert places == [("0", "0"), ("760", "0"), ("0", "360"), ("760", "360")]
    titles = ["R@1", "mAP", "FINCH clusters and labels", "active triplets"]
    assert [words[0] for words in texts] == [f"easy: {title}" for title in titles]
    for panel, value in ((0, 50), (1, 30)):
        assert f"paper's recipe, backbone ({value})" in texts[panel]
        assert f"instance discr., backbone ({value})" in texts[panel]
    assert {"random weights (20)", "mean frame (30)", "chance (10)"} <= set(texts[0])
    assert not [text for text in texts[1] if "chance" in text]  # its mAP is not known
    assert "paper's recipe, AMI (10)" in texts[2]
    assert "instance discr. (70)" in texts[3]


@pytest.mark.parametrize("highest", [40, 100])
def test_the_upright_axis_ends_at_the_highest_percentage(highest: int) -> None:
    line = Line(name="a", x=[0, 1, 2], y=[0, highest / 2, highest], spread=[0, 0, 0])
    root = ElementTree.fromstring(plot("a", [line], axis="steps", highest=highest))
    low, middle, high = (float(dot.get("cy", "")) for dot in root.iter(f"{SVG}circle"))
    marks = [text.text for text in root.iter(f"{SVG}text") if text.get("text-anchor") == "end"]
    assert marks[0] == "0"
    assert marks[5] == f"{highest}"
    assert middle == pytest.approx((low + high) / 2)
    assert low - high == pytest.approx(360 - 34 - 38)


@pytest.mark.slow
def test_instance_discrimination_is_the_same_with_its_clusters_logged(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    task = open_task("foreign", "test", data=tmp_path / "tasks", train=12, test=4)
    plain, logged = (
        do(read_row(f"{method}:paper-small,{TINY}", seed=0), task, tmp_path, start=False)
        for method in ("instance", "instance-finch")
    )
    weights = {
        VideoEncoder.from_pretrained(tmp_path / made["folder"] / "encoder").fingerprint()
        for made in (plain, logged)
    }
    assert len(weights) == 1
    assert [one["clusters"] for one in plain["rounds"]] == [12, 12, 12]
    assert all(one["clusters"] < 12 for one in logged["rounds"])
    short = condensed(logged, tmp_path)
    assert [one["step"] for one in short["rounds"]] == [0]
    assert short["active"] == {}  # 9 steps
    assert json.loads(json.dumps(short)) == short
