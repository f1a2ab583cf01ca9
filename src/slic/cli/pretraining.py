"""``slic pretrain``: learn an encoder from unlabelled videos."""

import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import (
    UsageError,
    check_settings,
    keep_freed_memory,
    open_catalog,
    open_labelled,
    recipe_of,
)
from slic.cli.output import (
    STDOUT,
    exit_with_error,
    format_command,
    json_writer,
    print_refused,
    print_result,
)
from slic.cli.parser import Verbs, add_verb
from slic.errors import CatalogError, CheckpointError, VideoError
from slic.storage import location

if TYPE_CHECKING:
    from slic.datasets import Labels
    from slic.recipe import Recipe
    from slic.videos.catalog import Catalog


def add_verbs(verbs: Verbs) -> None:
    """Add ``pretrain``."""
    verb = add_verb(
        verbs,
        "pretrain",
        pretrain,
        "learn an encoder from unlabelled videos",
        description="Learn an encoder from unlabelled videos. Settings of the recipe follow as "
        "--section.key=value, for example --train.epochs=100 --loss.name=triplet.",
    )
    verb.more_help = _settings_help
    text = "folder or address of videos, or a list of them"
    verb.add_argument("videos", type=location, nargs="?", help=text)
    text = (
        "name or YAML file (default: two-stream; adapt with --init or another source of backbones)"
    )
    verb.add_argument("--recipe", help=text)
    text = "cut long recordings into segments of so many seconds, and train on them as videos"
    verb.add_argument("--segments", type=float, metavar="SECONDS", help=text)
    verb.add_argument("--out", type=Path, default=Path("run"), help="run folder (default: run)")
    verb.add_switch("--resume", "continue the run in --out")
    text = (
        "experiment trackers, such as wandb,tensorboard: mlflow, tensorboard, trackio, wandb, an "
        "import path, or none (default: tensorboard if it is installed)"
    )
    verb.add_argument("--log_with", type=_tracker_names, metavar="NAMES", help=text)
    verb.add_switch("--print_config", "print the recipe with all settings, and exit")
    verb.add_argument("--split", help="train on this split of --labels only")
    verb.add_json()
    use = ": to log the agreement of clusters and labels, and for --split"
    verb.add_labels(required=False, use=use)
    verb.only_with("--annotations", "--labels")
    verb.only_with("--split", "--labels")


def _tracker_names(word: str) -> list[str]:
    """Return the names in a word such as ``wandb,tensorboard``; ``none`` stands for no name."""
    return [name for name in word.split(",") if name not in ("", "none")]


def _settings_help() -> str:
    from slic.cli.settings_help import settings_help

    return settings_help()


def pretrain(arguments: Namespace) -> None:
    """Learn an encoder.

    ``arguments.settings`` are the words that the parser does not know (`slic.cli.main`), such as
    ``--train.epochs=100``; `load_recipe` reads them.
    """
    if "WORLD_SIZE" in os.environ:
        # Where a process is lost, torch prints pages of C++. It reads this when it is imported.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    import yaml

    if arguments.segments is not None:
        arguments.settings.append(f"--segments.seconds={arguments.segments}")
    check_settings(arguments.settings)
    recipe = recipe_of(_recipe_source(arguments), arguments.settings)
    if arguments.print_config:
        settings = recipe.to_dict()
        print_result(arguments, settings, yaml.safe_dump(settings, sort_keys=False).rstrip("\n"))
        return
    if arguments.videos is None:
        raise UsageError("the following arguments are required: videos")
    from slic.pretraining.peers import joined_processes
    from slic.pretraining.trackers import require_trackers

    require_trackers(arguments.log_with or ())
    with joined_processes() as is_main:
        _pretrain(arguments, recipe, is_main=is_main)


def _pretrain(arguments: Namespace, recipe: "Recipe", *, is_main: bool) -> None:
    """Learn an encoder in this process, which may be one of several."""
    from slic.evaluation.cluster_quality import LabelObserver
    from slic.pretraining import pretrain as run
    from slic.runs import has_checkpoint
    from slic.signals import StopRequested, exit_code

    catalog, labels = _catalog_and_labels(arguments, quiet=not is_main)
    if is_main:
        print_refused(catalog.refused)
    if arguments.split:
        catalog.require_usable()  # a split does not know which videos were refused
        catalog = _videos_of_split(catalog, labels, arguments.split)
    observer = LabelObserver(labels) if labels else None
    keep_freed_memory()
    try:
        with json_writer(STDOUT if arguments.json else None):  # trackers print to stdout
            result = run(
                catalog,
                out=arguments.out,
                recipe=recipe,
                resume=arguments.resume,
                log_with=arguments.log_with,
                observer=observer,
            )
    except VideoError as error:
        if not has_checkpoint(arguments.out / "checkpoints" / "last.pt"):
            raise
        again = _resume_command(arguments)
        raise VideoError(
            f"{error} The run is saved. Restore the file, then continue with: {again}"
        ) from error
    except StopRequested as stop:
        message = f"stopped and saved. Continue with: {_resume_command(arguments)}"
        exit_with_error(message, exit_code(stop))
    except KeyboardInterrupt as stop:
        if not (arguments.out / "recipe.yaml").exists():
            raise
        exit_with_error(f"stopped. Continue with: {_resume_command(arguments)}", exit_code(stop))
    if is_main:
        print_result(
            arguments,
            asdict(result) | {"videos": len(catalog)},
            f"{result.encoder}: encoder after {result.steps} steps, {result.seconds:.0f} s.",
            next_words=("index", arguments.videos, "--encoder", result.encoder, "--out", "index"),
        )


def _recipe_source(arguments: Namespace) -> str | Path:
    """Return the recipe to load: that of a resumed run, unless the user gives another.

    Settings are changes of it, also of a resumed run, which then refuses those that differ. A
    folder that does not fit is refused here, before the videos are scanned.
    """
    from slic.recipe import default_recipe

    out: Path = arguments.out
    exists = (out / "recipe.yaml").exists()
    if exists and not (arguments.resume or arguments.print_config):
        raise CheckpointError(
            f"{out}: a run is already here; continue it with --resume, or choose another --out."
        )
    if arguments.resume and not exists:
        raise CheckpointError(f"{out}: there is no run to resume; leave --resume out.")
    return arguments.recipe or (
        out / "recipe.yaml" if arguments.resume else default_recipe(arguments.settings)
    )


def _resume_command(arguments: Namespace) -> str:
    """Return the command that continues a stopped run."""
    words: list[object] = ["pretrain", arguments.videos, "--out", arguments.out, "--resume"]
    for option in ("labels", "annotations", "split"):
        if value := getattr(arguments, option):
            words += [f"--{option}", value]
    if (names := arguments.log_with) is not None:
        words += ["--log_with", ",".join(names) or "none"]
    return format_command(*words)


def _catalog_and_labels(arguments: Namespace, *, quiet: bool) -> tuple["Catalog", "Labels | None"]:
    if not arguments.labels:
        return open_catalog(arguments.videos, None), None
    return open_labelled(arguments, workers=None, quiet=quiet)


def _videos_of_split(catalog: "Catalog", labels: "Labels | None", name: str) -> "Catalog":
    """Return the videos of a split that are there."""
    assert labels is not None, "--split needs --labels"
    listed: Sequence[str] = labels.ids(name)
    there = {video.id for video in catalog}
    if not (ids := [video_id for video_id in listed if video_id in there]):
        raise CatalogError(
            f"{catalog.root}: none of the {len(listed)} videos of split {name!r} is there; "
            f"the first is {listed[0]!r}."
        )
    return catalog.subset(ids)
