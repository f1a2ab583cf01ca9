"""The verb `slic studio`."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from importlib.util import find_spec
from pathlib import Path

from slic.cli.common import UsageError, Verbs
from slic.errors import SearchError

STUDIO_MODULES = ("cachetools", "faiss", "fastapi", "jinja2", "uvicorn")
DEFAULT_PORT = 7542


def add_verbs(verbs: Verbs) -> None:
    """Add ``studio``."""
    verb: ArgumentParser = verbs.add_parser(
        "studio", help="search, browse and label the moments of an index on a web page"
    )
    verb.set_defaults(verb=studio)
    verb.add_argument("index", type=Path, nargs="?", help="folder that `slic index` wrote")
    verb.add_argument(
        "--sample",
        action="store_true",
        help="first make a small sample index, in INDEX or slic-sample",
    )
    verb.add_argument("--runs", type=Path, metavar="DIR", help="folder of pretraining runs to show")
    verb.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: this machine only; others need the printed token)",
    )
    verb.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help=f"port to listen on (default {DEFAULT_PORT}; any free port if it is in use)",
    )
    verb.add_argument("--no-browser", action="store_true", help="do not open the page")


def studio(arguments: Namespace) -> None:
    """Serve the studio until Ctrl-C."""
    if missing := [name for name in STUDIO_MODULES if find_spec(name) is None]:
        raise SearchError(
            f"the studio needs {', '.join(missing)}: pip install 'slic-video[studio]'"
        )
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
    serve_studio(
        folder,
        host=arguments.host,
        port=arguments.port,
        runs=runs,
        browser=not arguments.no_browser,
    )


def _port(word: str) -> int:
    if not word.isdecimal() or int(word) > 65535:
        raise ArgumentTypeError(f"{word!r} is not a port from 0 to 65535")
    return int(word)
