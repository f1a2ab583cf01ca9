"""The table of formats, and which format a file has."""

from collections.abc import Mapping
from pathlib import Path

from slic.errors import LabelError
from slic.files import read_json
from slic.lookup import look_up
from slic.search.label_files.activitynet import ActivityNet
from slic.search.label_files.base import LabelFile
from slic.search.label_files.cvat import Cvat
from slic.search.label_files.fiftyone import FiftyOne
from slic.search.label_files.label_studio import LabelStudio
from slic.search.label_files.segments_json import SegmentsJson
from slic.search.label_files.spreadsheet import Spreadsheet

LABEL_FILES: Mapping[str, LabelFile] = {
    "csv": Spreadsheet(),
    "slic": SegmentsJson(),
    "activitynet": ActivityNet(),
    "label-studio": LabelStudio(),
    "cvat": Cvat(),
    "fiftyone": FiftyOne(),
}
"""The formats of label files by name."""


def label_file(name: str) -> LabelFile:
    """Return a format by its name in `LABEL_FILES`, or a class of yours by its import path.

    Raises:
        LabelError: There is no such format.
    """
    found = look_up(name, LABEL_FILES, kind="format", error=LabelError)
    file = found() if isinstance(found, type) else found
    if not isinstance(file, LabelFile):
        needed = "title, suffix, media_type, keeps, write and read"
        raise LabelError(f"format {name!r} is not a label file: it needs {needed}.")
    return file


def format_by_suffix(path: Path) -> LabelFile:
    """Return the format that a file name to write stands for; the longest suffix decides.

    Raises:
        LabelError: The suffix does not tell.
    """
    name = path.name.lower()
    fitting = [
        (len(suffix), file)
        for file in LABEL_FILES.values()
        for suffix in (file.suffix, file.suffix.removesuffix(".zip"))
        if name.endswith(suffix)
    ]
    if not fitting:
        raise LabelError(
            f"{path}: its suffix does not tell the format; give --format with one of "
            f"{', '.join(LABEL_FILES)}."
        )
    return max(fitting, key=lambda pair: pair[0])[1]


def format_by_content(path: Path) -> LabelFile:
    """Return the format that a file or folder seems to have. A file of unknown content is CSV.

    Raises:
        LabelError: A folder or a JSON file has none of the formats.
        OSError: It cannot be read.
        ValueError: It is not the JSON file that it begins as.
    """
    if path.is_dir():
        name = _format_of_folder(path)
    else:
        with path.open("rb") as file:
            start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        name = {b"<": "cvat", b"{": None, b"[": None}.get(start, "csv")
        if start in (b"{", b"["):
            name = _format_of_json(read_json(path))
    if name is None:
        raise LabelError(
            f"{path}: is in none of the formats {', '.join(LABEL_FILES)}; if it is, give --format."
        )
    return LABEL_FILES[name]


def _format_of_folder(path: Path) -> str | None:
    if (path / "data.json").is_file() and (path / "labels.json").is_file():
        return "fiftyone"
    return "cvat" if next(path.rglob("*.xml"), None) else None


def _format_of_json(content: object) -> str | None:
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        return None
    keys = {"database": "activitynet", "format": "slic", "data": "label-studio"}
    return next((name for key, name in keys.items() if key in first), None)
