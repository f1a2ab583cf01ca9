"""The videos of a run: whole ones, or segments of them, as they were when the run began."""

from typing import NamedTuple

from slic.pretraining.compat import COMPAT
from slic.pretraining.distributed import Processes
from slic.pretraining.folder import RunFolder
from slic.recipe import Recipe, SegmentOptions
from slic.videos.catalog import Catalog
from slic.videos.stillness import find_still


class TrainingVideos(NamedTuple):
    """What a run trains on.

    Attributes:
        catalog: The videos or segments.
        set_aside: Reasons by id of the videos that were set aside when the run began.
        still: Ids of the segments in which nothing moves, whether they are left out or not.
        description: Their number in words.
    """

    catalog: Catalog
    set_aside: dict[str, str]
    still: frozenset[str]
    description: str


def choose_videos(
    catalog: Catalog,
    recipe: Recipe,
    folder: RunFolder,
    processes: Processes,
    *,
    resume: bool,
    progress: bool,
) -> TrainingVideos:
    """Return the videos of a run; a resumed run has those that it began with.

    Of segments, videos that are set aside are left out as a whole.

    Args:
        catalog: All videos.
        recipe: The recipe.
        folder: The run folder, which tells what a resumed run began with.
        processes: All get what the main process finds.
        resume: Whether the run is resumed.
        progress: Whether to show a progress bar while segments are looked at.
    """
    set_aside: dict[str, str] = {}
    if processes.is_main:
        set_aside = folder.read_set_aside() if resume else catalog.find_set_aside()
    set_aside = processes.from_main(set_aside)
    select, still = COMPAT[recipe.compat].select_videos, frozenset[str]()
    if recipe.segments.seconds is None:
        chosen = select(catalog.with_set_aside(set_aside), recipe.clip)
        return TrainingVideos(chosen, set_aside, still, f"{len(chosen):,} videos")
    readable = catalog.subset([video.id for video in catalog if video.id not in set_aside])
    cut = readable.segments(recipe.segments.seconds, stride=recipe.segments.stride)
    if processes.is_main:
        still = folder.read_still() if resume else find_still(cut.videos, progress=progress)
    still = processes.from_main(still)
    kept = [video.id for video in cut if not (recipe.segments.skip_still and video.id in still)]
    chosen = select(cut.subset(kept).with_set_aside({}), recipe.clip)
    words = _in_words(recipe.segments, segments=len(cut), videos=len(readable), still=len(still))
    return TrainingVideos(chosen, set_aside, still, words)


def _in_words(options: SegmentOptions, *, segments: int, videos: int, still: int) -> str:
    many = "video" if videos == 1 else "videos"
    words = f"{segments:,} segments of {options.seconds:g} s from {videos:,} {many}"
    if not still:
        return words
    left_out = " and left out" if options.skip_still else ""
    return f"{words}, {still:,} of them still{left_out}"
