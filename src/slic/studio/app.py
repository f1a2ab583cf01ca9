"""The studio as a web application: its page, its routes and its error responses."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from slic.errors import SlicError
from slic.search.label_queue import LabelQueue
from slic.studio.access import AccessMiddleware, AccessPolicy
from slic.studio.bodies import BodyLimitMiddleware
from slic.studio.opened import ChangedFileError, UnreachableFileError
from slic.studio.routes import (
    about,
    clusters,
    comparison,
    curation,
    facets,
    label_files,
    labels,
    media,
    moment_map,
    moments,
    overview,
    queue,
    timeline,
)
from slic.studio.state import Studio
from slic.studio.uploads import UploadTooLargeError

HERE = Path(__file__).parent
MAX_ERROR_CHARACTERS = 1000
STATUS_OF = {UploadTooLargeError: 413, UnreachableFileError: 404, ChangedFileError: 409}


def create_app(
    studio: Studio, policy: AccessPolicy, *, on_entry: Callable[[], None] = lambda: None
) -> AccessMiddleware:
    """Return the ASGI application of a studio, wrapped in its access control.

    Args:
        studio: The state. The application starts and closes it.
        policy: What a request needs to be answered.
        on_entry: Called when the page is opened with its token.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan)
    app.state.studio = studio
    app.state.label_queue = LabelQueue(studio.index, weights=studio.weights)
    for kind in (SlicError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _error_response)
    views = (moment_map, clusters, curation, timeline)
    labelling = (labels, label_files, queue)
    for routes in (about, comparison, facets, moments, media, overview, *labelling, *views):
        app.include_router(routes.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    templates = Jinja2Templates(HERE / "templates")  # escapes values, such as an index's name

    @app.get("/")
    def get_page(request: Request) -> Response:
        identity = studio.index.settings.identity
        values = {"page_token": policy.page_token, "title": studio.title, "index": identity}
        return templates.TemplateResponse(request, "studio.html", values)

    return AccessMiddleware(BodyLimitMiddleware(app), policy, on_entry)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.studio.start()
    yield
    app.state.studio.close()


def _error_response(request: Request, error: Exception) -> Response:
    """Return an error as one line of JSON, without paths or a stack trace."""
    status, line = _status_and_line(request, error)
    # Closing makes the client stop sending; the rest of a large body is not read.
    headers = {"Connection": "close"} if status == 413 else None
    line = " ".join(line.encode(errors="backslashreplace").decode().split())
    if len(line) > MAX_ERROR_CHARACTERS:
        line = f"{line[:MAX_ERROR_CHARACTERS]}…"
    return JSONResponse({"error": line}, status, headers=headers)


def _status_and_line(request: Request, error: Exception) -> tuple[int, str]:
    if isinstance(error, SlicError):
        studio, line = request.app.state.studio, str(error)
        for one in (studio, studio.compared):
            line = line if one is None else line.replace(str(one.index.path), "index")
        status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 422)
        return status, line
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return 422, f"{place}: {first['msg']}"
    if isinstance(error, HTTPException):
        if error.status_code == 400:  # FastAPI's answer to JSON with nesting or numbers too large
            return 422, "The body of the request is no JSON that can be read."
        return error.status_code, str(error.detail)
    # The server's log on stderr has the stack trace.
    return 500, "The studio failed. See the terminal where it runs."
