"""A run on segments: which they are, that it is resumed on the same, and what it says."""

from pathlib import Path
from typing import Any

import pytest

from slic.callbacks import Callback
from slic.errors import CatalogError, CheckpointError
from slic.pretraining import pretrain, training_videos
from slic.pretraining.folder import RunFolder
from slic.recipe import Recipe, load_recipe
from slic.runs import read_log
from slic.signals import StopRequested
from slic.videos.catalog import Catalog
from slic.videos.stillness import find_still

SEGMENTS = ("--segments.seconds=0.4", "--train.steps=7")


class Truth:
    """Keeps what an observer sees."""

    def __init__(self) -> None:
        self.ids: list[list[str]] = []

    def clustered(self, ids: Any, _: Any) -> dict[str, float]:
        self.ids.append(list(ids))
        return {}


class StopAfter(Callback):
    """Stops a run after a step, as Ctrl-C does; a run saves when an epoch ends."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, run: Any, _: Any) -> None:
        if run.state.step == self.step:
            raise StopRequested


def recipe_of(tiny: Path, *words: str) -> Recipe:
    return load_recipe(tiny, [*SEGMENTS, *words])


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the segments that are still; they are not looked at."""
    found: list[str] = []
    monkeypatch.setattr(training_videos, "find_still", lambda *_, **__: frozenset(found))
    return found


def test_a_run_takes_the_segments_of_the_catalog(
    catalog: Catalog, tiny: Path, tmp_path: Path, still: list[str], capsys: Any
) -> None:
    segments = [video.id for video in catalog.segments(0.4)]
    still += segments[1:3]
    seen = Truth()
    result = pretrain(catalog, out=tmp_path / "all", recipe=recipe_of(tiny), observer=seen)
    assert seen.ids[0] == segments
    assert result.steps == 7
    steps = [r for r in read_log(result.folder / "log.jsonl") if r["kind"] == "step"]
    assert [r["step"] for r in steps] == list(range(1, 8))
    words = (
        f"training on {len(segments)} segments of 0.4 s from 12 videos, 2 of them still: 7 steps"
    )
    assert words in capsys.readouterr().err
    seen = Truth()
    without = recipe_of(tiny, "--segments.skip_still=true")
    pretrain(catalog, out=tmp_path / "less", recipe=without, observer=seen)
    assert seen.ids[0] == [name for name in segments if name not in still]
    assert "2 of them still and left out: 7 steps" in capsys.readouterr().err


def test_segments_cut_before_are_the_same_run(
    catalog: Catalog, tiny: Path, tmp_path: Path, still: list[str]
) -> None:
    assert not still
    cut_here = pretrain(catalog, out=tmp_path / "here", recipe=recipe_of(tiny), progress=False)
    plain = load_recipe(tiny, ["--train.steps=7"])
    before = pretrain(catalog.segments(0.4), out=tmp_path / "before", recipe=plain, progress=False)
    weights = [(r.encoder / "model.safetensors").read_bytes() for r in (cut_here, before)]
    assert weights[0] == weights[1]


def test_a_resumed_run_has_the_segments_it_began_with(
    catalog: Catalog,
    tiny: Path,
    tmp_path: Path,
    still: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still.append(catalog.segments(0.4)[0].id)
    recipe = recipe_of(tiny, "--segments.skip_still=true")
    whole = pretrain(catalog, out=tmp_path / "whole", recipe=recipe, progress=False)
    out = tmp_path / "stopped"
    with pytest.raises(StopRequested):
        pretrain(catalog, out=out, recipe=recipe, callbacks=[StopAfter(6)], progress=False)
    assert RunFolder(out).read_still() == set(still)
    monkeypatch.setattr(training_videos, "find_still", None)  # noted, and not looked for again
    monkeypatch.setattr(Catalog, "find_set_aside", lambda _: {"00.mp4": "it failed since"})
    resumed = pretrain(catalog, out=out, recipe=load_recipe(out / "recipe.yaml"), resume=True)
    weights = [(r.encoder / "model.safetensors").read_bytes() for r in (whole, resumed)]
    assert weights[0] == weights[1]
    other = recipe_of(tiny, "--segments.seconds=0.5")
    with pytest.raises(CheckpointError, match="has other settings"):
        pretrain(catalog, out=out, recipe=other, resume=True, progress=False)


def test_videos_that_are_set_aside_have_no_segments(
    catalog: Catalog, tiny: Path, tmp_path: Path, still: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not still
    monkeypatch.setattr(Catalog, "find_set_aside", lambda _: {"03.mp4": "of a crash"})
    seen = Truth()
    out = tmp_path / "run"
    pretrain(catalog, out=out, recipe=recipe_of(tiny), observer=seen, progress=False)
    assert seen.ids[0] == [v.id for v in catalog.segments(0.4) if "03.mp4" not in v.id]
    assert RunFolder(out).read_set_aside() == {"03.mp4": "of a crash"}


def test_too_few_segments_are_said(
    catalog: Catalog, tiny: Path, tmp_path: Path, still: list[str]
) -> None:
    assert not still
    one = catalog.subset(["00.mp4"])
    with pytest.raises(CatalogError, match="1 video; learning needs at least 2"):
        pretrain(one, out=tmp_path / "run", recipe=recipe_of(tiny, "--segments.seconds=9"))


def test_the_videos_of_the_tests_are_looked_at(
    catalog: Catalog, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    pretrain(catalog, out=out, recipe=recipe_of(tiny, "--train.steps=2"), progress=False)
    segments = {video.id for video in catalog.segments(0.4)}
    assert RunFolder(out).read_still() == find_still(catalog.segments(0.4), progress=False)
    assert RunFolder(out).read_still() <= segments
