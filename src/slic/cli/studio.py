"""The verb `slic studio`."""

import sys
from argparse import ArgumentTypeError, Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import UsageError
from slic.cli.indexing import choose_encoder
from slic.cli.parser import Verbs, add_verb
from slic.cli.weights import add_weights
from slic.errors import SearchError
from slic.storage import RemotePath, location

if TYPE_CHECKING:
    from slic.studio.indexing import BackgroundIndexing

STUDIO_MODULES = ("cachetools", "faiss", "fastapi", "jinja2", "uvicorn")
DEFAULT_PORT = 7542


def add_verbs(verbs: Verbs) -> None:
    """Add ``studio``."""
    summary = "search, browse and label the moments of an index, or of videos, on a web page"
    verb = add_verb(verbs, "studio", studio, summary)
    text = "folder that `slic index` wrote; or videos (a folder or list), which are indexed first"
    verb.add_argument("index", type=location, nargs="?", metavar="INDEX_OR_VIDEOS", help=text)
    text = "for videos: the encoder, as of `slic index` (default: the one that the index has)"
    verb.add_argument("--encoder", metavar="ENCODER", help=text)
    verb.add_count("--workers", "for videos: processes that decode (default: 2)", minimum=0)
    add_weights(verb, "; for the map, and as the page begins")
    verb.add_switch("--sample", "first make a small sample index, in INDEX or slic-sample")
    text = "a second index of these videos, made with another encoder, to see both results"
    verb.add_path("--compare", text, metavar="INDEX")
    verb.add_path("--runs", "folder of pretraining runs to show", metavar="DIR")
    text = "address to listen on (default: this machine only)"
    verb.add_argument("--host", default="127.0.0.1", help=text)
    text = f"port to listen on (default {DEFAULT_PORT}; any free port if it is in use)"
    verb.add_argument("--port", type=_port, default=DEFAULT_PORT, help=text)
    verb.add_switch("--no-browser", "do not open the page; its printed address has the token")


def studio(arguments: Namespace) -> None:
    """Serve the studio until Ctrl-C."""
    if missing := [name for name in STUDIO_MODULES if find_spec(name) is None]:
        names = ", ".join(missing)
        raise SearchError(f"the studio needs {names}: pip install 'slic-video[studio]'")
    from slic.sample.index import make_sample_index
    from slic.studio.server import serve_studio

    folder, runs = arguments.index, arguments.runs
    if arguments.sample:
        sample = make_sample_index(folder or Path("slic-sample"))
        folder, runs = sample.index_folder, runs or sample.runs
    if folder is None:
        raise UsageError(
            "give the folder of an index or of videos, or --sample to try the studio without one."
        )
    if runs is not None and not runs.is_dir():
        raise SearchError(f"--runs {runs}: there is no such folder.")
    indexing = _prepare_indexing(folder, arguments)
    try:
        serve_studio(
            indexing.index_folder if indexing else folder,
            host=arguments.host,
            port=arguments.port,
            runs=runs,
            browser=not arguments.no_browser,
            weights=arguments.weights,
            indexing=indexing,
            compare=arguments.compare,
        )
    finally:
        if indexing and indexing.progress.phase == "stopped":
            print("slic: what is indexed is kept; the same command continues.", file=sys.stderr)


def _prepare_indexing(videos: Path, arguments: Namespace) -> "BackgroundIndexing | None":
    """Create the index of videos, still empty, and return what fills it; None for an index."""
    from slic.search import create_index
    from slic.search.repository import DATABASE_FILE
    from slic.studio.indexing import BackgroundIndexing, index_folder_of
    from slic.videos.scanning import find_videos

    remote = isinstance(videos, RemotePath)
    if not remote and ((videos / DATABASE_FILE).exists() or not videos.exists()):
        for name in ("encoder", "workers"):
            if getattr(arguments, name) is not None:
                raise UsageError(f"--{name} is for a folder or list of videos.")
        return None
    if videos.is_dir() and not find_videos(videos)[0]:
        raise SearchError(f"{videos}: neither an index nor a folder with videos.")
    folder = index_folder_of(videos)
    create_index(folder, choose_encoder(folder, arguments.encoder)).close()
    print(f"{videos}: the index is kept in {folder}; Ctrl-C keeps what is indexed.")
    return BackgroundIndexing(
        folder, videos, workers=2 if arguments.workers is None else arguments.workers
    )


def _port(word: str) -> int:
    if not word.isdecimal() or int(word) > 65535:
        raise ArgumentTypeError(f"{word!r} is not a port from 0 to 65535")
    return int(word)
