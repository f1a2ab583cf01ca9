"""What an index is: what it was made with, what it holds, and what was refused."""

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from slic.errors import SlicError
from slic.files import as_text
from slic.models.config import EncoderConfig, read_encoder_config
from slic.search.clusters import clusters_per_level
from slic.search.index import Index
from slic.search.repository import DATABASE_FILE, IndexSettings
from slic.search.repository.schema import read_about, read_refused
from slic.search.repository.videos import count_videos, select_files
from slic.storage import RemotePath, location


class RefusedFile(NamedTuple):
    """A file that the last update of its collection could not use.

    Attributes:
        root: Folder of the collection.
        path: Path relative to it.
        reason: Why it was refused.
    """

    root: str
    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class AboutIndex:
    """The description of an index.

    Attributes:
        encoder: Configuration of the encoder; None if its files are missing.
        settings: What the index was made with.
        videos: Number of videos.
        moments: Number of moments.
        levels: Number of clusters on each level, the finest first.
        level: The level that is used when none is given.
        generation: Number of the last commit that added or removed moments.
        created: Time in seconds since 1970; None in an index of an older version of slic.
        changed: Time of the last change of any kind.
        refused: The files that the last updates could not use.
    """

    encoder: EncoderConfig | None
    settings: IndexSettings
    videos: int
    moments: int
    levels: tuple[int, ...]
    level: int
    generation: int
    created: float | None
    changed: float
    refused: list[RefusedFile]


def encoder_name(index: Index) -> str:
    """Return the name of the backbone of an index; its fingerprint where the files are damaged."""
    try:
        config = read_encoder_config(index.path / "encoder")
    except SlicError:
        config = None
    return index.settings.encoder if config is None else config.backbone


def about_index(index: Index) -> AboutIndex:
    """Return the description of an index.

    Raises:
        CheckpointError: The configuration of the encoder is damaged.
        SearchError: The database is damaged.
    """
    about = index.database.read(read_about)
    refused = index.database.read(read_refused)
    database = index.path / DATABASE_FILE
    log = database.with_name(f"{DATABASE_FILE}-wal")
    written = [database, *([log] if log.exists() and log.stat().st_size else [])]  # not when opened
    return AboutIndex(
        encoder=read_encoder_config(index.path / "encoder"),
        settings=index.settings,
        videos=index.database.read(count_videos),
        moments=index.count,
        levels=tuple(clusters_per_level(index)),
        level=index.level,
        generation=index.generation,
        created=float(about["created"]) if "created" in about else None,
        changed=max(path.stat().st_mtime for path in written),
        refused=[RefusedFile(root, *row) for root, rows in refused.items() for row in rows],
    )


def absent_folders(index: Index) -> dict[str, int]:
    """Return the folders of collections that are not on this machine, with their videos' number."""
    videos = Counter(row.root for row in index.database.read(select_files))
    return {root: videos[root] for root in sorted(videos) if not _exists(location(root))}


def _exists(folder: Path) -> bool:
    if isinstance(folder, RemotePath):
        return True
    try:
        return folder.exists()
    except OSError:  # behind a closed folder; Python 3.11 raises
        return False


def notes_on_absent_folders(index: Index, folder: Path) -> list[str]:
    """Return for each absent folder a line that says how to name its new place.

    Args:
        index: The index.
        folder: Its folder, as the user named it.
    """
    command = shlex.join(["slic", "index", "FOLDER", "--out", as_text(str(folder))])
    return [
        f"{root!r}, a folder with {videos} videos, is not on this machine. If they are elsewhere, "
        f"run: {command}"
        for root, videos in absent_folders(index).items()
    ]
