"""The verb ``prepare``: compute optical flow, or write proxies, ahead of training."""

import shutil
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.cli.common import UsageError, open_catalog, recipe_of
from slic.cli.output import STDOUT, json_writer, print_next_command, print_refused
from slic.cli.parser import Verbs, add_verb
from slic.errors import CatalogError, RecipeError, WriteError
from slic.storage import RemotePath

if TYPE_CHECKING:
    from slic.videos.catalog import Catalog
    from slic.videos.preparing import Prepared, Work
    from slic.videos.video import Video


def add_verbs(verbs: Verbs) -> None:
    """Add ``prepare``."""
    verb = add_verb(
        verbs,
        "prepare",
        prepare,
        "compute optical flow, or write small proxies, ahead of training",
        description="Compute optical flow, or write small proxies, ahead of training. An "
        "interrupted command continues when it is started again. Any setting of the recipe can "
        "follow as --section.key=value, for instance --flow.method=dis.",
    )
    verb.add_videos()
    kind = verb.add_mutually_exclusive_group(required=True)
    kind.add_argument("--flow", action="store_true", help="compute the optical flow of every video")
    text = "write a small copy of every video that loads fast"
    kind.add_argument("--proxies", action="store_true", help=text)
    text = "recipe with the settings of flow and clips (default paper-ucf101)"
    verb.add_argument("--recipe", default="paper-ucf101", help=text)
    text = "shorter side of the proxies, in pixels"
    verb.add_count("--short-side", text, minimum=16, default=128)
    text = "folder to write to (default: .slic-flow in the folder of the videos, or VIDEOS-128)"
    verb.add_argument("--out", type=Path, help=text)
    verb.add_count("--workers", "number of processes (default: all cores)")
    verb.only_with("--recipe", "--flow")
    verb.only_with("--short-side", "--proxies")
    verb.add_json()


def prepare(arguments: Namespace) -> None:
    """Write the flow or the proxies that do not exist yet."""
    _check_settings(arguments)
    catalog = open_catalog(arguments.videos, arguments.workers)
    print_refused(catalog.refused)
    if not catalog.videos:
        raise CatalogError(f"{arguments.videos}: there is no usable video to prepare.")
    with json_writer(STDOUT if arguments.json else None) as write:
        prepare_one = _prepare_flow if arguments.flow else _prepare_proxies
        write(prepare_one(arguments, catalog))


def _check_settings(arguments: Namespace) -> None:
    """Refuse settings that nothing would follow, before the videos are scanned."""
    settings = arguments.settings
    if settings and arguments.proxies:
        raise UsageError(f"unrecognized arguments: {' '.join(settings)}")
    if any(word.partition("=")[0] == "--flow.folder" for word in settings):
        raise UsageError("--flow.folder is what --out says; give --out.")
    if arguments.flow:
        recipe_of(arguments.recipe, settings)


def _prepare_flow(arguments: Namespace, catalog: "Catalog") -> dict[str, Any]:
    """Write the flow; return what was written."""
    from slic.clips.flow_cache import MAX_CACHED_BOUND, FlowCache
    from slic.clips.flow_store import FLOW_FOLDER
    from slic.clips.frame_size import fixed_frame_size

    _require_out(arguments, "flow")
    folder: Path = arguments.out or catalog.root / FLOW_FOLDER
    # Naming the folder makes a recipe that uses no flow fail here, before the work.
    recipe = recipe_of(arguments.recipe, [*arguments.settings, f"--flow.folder={folder}"])
    clip, flow = recipe.clip, recipe.flow
    if flow.bound > MAX_CACHED_BOUND:
        raise RecipeError(
            f"flow.bound is {flow.bound}; prepared flow supports bounds up to "
            f"{MAX_CACHED_BOUND:.3f}. Lower it, or let flow be computed while training."
        )
    if (size := fixed_frame_size(clip.size, clip.resize)) is None:
        raise RecipeError(
            f"clip.resize is {clip.resize}, so frames of different videos differ in size, and flow "
            "can be prepared for one size only. Set clip.resize to a width and a height, such as "
            f"[{round(clip.size * 4 / 3)},{clip.size}], or let flow be computed while training."
        )
    cache = FlowCache(folder, method=flow.method, size=size, stride=clip.stride)
    label = f"flow by {cache.method}"
    written = _write_missing(cache, catalog, label=label, workers=arguments.workers)
    if arguments.out:
        settings = (*arguments.settings, f"--flow.folder={arguments.out}")
        words = ("--recipe", arguments.recipe, *settings)
        print_next_command("pretrain", arguments.videos, *words)
    return written


def _prepare_proxies(arguments: Namespace, catalog: "Catalog") -> dict[str, Any]:
    """Write the proxies; return what was written."""
    from slic.files import absolute
    from slic.videos.proxies import Proxies

    _require_out(arguments, "proxies")
    videos: Path = arguments.videos
    named = (
        videos if isinstance(videos, RemotePath) else absolute(videos)
    )  # "." has no name of its own
    out: Path = arguments.out or named.parent / f"{named.stem}-{arguments.short_side}"
    proxies = Proxies(out, short_side=arguments.short_side)
    proxies.check(catalog)
    if videos.is_dir() and videos.resolve() in out.resolve().parents:
        raise CatalogError(
            f"{out}: lies in {videos}, so a scan of the videos would find the proxies. Choose "
            "another folder with --out."
        )
    written = _write_missing(proxies, catalog, label="proxies", workers=arguments.workers)
    print_next_command("pretrain", out)
    return written


def _require_out(arguments: Namespace, things: str) -> None:
    """Raise a UsageError for videos in object storage without a folder on a disk."""
    if isinstance(arguments.videos, RemotePath) and arguments.out is None:
        raise UsageError(f"{arguments.videos}: give the folder of the {things} with --out.")


def _write_missing(
    work: "Work", catalog: "Catalog", *, label: str, workers: int | None
) -> dict[str, Any]:
    """Write the files of all videos that have none, with the folder locked; return numbers."""
    from slic.runs import lock_folder
    from slic.videos.preparing import Prepared, prepare_all, remove_leftovers

    with lock_folder(work.folder):
        remove_leftovers(work, catalog)
        missing = [video for video in catalog if not work.holds(video)]
        if not missing:
            print(f"{work.folder}: {label} of all {len(catalog)} videos are there.")
            return _describe(work, Prepared(videos=0, frames=0, bytes=0, refused=()))
        _require_disk_space(work, missing, done=len(catalog) - len(missing), label=label)
        result = prepare_all(work, missing, workers=workers, label=label)
    print_refused(result.refused)
    written = f"{result.videos} videos, {result.frames} frames, {_format_bytes(result.bytes)}"
    print(f"{work.folder}: {written} written.")
    return _describe(work, result)


def _describe(work: "Work", result: "Prepared") -> dict[str, Any]:
    return {"folder": work.folder, **asdict(result)}


def _require_disk_space(work: "Work", missing: "list[Video]", *, done: int, label: str) -> None:
    """Print an estimate of the size, and refuse to start if it does not fit on the disk."""
    from slic.videos.preparing import estimate

    frames = sum(video.frames for video in missing)
    needed, free = estimate(work, missing), shutil.disk_usage(work.folder).free
    print(
        f"{work.folder}: {label} of {len(missing)} videos ({done} done before), {frames} frames, "
        f"about {_format_bytes(needed)} ({_format_bytes(free)} free).",
        flush=True,
    )
    if needed > free:
        raise WriteError(
            f"{work.folder}: about {_format_bytes(needed)} are needed but {_format_bytes(free)} "
            "are free. Free some space, or choose another disk with --out."
        )


def _format_bytes(count: int) -> str:
    """Return a number of bytes with a suitable unit."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
