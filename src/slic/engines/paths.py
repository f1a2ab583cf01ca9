"""Paths as other machines know them."""

from pathlib import Path

from slic.files import absolute
from slic.storage import RemotePath


def path_for_others(path: Path) -> Path:
    """Return a path that does not depend on the working directory."""
    return path if isinstance(path, RemotePath) else absolute(path)


def folders_for_others(folder: Path) -> tuple[Path, ...]:
    """Return the folder that other machines must see; none if it is in object storage."""
    return () if isinstance(folder, RemotePath) else (absolute(folder),)
