"""The studio as a web application: its page, its routes, and errors as one line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from slic.errors import SlicError
from slic.studio.guard import Access, Guard
from slic.studio.routes import browse, find, media
from slic.studio.state import Studio
from slic.studio.uploads import TooLargeError

HERE = Path(__file__).parent


def create_app(studio: Studio, access: Access) -> Guard:
    """Return the application for one studio, behind its guard."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan)
    app.state.studio = studio
    app.add_exception_handler(SlicError, _as_one_line)
    app.add_exception_handler(HTTPException, _as_one_line)
    app.add_exception_handler(RequestValidationError, _as_one_line)
    app.add_exception_handler(Exception, _as_one_line)
    for subject in (find, media, browse):
        app.include_router(subject.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    templates = Jinja2Templates(HERE / "templates")  # escapes what it is given

    @app.get("/")
    def page(request: Request) -> Response:
        values = {"page_token": access.page_token, "title": studio.title}
        return templates.TemplateResponse(request, "studio.html", values)

    return Guard(app, access)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.studio.start()
    yield
    app.state.studio.close()


def _as_one_line(request: Request, error: Exception) -> Response:
    """Tell the page what went wrong, and nothing about this machine that it need not know."""
    if isinstance(error, TooLargeError):
        # What is still to come is not read.
        return JSONResponse({"error": str(error)}, 413, headers={"Connection": "close"})
    if isinstance(error, SlicError):
        line = " ".join(str(error).split()).replace(
            str(request.app.state.studio.index.path), "index"
        )
        return JSONResponse({"error": line}, 422)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"error": f"{place}: {first['msg']}"}, 422)
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    return JSONResponse({"error": "The studio failed at this; see where it was started."}, 500)
