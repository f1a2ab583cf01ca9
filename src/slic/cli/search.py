"""Verbs that search a collection by example, and show, name and classify what is in it."""

import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.cli.common import (
    UsageError,
    Verbs,
    at_least,
    format_command,
    open_catalog,
    print_error,
    print_next_command,
    print_refused,
    printable,
    videos_argument,
    workers_argument,
)
from slic.errors import SearchError

if TYPE_CHECKING:
    from slic.report.contact_sheet import Results
    from slic.search import Index, Query
    from slic.videos.video import Video

MOMENT = re.compile(r"(?P<path>.+)@(?P<seconds>\d+(\.\d+)?)", re.DOTALL)
MOMENT_HELP = "a video file, or PATH@SECONDS for a moment of the index"


def add_verbs(verbs: Verbs) -> None:
    """Add ``index`` and ``search``."""
    verb = verbs.add_parser(
        "index", help="make a collection searchable, or bring its index up to date"
    )
    verb.set_defaults(verb=index)
    videos_argument(verb)
    verb.add_argument("--out", type=Path, required=True, metavar="INDEX", help="folder to write")
    verb.add_argument(
        "--encoder", type=Path, help="folder that a run wrote (an index that is there has its own)"
    )
    verb.add_argument(
        "--window",
        type=seconds,
        metavar="SECONDS",
        help="length of a moment (default 2, or what a clip of the encoder spans if longer)",
    )
    verb.add_argument(
        "--stride",
        type=seconds,
        metavar="SECONDS",
        help="from one moment to the next (default half a window)",
    )
    verb.add_argument(
        "--store",
        metavar="ADDRESS",
        help="keep the vectors in a Milvus server too, http://host:19530, and search there",
    )
    workers_argument(verb)

    verb = verbs.add_parser("search", help="find moments like a clip")
    verb.set_defaults(verb=search)
    index_argument(verb)
    verb.add_argument("queries", nargs="*", metavar="CLIP", help=f"{MOMENT_HELP}; each on its own")
    verb.add_argument("--from", dest="start", type=seconds, metavar="SECONDS", help="of the clip")
    verb.add_argument("--to", dest="end", type=seconds, metavar="SECONDS", help="of the clip")
    verb.add_argument(
        "--like",
        action="append",
        default=[],
        metavar="CLIP",
        help="search for all of these at once",
    )
    verb.add_argument(
        "--unlike", action="append", default=[], metavar="CLIP", help="and for nothing like these"
    )
    verb.add_argument("--k", type=at_least(1), default=10, help="results (default 10)")
    verb.add_argument(
        "--where", metavar="FILTER", help="such as \"path like 'a/%%' and duration > 3\""
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.add_argument("--html", type=Path, metavar="FILE", help="write a page of moving thumbnails")


def index_argument(verb: ArgumentParser) -> None:
    """Ask for the index."""
    verb.add_argument("index", type=Path, metavar="INDEX", help="folder that `slic index` wrote")


def seconds(word: str) -> float:
    """Convert a number of seconds, ``90`` or ``1:30`` or ``1:02:03.5``."""
    parts = word.split(":")
    try:
        value = sum(float(part) * 60.0**power for power, part in enumerate(reversed(parts)))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf") or len(parts) > 3:
        raise ArgumentTypeError(f"{word!r} is not a time in seconds such as 90, 1.5 or 1:30")
    return float(value)


def index(arguments: Namespace) -> None:
    """Make or update an index."""
    from slic.models.encoder import VideoEncoder
    from slic.runs import StopRequested
    from slic.search import Index, create_index, index_settings, update_index

    out: Path = arguments.out
    if arguments.encoder is None:
        opened = Index.open(out)
        encoder = opened.encoder
    else:
        encoder = VideoEncoder.from_pretrained(arguments.encoder)
    asked = {
        "window_seconds": arguments.window,
        "stride_seconds": arguments.stride,
        "store": arguments.store,
    }
    index_settings(out, encoder, **asked)  # before the scan, which may take long
    catalog = open_catalog(arguments.videos, arguments.workers or None)
    opened = create_index(out, encoder, **asked)  # after it: words mistyped leave no index behind
    try:
        report = update_index(opened, catalog, workers=arguments.workers)
    except StopRequested:
        words = format_command("index", arguments.videos, "--out", out)
        sys.exit(print_error(f"stopped; {opened.count} moments are kept. Go on with: {words}", 130))
    changes = report.changes
    print_refused(changes.refused, file=sys.stderr)
    if kept := changes.unreachable:
        print(
            f"slic: {len(kept)} videos stay in the index though their files cannot be reached, "
            f"first {printable(str(kept[0]))}; mount the disk or mend the permissions, and if they "
            "are gone for good index into another --out.",
            file=sys.stderr,
        )
    kinds = ("added", "moved", "changed", "removed")
    counts = ", ".join(f"{len(getattr(changes, kind))} {kind}" for kind in kinds)
    print(f"{out}: {counts}, {changes.unchanged} unchanged videos; {report.moments} moments.")
    print_next_command("search", out, "CLIP")


def search(arguments: Namespace) -> None:
    """Find moments like a clip."""
    from slic.report.contact_sheet import Results, write_contact_sheet
    from slic.search import Index
    from slic.search import search as find

    _check_usage(arguments)
    opened = Index.open(arguments.index)
    wanted = _queries(opened, arguments)
    searches = []
    for title, query, shown in wanted:
        hits = find(opened, query, k=arguments.k, where=arguments.where)
        searches.append(Results(title=title, hits=hits, **shown))
    if arguments.json:
        told = [{"query": s.title, "hits": [asdict(hit) for hit in s.hits]} for s in searches]
        print(json.dumps(told, indent=1))
    else:
        print("\n\n".join(_table(results) for results in searches))
    if arguments.html:
        write_contact_sheet(arguments.html, opened, searches)
        print(f"{arguments.html}: open it in a browser.", file=sys.stderr)


def query_of(index: "Index", word: str) -> "Query":
    """Return the query that a word names: a moment of the index, or a whole file."""
    from slic.search import query_from_clip, query_from_moments

    if moment := moment_of(index, word):
        return query_from_moments(index, [moment])
    return query_from_clip(index, word)


def moment_of(index: "Index", word: str) -> int | None:
    """Return the id of the moment that ``PATH@SECONDS`` names, or None where it is another word."""
    match = MOMENT.fullmatch(word)
    if match is None or Path(word).exists():
        return None
    return index.moment_at(match["path"], float(match["seconds"]))


def _check_usage(arguments: Namespace) -> None:
    words: Sequence[str] = arguments.queries
    if (arguments.start, arguments.end) != (None, None) and len(words) != 1:
        raise UsageError("--from and --to are of one clip; give exactly one.")
    if bool(words) == bool(arguments.like or arguments.unlike):
        raise UsageError("give clips to search for one by one, or --like and --unlike.")


def _queries(index: "Index", arguments: Namespace) -> list[tuple[str, "Query", dict[str, Any]]]:
    """Return title, query and what the page shows of it, for each search."""
    from slic.search import refine

    if words := arguments.queries:
        return [_query(index, word, arguments.start, arguments.end) for word in words]
    like, unlike = (
        [query_of(index, word) for word in side] for side in (arguments.like, arguments.unlike)
    )
    title = f"like {', '.join(arguments.like)}"
    title += f", unlike {', '.join(arguments.unlike)}" if unlike else ""
    return [(title, refine(like, unlike), {})]


def _query(
    index: "Index", word: str, start: float | None, end: float | None
) -> tuple[str, "Query", dict[str, Any]]:
    from slic.search import query_from_moments, query_from_video
    from slic.videos.inspection import probe

    if (moment_id := moment_of(index, word)) is not None:
        if (start, end) != (None, None):
            raise SearchError(f"{word} is a moment already; leave --from and --to out.")
        (moment,) = index.moments([moment_id])
        shown = index.video(moment.video_id).as_video()
        between = (moment.start_seconds, moment.end_seconds)
        return word, query_from_moments(index, [moment_id]), _shown(shown, between)
    video = probe(Path(word), word)
    query = query_from_video(index, video, start_seconds=start, end_seconds=end)
    between = (start or 0.0, video.duration_seconds if end is None else end)
    return word, query, _shown(video, between)


def _shown(video: "Video", between_seconds: tuple[float, float]) -> dict[str, Any]:
    return {"query": video, "between_seconds": between_seconds}


def _table(results: "Results") -> str:
    from slic.report.contact_sheet import clock

    lines = [f"{results.title}:"]
    for rank, hit in enumerate(results.hits, start=1):
        times = f"{clock(hit.start_seconds):>9} - {clock(hit.end_seconds):<9}"
        name = f"  [{hit.label}]" if hit.label else ""
        lines.append(f"{rank:4}  {hit.score:6.3f}  {times}  {printable(hit.path)}{name}")
    return "\n".join(lines if results.hits else [*lines, "  nothing found."])
