"""Routes to download the labels of the index as a file, and to set labels from a file."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from slic.errors import FormatError, LabelError
from slic.search import LABEL_FILES, Index, export_labels, import_labels
from slic.studio.routes.common import CurrentStudio
from slic.studio.uploads import UploadTooLargeError

router = APIRouter(prefix="/api/labels")
MAX_LABEL_FILE_BYTES = 64 << 20
MAX_LISTED = 5  # videos and replaced labels that the answer names
FILE_NAME = "labels"


@router.get("/formats")
def get_formats() -> dict[str, Any]:
    """Return the formats of label files: name, title, suffix, and what each keeps of a label.

    ``interface`` tells whether a file that describes the labels to the tool belongs to it.
    """
    return {
        "formats": [
            {
                "name": name,
                "title": file.title,
                "suffix": file.suffix,
                "keeps": file.keeps,
                "interface": hasattr(file, "interface_suffix"),
            }
            for name, file in LABEL_FILES.items()
        ],
        "max_bytes": MAX_LABEL_FILE_BYTES,
    }


@router.get("/export")
def get_export(
    format: str,  # noqa: A002
    studio: CurrentStudio,
    interface: bool = False,
) -> FileResponse:
    """Send the labels of the index as a file; a folder as a zip.

    Args:
        format: Name of the format.
        studio: The studio.
        interface: Send the labelling interface that was written beside the file instead.
    """
    file = LABEL_FILES[_known(format)]
    beside = getattr(file, "interface_suffix", "") if interface else ""
    if interface and not beside:
        raise LabelError(f"format {format!r}: it has no labelling interface.")
    folder = tempfile.TemporaryDirectory(prefix="slic-labels-")
    path = Path(folder.name) / f"{FILE_NAME}{file.suffix}"
    try:
        export_labels(studio.index, path, format=format)
    except BaseException:
        folder.cleanup()
        raise
    path, name = Path(f"{path}{beside}"), f"{FILE_NAME}-{studio.title}{file.suffix}{beside}"
    media_type = "application/xml" if beside else file.media_type
    done = BackgroundTask(folder.cleanup)
    return FileResponse(path, filename=name, media_type=media_type, background=done)


@router.post("/import")
async def post_import(
    request: Request,
    studio: CurrentStudio,
    name: str = FILE_NAME,
    format: str = "",  # noqa: A002
) -> dict[str, Any]:
    """Set the labels that the body of the request has, as one change.

    Args:
        request: The request; its body is the file.
        studio: The studio.
        name: Name of the file. Only its suffix is used, and messages name it.
        format: Name of the format; empty lets the content decide.

    Returns:
        ``moments``: number of labelled segments. ``change``: what undoes it. ``unknown``: number of
        labels of videos that the index does not have. ``unknown_videos`` and ``replaced``: the
        first of them, as text.
    """
    chosen = _known(format) if format else None
    with tempfile.TemporaryDirectory(prefix="slic-labels-") as folder:
        zipped = name.lower().endswith(".zip")
        path = Path(folder) / f"{FILE_NAME}{'.zip' if zipped else '.txt'}"
        await _receive(request, path)
        return await run_in_threadpool(_import, studio.index, path, chosen, name[:100])


def _import(index: Index, path: Path, chosen: str | None, name: str) -> dict[str, Any]:
    try:
        done = import_labels(index, path, format=chosen)
    except (LabelError, FormatError) as error:
        raise type(error)(str(error).replace(str(path), name)) from None
    short = replace(
        done, unknown_videos=done.unknown_videos[:MAX_LISTED], replaced=done.replaced[:MAX_LISTED]
    )
    return {
        "moments": short.labels,
        "change": short.change_id,
        "unknown": short.unknown_labels,
        "unknown_videos": short.unknown_videos,
        "replaced": short.replaced,
    }


async def _receive(request: Request, path: Path) -> None:
    """Write the body of a request to a file, up to the size limit."""
    size = 0
    with path.open("xb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_LABEL_FILE_BYTES:
                raise UploadTooLargeError(
                    f"Label files of more than {MAX_LABEL_FILE_BYTES >> 20} MB cannot be imported "
                    "here. Use `slic labels import`."
                )
            file.write(chunk)
    if size == 0:
        raise LabelError("The file is empty.")


def _known(name: str) -> str:
    """Return the name of a format. An import path is refused: a page may not choose code."""
    if name not in LABEL_FILES:
        raise LabelError(f"format {name[:40]!r}: there is no such format of label files.")
    return name
