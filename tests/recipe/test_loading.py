"""Every recipe that is shipped loads, every mistake in one is a line that says what to write."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from slic.clips.augmentation import Augmentation
from slic.errors import CheckpointError, RecipeError
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.recipe import (
    Part,
    Recipe,
    TrainOptions,
    default_recipe,
    load_recipe,
    recipe_names,
    save_recipe,
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return the path of a recipe to write."""
    return tmp_path / "mine.yaml"


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_says_what_its_file_says(name: str, written: Path) -> None:
    recipe = load_recipe(name)
    file = Path(__file__).parents[2] / "src" / "slic" / "recipes" / f"{name}.yaml"
    loaded = recipe.to_dict()
    for section, values in yaml.safe_load(file.read_text()).items():
        if isinstance(values, dict):
            assert {key: loaded[section][key] for key in values} == values
        else:
            assert loaded[section] == values
    save_recipe(recipe, written)
    assert load_recipe(written) == recipe


def test_the_papers_recipe_is_the_papers() -> None:
    recipe = load_recipe("paper-ucf101")
    assert (recipe.clip.frames, recipe.clip.size, recipe.train.epochs) == (16, 128, 600)
    assert recipe.loss.name == "triplet"
    assert (recipe.loss.arguments["margin"], recipe.temporal.margin) == (0.2, 0.04)
    assert recipe.backbone.name == "slic/r3d18"
    assert (recipe.sampling.same_video_probability, recipe.sampling.flow_probability) == (0.2, 0.25)
    assert recipe.optimizer == Part(
        "sgd", {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.0}
    )
    assert (recipe.flow.method, recipe.flow.components) == ("tv-l1", "horizontal")
    assert (recipe.train.batch_size, recipe.compat) == (32, "none")
    assert recipe.augmentation == Augmentation(
        crop_from="native", blur_sigma=(2.0, 2.0), blur_kernel=15
    )
    assert load_recipe("paper-small").augmentation == recipe.augmentation


def test_the_papers_other_recipes_differ_from_it_where_the_paper_says() -> None:
    recipe = load_recipe("paper-ucf101")
    rgb = load_recipe("paper-ucf101-rgb")
    assert rgb == replace(recipe, sampling=replace(recipe.sampling, flow_probability=0.0))
    kinetics = load_recipe("paper-kinetics400")
    assert kinetics == replace(
        recipe,
        sampling=replace(recipe.sampling, same_video_probability=0.5),
        train=replace(recipe.train, epochs=340, batch_size=104),
    )


def test_compatibility_is_a_word_outside_the_sections(written: Path) -> None:
    written.write_text("compat: official\n")
    assert load_recipe(written).compat == "official"
    assert load_recipe("motion", ["--compat=official"]).compat == "official"
    with pytest.raises(RecipeError, match="nearest known is 'compat'"):
        load_recipe("motion", ["--compatt=official"])
    with pytest.raises(RecipeError, match="compat"):
        load_recipe("motion", ["--compat=theirs"])


def test_what_is_saved_is_every_value_and_plain_yaml(written: Path) -> None:
    words = ["--train.seed=7", "--augmentation.area=[0.3, 0.9]", "--backbone.stem_stride=[1,4,4]"]
    recipe = load_recipe("motion", words)
    save_recipe(recipe, written)
    plain = yaml.safe_load(written.read_text())
    assert plain == recipe.to_dict()
    assert load_recipe(written) == recipe
    assert recipe.backbone.arguments["stem_stride"] == (1, 4, 4)


def test_words_go_before_the_file_and_the_file_before_the_defaults(written: Path) -> None:
    written.write_text("train: {epochs: 7}\noptimizer: {learning_rate: 1e-3}")
    recipe = load_recipe(written, ["--train.epochs=9"])
    assert (recipe.train.epochs, recipe.optimizer.arguments["learning_rate"]) == (9, 0.001)
    assert recipe.train.batch_size == Recipe().train.batch_size
    assert load_recipe(written, ["--train.epochs", "8"]).train.epochs == 8


def test_an_empty_file_is_the_defaults(written: Path) -> None:
    written.write_text("")
    assert load_recipe(written) == Recipe()


def test_an_unknown_name_offers_the_nearest(refused: Callable[..., str]) -> None:
    assert "Did you mean motion?" in refused("moton")
    assert "Did you mean motion?" in refused("best")  # its former name
    said = refused("two-stream", "--backbone.width=0.5")
    assert "backbone.width: the backbone 'slic/two-stream' has no such setting; it has hid" in said
    assert "Known names: " in refused("nothing-like-it")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("train: {epoch: 5}", "unknown setting 'train.epoch'. The nearest known is 'train.epochs'"),
        ("trian: {epochs: 5}", "unknown section 'trian'. The nearest known is 'train'"),
        ("epochs: 5", "unknown section 'epochs'. The nearest known is 'train.epochs'"),
        ("clip: {learning_rate: 5}", "The nearest known is 'optimizer.learning_rate'"),
        ("zzzzzzzz: {a: 5}", "Known: clip, flow, "),
        ("train: 5", "section 'train' is 5, not keys with values"),
        ("train:", "section 'train' is None, not keys with values"),
        ("- train", "cannot be read as a recipe, a YAML mapping of sections"),
        ("train: {epochs: [}", "cannot be read as a recipe"),
    ],
)
def test_a_mistake_in_a_file_names_the_file_and_the_nearest(
    refused: Callable[..., str], written: Path, text: str, nearest: str
) -> None:
    written.write_text(text)
    message = refused(written)
    assert message.startswith(f"{written}: ")
    assert nearest in message


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("--train.epoch=5", "'train.epochs'"),
        ("--train.lerning_rate=5", "'optimizer.learning_rate'"),
        ("--epochs=5", "'train.epochs'"),
        ("--rouds.inputs=flow", "'rounds.inputs'"),
        ("--loss.margn=1", "'loss.margin'"),
    ],
)
def test_a_mistake_on_the_command_line_names_the_nearest(
    refused: Callable[..., str], word: str, nearest: str
) -> None:
    key = word[2:].split("=")[0]
    message = refused("paper-small", word)
    assert message == f"unknown setting {key!r}. The nearest known is {nearest}."


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--train.epochs=many", "train.epochs"),
        ("--train.epochs=2.5", "train.epochs"),
        ("--loss.name=tripled", "unknown loss 'tripled'. Did you mean 'triplet'"),
        ("--backbone.depth=19", "backbone.depth"),
        ("--augmentation.area=[0.1]", "augmentation.area"),
        ("stray", "stray"),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_line_that_names_it(
    refused: Callable[..., str], word: str, said: str
) -> None:
    assert said in refused("motion", word)


@pytest.mark.parametrize("key", ["train.seed", "loss.temperature", "clip.size", "rounds.centre"])
def test_a_null_is_no_value_where_one_is_needed(
    refused: Callable[..., str], written: Path, key: str
) -> None:
    section, name = key.split(".")
    values = ({"name": "info_nce"} if section == "loss" else {}) | {name: None}
    written.write_text(yaml.safe_dump({section: values}))
    assert f"{key} is null, but it must have a value" in refused(str(written))


def test_another_name_of_a_part_starts_from_its_own_defaults() -> None:
    recipe = load_recipe("paper-small", ["--loss.name=info_nce", "--loss.temperature=0.5"])
    assert recipe.loss == Part("info_nce", {"temperature": 0.5})
    assert load_recipe("paper-small", ["--loss=info_nce"]).loss == Part(
        "info_nce", {"temperature": 0.1}
    )
    words = ["--loss.margin=0.3", "--loss.name=triplet"]  # in any order
    assert load_recipe("motion", words).loss.arguments["margin"] == 0.3
    same = load_recipe("paper-small", ["--loss.name=triplet"])
    assert same == load_recipe("paper-small")


def test_the_length_is_said_once(written: Path, refused: Callable[..., str]) -> None:
    def length(*given: str, source: str | Path = "motion") -> tuple[object, object]:
        train = load_recipe(source, given).train
        return train.epochs, train.steps

    assert length() == (None, "auto")
    assert length("--train.epochs=5") == (5, None)
    assert length("--train.steps=70", source="paper-small") == (None, 70)
    assert length("--train.steps=auto", source="paper-small") == (None, "auto")
    both = refused("motion", "--train.steps=70", "--train.epochs=5")
    assert both == "train.steps is 70, but it must be left out or null where epochs are given (5)."
    written.write_text("train: {steps: 70}")
    assert length(source=written) == (None, 70)
    assert length("--train.epochs=5", source=written) == (5, None)
    save_recipe(load_recipe("motion", ["--train.epochs=5"]), written)
    assert length(source=written) == (5, None)
    assert TrainOptions(epochs=3) == replace(TrainOptions(), epochs=3)  # epochs replace "auto"


def test_callbacks_are_a_list_of_parts(refused: Callable[..., str]) -> None:
    fade = load_recipe("motion", ["--callbacks=[{name: mean_frame_fade, end: 0.9}]"])
    assert fade.callbacks == (Part("mean_frame_fade", {"start": 0.2, "end": 0.9}),)
    assert load_recipe("motion", ["--callbacks=[]"]).callbacks == ()
    assert "start <= end" in refused("motion", "--callbacks=[{name: mean_frame_fade, end: 0.1}]")
    assert "callbacks" in refused("motion", "--callbacks=fade")
    assert "unknown callbacks 'fade'" in refused("motion", "--callbacks=[{name: fade}]")


class Cubic:
    def __init__(self, power: int = 3) -> None:
        self.power = power

    def __call__(self, learning_rate: float, *, step: int, total_steps: int) -> float:
        return learning_rate * (1 - step / total_steps) ** self.power


def test_a_part_outside_the_package_is_named_by_its_import_path(
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "my_schedules", sys.modules[__name__])
    recipe = load_recipe("motion", ["--schedule.name=my_schedules.Cubic", "--schedule.power=2"])
    assert recipe.schedule == Part("my_schedules.Cubic", {"power": 2})
    assert recipe.build("schedule")(0.4, step=5, total_steps=10) == pytest.approx(0.1)
    assert "schedule.powr" in refused(
        "motion", "--schedule.name=my_schedules.Cubic", "--schedule.powr=2"
    )


def test_a_file_that_is_no_text_is_refused(refused: Callable[..., str], written: Path) -> None:
    written.write_bytes(b"\xff\xfe\x00\x81")
    assert "cannot be read as a recipe" in refused(written)


def test_another_backbone_brings_its_own_clips_unless_they_are_said() -> None:
    name = "torchvision/r3d_18"
    native = load_recipe("adapt", [f"--backbone={name}"]).clip
    assert (native.frames, native.size, native.resize, native.fps) == (16, 112, (171, 128), 15.0)
    words = ["--clip.size=56", "--clip.stride=2", f"--backbone={name}"]
    changed = load_recipe("motion", words).clip
    assert (changed.size, changed.resize, changed.fps, changed.stride) == (56, (86, 64), None, 2)
    assert load_recipe("motion", ["--backbone=slic/r3d10"]).clip == ClipSpec()


def test_weights_to_start_from_bring_their_backbone_and_clips(tmp_path: Path) -> None:
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.0625},
        head=HeadSpec(hidden=4, embedding=3),
        clip=ClipSpec(frames=4, size=32),
    )
    VideoEncoder(config).save_pretrained(tmp_path / "run" / "encoder")
    recipe = load_recipe("adapt", [f"--init={tmp_path / 'run'}", "--init.head=kept"])
    assert (recipe.backbone.name, recipe.backbone.arguments["width"]) == ("slic/r3d10", 0.0625)
    assert (recipe.clip, recipe.head) == (config.clip, config.head)
    smaller = load_recipe("adapt", [f"--init={tmp_path / 'run'}", "--clip.frames=2"])
    assert (smaller.clip.frames, smaller.clip.size, smaller.head.hidden) == (2, 32, 512)


def test_clips_of_an_encoder_change_as_those_of_published_weights_do(tmp_path: Path) -> None:
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.0625},
        clip=ClipSpec(frames=4, fps=5.0, size=32, resize=40),
    )
    VideoEncoder(config).save_pretrained(tmp_path)
    clip = load_recipe("adapt", [f"--init={tmp_path}", "--clip.stride=2", "--clip.size=16"]).clip
    assert clip == ClipSpec(frames=4, stride=2, size=16, resize=20)


def test_an_encoder_in_the_working_directory_is_not_taken_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EncoderConfig(backbone="slic/r3d10", arguments={"width": 0.0625})
    VideoEncoder(config).save_pretrained(tmp_path / "encoder")
    expected = load_recipe("motion")
    monkeypatch.chdir(tmp_path)
    assert load_recipe("motion") == expected


class Remembered:
    """A backbone whose clips are known as long as its folder is there."""

    gone = False

    def __init__(self, clip: ClipSpec) -> None:
        self.clip = clip

    @classmethod
    def native_clip(cls) -> ClipSpec:
        if cls.gone:
            raise CheckpointError("the folder is gone")
        return ClipSpec(frames=5, size=40)


def test_a_saved_recipe_needs_no_folder_of_a_model(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "their_models", sys.modules[__name__])
    recipe = load_recipe("adapt", ["--backbone=their_models:Remembered"])
    assert (recipe.clip.frames, recipe.clip.size) == (5, 40)
    save_recipe(recipe, written)
    monkeypatch.setattr(Remembered, "gone", True)
    assert load_recipe(written) == recipe


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "two-stream"),
        (["--train.epochs=3"], "two-stream"),
        (["--backbone=slic/r3d10"], "motion"),
        (["--backbone=slic/two-stream"], "two-stream"),
        (["--backbone", "torchvision/r3d_18"], "adapt"),
        (["--backbone.name=my_module:Mine"], "adapt"),
        (["--init", "run"], "adapt"),
        (["--init.weights=run"], "adapt"),
    ],
)
def test_the_recipe_of_a_run_that_names_none(words: list[str], name: str) -> None:
    assert default_recipe(words) == name
