"""The verb `slic studio`."""

from argparse import ArgumentTypeError, Namespace
from importlib.util import find_spec
from pathlib import Path

from slic.cli.common import UsageError
from slic.cli.parser import Verbs, add_verb
from slic.errors import SearchError

STUDIO_MODULES = ("cachetools", "faiss", "fastapi", "jinja2", "uvicorn")
DEFAULT_PORT = 7542


def add_verbs(verbs: Verbs) -> None:
    """Add ``studio``."""
    summary = "search, browse and label the moments of an index on a web page"
    verb = add_verb(verbs, "studio", studio, summary)
    verb.add_argument("index", type=Path, nargs="?", help="folder that `slic index` wrote")
    verb.add_switch("--sample", "first make a small sample index, in INDEX or slic-sample")
    verb.add_path("--runs", "folder of pretraining runs to show", metavar="DIR")
    text = "address to listen on (default: this machine only; others need the printed token)"
    verb.add_argument("--host", default="127.0.0.1", help=text)
    text = f"port to listen on (default {DEFAULT_PORT}; any free port if it is in use)"
    verb.add_argument("--port", type=_port, default=DEFAULT_PORT, help=text)
    verb.add_switch("--no-browser", "do not open the page")


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
        raise UsageError("give the folder of an index, or --sample to try the studio without one.")
    if runs is not None and not runs.is_dir():
        raise SearchError(f"--runs {runs}: there is no such folder.")
    host, port, browser = arguments.host, arguments.port, not arguments.no_browser
    serve_studio(folder, host=host, port=port, runs=runs, browser=browser)


def _port(word: str) -> int:
    if not word.isdecimal() or int(word) > 65535:
        raise ArgumentTypeError(f"{word!r} is not a port from 0 to 65535")
    return int(word)
