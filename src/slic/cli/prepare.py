"""The verb that does slow work ahead of training: optical flow, and small copies."""

import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import (
    Verbs,
    at_least,
    open_catalog,
    print_next_command,
    print_refused,
    videos_argument,
)
from slic.errors import CatalogError, CheckpointError, RecipeError

if TYPE_CHECKING:
    from slic.videos.catalog import Catalog
    from slic.videos.preparing import Work


def add_verbs(verbs: Verbs) -> None:
    """Add ``prepare``."""
    verb = verbs.add_parser(
        "prepare",
        help="compute optical flow, or write small copies, ahead of training",
        description="Goes on where it was when it is started again. Any setting of the recipe can "
        "follow as --section.key=value, for instance --flow.method=dis.",
    )
    verb.set_defaults(verb=prepare)
    videos_argument(verb)
    what = verb.add_mutually_exclusive_group(required=True)
    what.add_argument("--flow", action="store_true", help="optical flow of every video")
    what.add_argument("--copies", action="store_true", help="small copies that load fast")
    verb.add_argument(
        "--recipe", default="paper-ucf101", help="whose flow and clip size (default paper-ucf101)"
    )
    verb.add_argument(
        "--short-side", type=at_least(16), default=128, help="pixels of the copies (default 128)"
    )
    verb.add_argument(
        "--out",
        type=Path,
        help="folder to write to (default: .slic-flow in the videos' folder, or VIDEOS-128)",
    )
    verb.add_argument("--workers", type=at_least(1), help="processes (default: all cores)")


def prepare(arguments: Namespace) -> None:
    """Write what is not there yet, and say what it takes."""
    catalog = open_catalog(arguments.videos, arguments.workers)
    print_refused(catalog.refused, file=sys.stderr)
    if not catalog.videos:
        raise CatalogError(f"{arguments.videos}: there is no usable video to prepare.")
    if arguments.flow:
        _prepare_flow(arguments, catalog)
    else:
        _prepare_copies(arguments, catalog)


def _prepare_flow(arguments: Namespace, catalog: "Catalog") -> None:
    from slic.clips.flow_cache import LARGEST_BOUND, FlowCache
    from slic.clips.flow_store import FLOW_FOLDER
    from slic.clips.reader import read_size
    from slic.recipe import load_recipe

    folder: Path = arguments.out or catalog.root / FLOW_FOLDER
    # With the folder, a recipe that looks at no flow is refused before the work.
    recipe = load_recipe(arguments.recipe, [*arguments.settings, f"--flow.folder={folder}"])
    if recipe.flow.bound > LARGEST_BOUND:
        raise RecipeError(
            f"flow.bound is {recipe.flow.bound}; prepared flow keeps motion for bounds up to "
            f"{LARGEST_BOUND:.3f}. Take such a one, or let the flow be computed while training."
        )
    cache = FlowCache(
        folder,
        method=recipe.flow.method,
        size=read_size(recipe.clip.size),
        stride=recipe.clip.stride,
    )
    _do(cache, catalog, label=f"flow by {cache.method}", workers=arguments.workers)
    if arguments.out:
        recipe_words = ("--recipe", arguments.recipe, *arguments.settings)
        words = (*recipe_words, f"--flow.folder={arguments.out}")
        print_next_command("pretrain", arguments.videos, *words)


def _prepare_copies(arguments: Namespace, catalog: "Catalog") -> None:
    from slic.files import absolute
    from slic.videos.proxies import Copies

    videos: Path = arguments.videos
    named = absolute(videos)  # "." has no name of its own
    out: Path = arguments.out or named.parent / f"{named.stem}-{arguments.short_side}"
    copies = Copies(out, short_side=arguments.short_side)
    copies.check(catalog)
    if videos.is_dir() and videos.resolve() in out.resolve().parents:
        raise CatalogError(f"{out}: lies in {videos}, whose scan would find it; choose another.")
    _do(copies, catalog, label="copies", workers=arguments.workers)
    print_next_command("pretrain", out)


def _do(work: "Work", catalog: "Catalog", *, label: str, workers: int | None) -> None:
    """Do the work in a folder that nobody else is writing to."""
    from slic.runs import lock_folder
    from slic.videos.preparing import remove_leftovers

    with lock_folder(work.folder):
        remove_leftovers(work, catalog)
        _do_the_rest(work, catalog, label=label, workers=workers)


def _do_the_rest(work: "Work", catalog: "Catalog", *, label: str, workers: int | None) -> None:
    """Estimate, see that the disk has room, do what is not done, and say what it took."""
    from slic.videos.preparing import estimate, prepare_all

    todo = [video for video in catalog if not work.holds(video)]
    if not todo:
        print(f"{work.folder}: {label} of all {len(catalog)} videos are there.")
        return
    frames = sum(video.frames for video in todo)
    needed, free = estimate(work, todo), shutil.disk_usage(work.folder).free
    print(
        f"{work.folder}: {label} of {len(todo)} videos ({len(catalog) - len(todo)} done before), "
        f"{frames} frames, about {_size(needed)} ({_size(free)} free).",
        flush=True,
    )
    if needed > free:
        raise CheckpointError(
            f"{work.folder}: about {_size(needed)} are needed but {_size(free)} are free; make "
            "room, or choose another disk with --out."
        )
    done = prepare_all(work, todo, workers=workers, label=label)
    print_refused(done.refused, file=sys.stderr)
    print(
        f"{work.folder}: {done.videos} videos, {done.frames} frames, {_size(done.bytes)} written."
    )


def _size(count: int) -> str:
    """Return bytes in a unit that reads well."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
