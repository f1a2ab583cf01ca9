"""A run in this process: what goes wrong in numbers is said, and changes no weight."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from slic.callbacks import Callback, RunView
from slic.clips.samples import SampleDataset
from slic.embeddings import embed
from slic.errors import (
    CatalogError,
    CheckpointError,
    RecipeError,
    TrainingError,
    VideoError,
)
from slic.models.encoder import ProjectionHead, VideoEncoder
from slic.pretraining import build, pretrain, rounds, run_log
from slic.pretraining.build import build_encoder
from slic.pretraining.folder import RunFolder
from slic.pretraining.objective import LossTerms, Objective
from slic.pretraining.state import CHECKPOINT_FORMAT
from slic.recipe import Part, Recipe, load_recipe
from slic.runs import load_checkpoint, read_log, save_checkpoint
from slic.videos.catalog import Catalog, Refused

OF_THE_CLOCK = {"time", "seconds", "waited", "clips_per_second"}


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    """Return the tiny recipe."""
    return load_recipe(tiny)


@pytest.fixture(params=[0, 2], ids=["at once", "two steps late"])
def figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the figures of a step at once, as on a CPU, or later, as on a GPU."""
    monkeypatch.setattr(run_log, "_lag_steps", lambda _: request.param)


def changed(recipe: Recipe, section: str, **values: Any) -> Recipe:
    """Return the recipe with other arguments in a section; ``name`` is that of a part."""
    before: Any = getattr(recipe, section)
    if not isinstance(before, Part):
        return replace(recipe, **{section: replace(before, **values)})
    name = values.pop("name", before.name)
    arguments = values if name != before.name else before.arguments | values
    part: Any = Part(name, arguments)
    return replace(recipe, **{section: part})


def warnings_of(out: Path) -> list[str]:
    return [r["message"] for r in read_log(out / "log.jsonl") if r["kind"] == "warning"]


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], bool]], None]:
    """Return a function that makes the loss of those steps (from 0) not a number."""

    def spoil_steps(bad: Callable[[int], bool]) -> None:
        plain = Objective.__call__
        calls = 0

        def terms(*arguments: Any) -> LossTerms:
            nonlocal calls
            calls += 1
            result = plain(*arguments)
            return result._replace(total=result.total * torch.nan) if bad(calls - 1) else result

        monkeypatch.setattr(Objective, "__call__", terms)

    return spoil_steps


@pytest.mark.usefixtures("figures")
def test_a_run_here_is_the_run_of_the_command(
    catalog: Catalog, recipe: Recipe, undisturbed: Path, tmp_path: Path
) -> None:
    result = pretrain(catalog, out=tmp_path / "run", recipe=recipe, progress=False)
    assert result.steps == 9
    assert result.encoder == tmp_path / "run" / "encoder"
    for name in ("encoder/model.safetensors", "recipe.yaml", "clusters/epoch-0002.jsonl"):
        assert (result.folder / name).read_bytes() == (undisturbed / name).read_bytes()
    logs = [
        [{k: v for k, v in r.items() if k not in OF_THE_CLOCK} for r in read_log(out / "log.jsonl")]
        for out in (result.folder, undisturbed)
    ]
    assert logs[0] == logs[1]


class LastWeights(Callback):
    """Keeps the weights of the encoder at the end of an epoch."""

    def on_epoch_end(self, run: RunView) -> None:
        self.last = {name: value.clone() for name, value in run.encoder.state_dict().items()}


@pytest.mark.usefixtures("figures")
def test_steps_without_a_finite_loss_change_neither_weights_nor_statistics(
    catalog: Catalog, recipe: Recipe, tmp_path: Path, spoil: Callable[..., None]
) -> None:
    spoil(lambda _: True)
    out = tmp_path / "run"
    weights = LastWeights()
    with pytest.raises(TrainingError, match=r"of all 3 steps was not finite\. Lower optimizer\."):
        pretrain(
            catalog, out=out, recipe=changed(recipe, "train", epochs=1), callbacks=[weights],
            progress=False,
        )  # fmt: skip
    for name, value in build_encoder(recipe).state_dict().items():
        assert torch.equal(weights.last[name], value), name
    assert warnings_of(out) == ["step 1: loss or gradient is not finite; the step was skipped."]
    assert not (out / "encoder").exists()


@pytest.mark.parametrize("quick", ["fp32", "bf16"])
def test_the_precision_that_is_left_open_is_settled_once_and_said(
    quick: str, catalog: Catalog, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "native_precision", lambda _: quick)
    left_open = changed(recipe, "train", epochs=1, precision="auto")
    out = tmp_path / "run"
    first = pretrain(catalog, out=out, recipe=left_open, progress=False)
    assert load_recipe(out / "recipe.yaml").train.precision == quick
    named = changed(left_open, "train", precision=quick)
    second = pretrain(catalog, out=tmp_path / "named", recipe=named, progress=False)
    weights = [(r.encoder / "model.safetensors").read_bytes() for r in (first, second)]
    assert weights[0] == weights[1]
    pretrain(catalog, out=out, recipe=left_open, resume=True, progress=False)  # the same run


@pytest.mark.usefixtures("figures")
def test_one_bad_step_is_left_out_and_the_run_goes_on(
    catalog: Catalog, recipe: Recipe, tmp_path: Path, spoil: Callable[..., None]
) -> None:
    spoil(lambda step: step in (1, 4))
    out = tmp_path / "run"
    pretrain(catalog, out=out, recipe=recipe, progress=False)
    assert [message.split(":")[0] for message in warnings_of(out)] == ["step 2", "step 5"]
    weights = VideoEncoder.from_pretrained(out / "encoder").state_dict().values()
    assert all(value.isfinite().all() for value in weights)


@pytest.mark.usefixtures("figures")
def test_a_run_gives_up_after_many_bad_steps_in_a_row(
    catalog: Catalog,
    recipe: Recipe,
    tmp_path: Path,
    spoil: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_log, "MAX_SKIPPED_STEPS", 3)
    spoil(lambda step: step != 2)  # 0, 1, then 3, 4, 5
    with pytest.raises(
        TrainingError, match=r"3 steps in a row, up to step 6, .* Lower optimizer\.learn"
    ):
        pretrain(catalog, out=tmp_path / "run", recipe=recipe, progress=False)


def test_a_collapse_is_said_at_the_next_round_and_at_the_end(
    catalog: Catalog, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collapsed(recipe: Recipe, *, load: bool) -> VideoEncoder:
        encoder = build_encoder(recipe, load=load)
        assert isinstance(encoder.head, ProjectionHead)
        last = encoder.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.ones_(last.bias)
        return encoder

    monkeypatch.setattr(build, "build_encoder", collapsed)
    slow = changed(recipe, "optimizer", learning_rate=1e-12)
    # with the head's embeddings all alike, FINCH would make one cluster of them
    pretrain(
        catalog, out=tmp_path / "run", recipe=changed(slow, "rounds", layer="backbone"),
        progress=False,
    )  # fmt: skip
    said = warnings_of(tmp_path / "run")
    assert len(said) == 2
    assert all(message.startswith("the encoder has collapsed: all emb") for message in said)


def test_one_cluster_is_said(catalog: Catalog, recipe: Recipe, tmp_path: Path) -> None:
    one = changed(recipe, "clustering", name="kmeans", clusters=1)
    one = changed(one, "rounds", every_epochs=3)
    pretrain(catalog, out=tmp_path / "run", recipe=one, progress=False)
    assert warnings_of(tmp_path / "run") == [
        "all videos are in one cluster, so there is no negative to learn from."
    ]


class Truth:
    """Gives a figure for every round."""

    def __init__(self) -> None:
        self.seen: list[tuple[list[str], list[int]]] = []

    def clustered(self, ids: Sequence[str], pseudo_labels: Sequence[int]) -> Mapping[str, float]:
        """Return how many rounds there were."""
        self.seen.append((list(ids), list(pseudo_labels)))
        return {"rounds_seen": float(len(self.seen))}


def test_an_observer_sees_every_round_and_changes_nothing(
    catalog: Catalog, recipe: Recipe, undisturbed: Path, tmp_path: Path
) -> None:
    out, truth = tmp_path / "run", Truth()
    pretrain(catalog, out=out, recipe=recipe, observer=truth, progress=False)
    rounds = [r for r in read_log(out / "log.jsonl") if r["kind"] == "round"]
    assert [r["rounds_seen"] for r in rounds] == [1.0, 2.0]
    assert all(ids == [v.id for v in catalog] for ids, _ in truth.seen)
    assert [len(set(labels)) for _, labels in truth.seen] == [r["clusters"] for r in rounds]
    name = "encoder/model.safetensors"
    assert (out / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("loss", {"name": "triplet"}),
        ("loss", {"name": "triplet", "negatives": "semi-hard", "average_over": "pairs"}),
        ("temporal", {"weight": 0.0}),
        ("rounds", {"inputs": ("rgb", "flow"), "centre": True, "layer": "backbone", "clips": 2}),
        ("rounds", {"inputs": ("flow",)}),
        ("clustering", {"name": "none"}),
        ("optimizer", {"name": "sgd"}),
        ("schedule", {"name": "constant"}),
        ("flow", {"remove_camera": True}),
        ("flow", {"components": "horizontal", "bound": 0.05}),
    ],
)
def test_every_kind_of_recipe_runs(
    catalog: Catalog, recipe: Recipe, tmp_path: Path, section: str, values: dict[str, Any]
) -> None:
    kind = changed(changed(recipe, "train", epochs=1), section, **values)
    result = pretrain(catalog, out=tmp_path / "run", recipe=kind, progress=False)
    steps = [r for r in read_log(result.folder / "log.jsonl") if r["kind"] == "step"]
    assert len(steps) == 3
    assert all(r["loss"] == r["loss"] and 0 <= r["active"] <= 1 for r in steps)
    assert any(r["temporal"] > 0 for r in steps) == (kind.temporal.weight > 0)


def test_a_recipe_that_cannot_be_built_leaves_the_folder_free(
    catalog: Catalog, recipe: Recipe, tmp_path: Path
) -> None:
    bad = changed(recipe, "backbone", width=0.001)
    with pytest.raises(RecipeError, match="width"):
        pretrain(catalog, out=tmp_path / "run", recipe=bad, progress=False)
    assert not (tmp_path / "run" / "recipe.yaml").exists()


def test_too_few_videos_are_said(catalog: Catalog, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="1 video; learning needs at least 2"):
        pretrain(catalog.subset(["03.mp4"]), out=tmp_path / "run", recipe=recipe, progress=False)


def test_too_many_refused_files_stop_before_any_work(
    catalog: Catalog, recipe: Recipe, tmp_path: Path
) -> None:
    worse = replace(catalog, refused=(Refused("bad.mp4", "no frame"), Refused("b.mp4", "no frame")))
    with pytest.raises(CatalogError, match=r"2 of 14 files cannot be used, at most 10% may be"):
        pretrain(worse, out=tmp_path / "run", recipe=recipe, progress=False)
    assert not (tmp_path / "run").exists()


def test_official_compatibility_shifts_the_labels_and_leaves_out_short_videos(
    catalog: Catalog, recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    longer = changed(changed(recipe, "train", epochs=1), "clip", frames=8)
    there = catalog.subset([v.id for v in catalog if v.frames >= 16])
    assert 0 < len(there) < len(catalog)
    ours, theirs = Truth(), Truth()
    pretrain(there, out=tmp_path / "ours", recipe=longer, observer=ours, progress=False)
    official = replace(longer, compat="official")
    pretrain(catalog, out=tmp_path / "theirs", recipe=official, observer=theirs, progress=False)
    (ids, labels), (their_ids, their_labels) = ours.seen[0], theirs.seen[0]
    assert their_ids == ids == [v.id for v in there]
    assert list(their_labels) == [labels[-1], *labels[:-1]]
    assert (
        f"{len(catalog) - len(there)} videos with fewer than 16 frames are left out" in caplog.text
    )


@pytest.mark.parametrize("slow", ["loading", "learning"])
def test_a_run_that_mostly_waits_for_videos_says_what_would_help(
    slow: str,
    catalog: Catalog,
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = [0.0]

    def slowed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            clock[0] += 0.5
            return function(*arguments)

        return call

    monkeypatch.setattr(run_log, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(run_log, "ADVICE_SECONDS", 0.0)
    owner: Any = SampleDataset if slow == "loading" else Objective
    name = "__getitems__" if slow == "loading" else "__call__"
    monkeypatch.setattr(owner, name, slowed(getattr(owner, name)))
    alone = changed(recipe, "train", epochs=1, workers=0)
    pretrain(catalog, out=tmp_path / "run", recipe=alone, progress=False)
    assert ("see `slic prepare`" in capsys.readouterr().err) == (slow == "loading")
    steps = [r for r in read_log(tmp_path / "run" / "log.jsonl") if r["kind"] == "step"]
    assert all(0 <= step["waited"] <= step["seconds"] for step in steps)
    assert all((step["waited"] >= 0.5) == (slow == "loading") for step in steps)


def test_a_video_that_goes_away_ends_the_run_with_its_state_saved(
    catalog: Catalog, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = SampleDataset.__getitems__
    steps = 0

    def gone(dataset: SampleDataset, draws: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 5:
            raise VideoError("07.mp4: there is no such file.")
        return get(dataset, draws)

    with monkeypatch.context() as patch:
        patch.setattr(SampleDataset, "__getitems__", gone)
        with pytest.raises(VideoError, match=r"07\.mp4"):
            pretrain(catalog, out=tmp_path / "run", recipe=recipe, progress=False)
    checkpoint = RunFolder(tmp_path / "run").checkpoint
    assert load_checkpoint(checkpoint, version=CHECKPOINT_FORMAT)["step"] == 4
    pretrain(catalog, out=tmp_path / "run", recipe=recipe, resume=True, progress=False)
    steps_done = [
        r["step"] for r in read_log(tmp_path / "run" / "log.jsonl") if r["kind"] == "step"
    ]
    assert steps_done == [*range(1, 10)]


def test_a_video_that_is_not_there_at_first_changes_no_round(
    catalog: Catalog, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round is made again when nothing of its epoch was done, and is then the same one."""
    recipe = changed(recipe, "rounds", first_inputs=("flow",))
    modalities: list[str] = []
    plain = embed

    def noted(*arguments: Any, **named: Any) -> Any:
        modalities.append(named["modality"])
        return plain(*arguments, **named)

    def gone(*_: Any) -> Any:
        raise VideoError("07.mp4: there is no such file.")

    monkeypatch.setattr(rounds, "embed", noted)
    with monkeypatch.context() as patch:
        patch.setattr(SampleDataset, "__getitems__", gone)
        with pytest.raises(VideoError, match=r"07\.mp4"):
            pretrain(catalog, out=tmp_path / "run", recipe=recipe, progress=False)
    pretrain(catalog, out=tmp_path / "run", recipe=recipe, resume=True, progress=False)
    assert modalities == ["flow", "flow", "rgb"]


def test_a_recipe_made_in_python_is_checked_too(recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match=r"batch_size is 1"):
        changed(recipe, "train", batch_size=1)
    with pytest.raises(RecipeError, match=r"loss\.temperature is 0"):
        changed(recipe, "loss", temperature=0.0)


def test_videos_shorter_than_a_clip_and_a_run_of_warm_up_are_said(
    catalog: Catalog, recipe: Recipe, tmp_path: Path
) -> None:
    long = changed(changed(recipe, "clip", stride=5), "train", epochs=1)
    long = changed(long, "schedule", warmup_steps=3)
    pretrain(catalog, out=tmp_path / "run", recipe=long, progress=False)
    short, warm_up = warnings_of(tmp_path / "run")
    assert short.startswith("2 of 12 videos have fewer than the 16 frames of a clip")
    assert warm_up.startswith("the whole run has 3 steps, and the learning rate rises for 3:")


def test_native_crops_of_videos_as_small_as_proxies_are_said(
    catalog: Catalog, recipe: Recipe, tmp_path: Path
) -> None:
    small = changed(changed(recipe, "clip", size=48), "train", epochs=1)
    for name, wanted in (("resized", 0), ("native", 1)):
        native = changed(small, "augmentation", crop_from=name)
        pretrain(catalog, out=tmp_path / name, recipe=native, progress=False)
        said = [w for w in warnings_of(tmp_path / name) if w.startswith("12 of 12 videos are no")]
        assert len(said) == wanted


def test_the_state_of_another_network_is_one_line(
    catalog: Catalog, recipe: Recipe, tmp_path: Path
) -> None:
    short = changed(recipe, "train", epochs=1)
    pretrain(catalog, out=tmp_path / "run", recipe=short, progress=False)
    checkpoint = RunFolder(tmp_path / "run").checkpoint
    state = load_checkpoint(checkpoint, version=CHECKPOINT_FORMAT)
    state["encoder"].popitem()
    save_checkpoint(state, checkpoint, version=CHECKPOINT_FORMAT)
    with pytest.raises(CheckpointError, match=r"last\.pt: the weights do not fit .* missing: "):
        pretrain(catalog, out=tmp_path / "run", recipe=short, resume=True, progress=False)


def test_a_run_without_progress_is_silent(
    catalog: Catalog, recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(catalog, out=tmp_path / "run", recipe=recipe, progress=False)
    assert capsys.readouterr() == ("", "")


def test_accelerates_own_settings_change_nothing(
    program: Callable[[str], Any], videos: Path, tiny: Path, undisturbed: Path, tmp_path: Path
) -> None:
    ended = program(
        "os.environ.update(ACCELERATE_MIXED_PRECISION='bf16', "
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS='4')\n"
        "from slic.pretraining import pretrain\n"
        f"pretrain({str(videos)!r}, out={str(tmp_path / 'run')!r}, recipe={str(tiny)!r}, "
        "progress=False)"
    ).wait()
    assert ended.code == 0, ended.err
    ours, plain = (run / "encoder" / "model.safetensors" for run in (tmp_path / "run", undisturbed))
    assert ours.read_bytes() == plain.read_bytes()
