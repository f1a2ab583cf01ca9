"""Reading the content ids of a collection with an engine."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from slic.engines.base import Engine
from slic.engines.paths import folders_for_others, path_for_others
from slic.errors import VideoError
from slic.videos.contents import content_id_or_error


def content_ids_by(
    engine: Engine, paths: Sequence[Path], *, folder: Path, progress: bool
) -> list[str | VideoError]:
    """Return what `slic.videos.contents.content_ids` gives; an engine reads the files.

    Args:
        engine: The engine, in its context.
        paths: Files or folders of frames.
        folder: Folder of the collection, which all machines must see.
        progress: Show a progress bar.
    """
    if not paths:
        return []
    engine.check_folders(folders_for_others(folder))
    sent = [(place, path_for_others(path)) for place, path in enumerate(paths)]
    found = engine.map(_numbered_content_id, sent, stage="identify")
    ids: dict[int, str | VideoError] = {}
    for place, value in tqdm(
        found, total=len(paths), desc="reading", unit="file", leave=False, disable=not progress
    ):
        if isinstance(value, VideoError):  # it names the path that was sent
            reason = str(value).removeprefix(f"{sent[place][1]}: ")
            value = VideoError(f"{paths[place]}: {reason}")
        ids[place] = value
    return [ids[place] for place in range(len(paths))]


def _numbered_content_id(item: tuple[int, Path]) -> tuple[int, str | VideoError]:
    place, path = item
    return place, content_id_or_error(path)
