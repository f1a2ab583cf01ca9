"""``slic search``: search an index by example."""

import re
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.cli.common import (
    UsageError,
    open_index,
    print_absent_folders,
)
from slic.cli.output import (
    print_json,
    printable,
)
from slic.cli.parser import CommandParser, Verbs, add_verb
from slic.cli.weights import add_search_weights, check_search_weights, search_weights
from slic.errors import SearchError
from slic.storage import RemotePath, location

if TYPE_CHECKING:
    from slic.report.contact_sheet import ContactSheetSearch
    from slic.search import Hit, Index, Query

_MOMENT_WORD = re.compile(r"(?P<path>.+)@(?P<seconds>\d+(\.\d+)?)", re.DOTALL)


def add_verbs(verbs: Verbs) -> None:
    """Add ``search``."""
    verb = add_verb(verbs, "search", search, "find moments that are similar to a clip")
    verb.add_index()
    text = "a video file, or PATH@SECONDS for a moment of the index; one search for each"
    verb.add_argument("queries", nargs="*", metavar="CLIP", help=text)
    add_seconds(verb, "--from", "start of the part to use", dest="start")
    add_seconds(verb, "--to", "end of the part to use", dest="end")
    verb.add_argument(
        "--like", action="append", default=[], metavar="CLIP", help="search for all of these"
    )
    verb.add_argument(
        "--unlike", action="append", default=[], metavar="CLIP", help="and for nothing like these"
    )
    text = "search for what this text says, if the encoder of the index has a text tower"
    verb.add_argument("--text", action="append", default=[], metavar="TEXT", help=text)
    text = "with one --text alone, let the model rank the best N hits by their clips: slow, X-CLIP"
    verb.add_count("--rerank", text)
    add_search_weights(verb)
    verb.add_count("--k", "hits", default=10)
    text = "such as \"path like 'a/%%' and duration > 3\""
    verb.add_argument("--where", metavar="FILTER", help=text)
    verb.add_json()
    verb.add_path("--html", "write a page of moving thumbnails")


def add_seconds(verb: CommandParser, flag: str, meaning: str, *, dest: str) -> None:
    """Add an option for a time."""
    verb.add_argument(flag, dest=dest, type=seconds, metavar="SECONDS", help=meaning)


def seconds(word: str) -> float:
    """Return the seconds of a word such as ``90``, ``1:30`` or ``1:02:03.5``."""
    parts = word.split(":")
    try:
        value = sum(float(part) * 60.0**power for power, part in enumerate(reversed(parts)))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf") or len(parts) > 3:
        raise ArgumentTypeError(f"{word!r} is not a time in seconds such as 90, 1.5 or 1:30")
    return float(value)


def search(arguments: Namespace) -> None:
    """Find moments that are similar to a clip."""
    from slic.report.contact_sheet import ContactSheetSearch, write_contact_sheet
    from slic.search import rank_by_text
    from slic.search import search as find

    _check_usage(arguments)
    opened = open_index(arguments.index)
    searches, rows = [], []
    for title, query, weights, example in _queries(opened, arguments):
        most = max(arguments.k, arguments.rerank or 0)
        hits = find(opened, query, k=most, where=arguments.where, weights=weights)
        if first := arguments.rerank:
            hits = rank_by_text(opened, hits[:first], arguments.text[0]) + hits[first:]
            hits = hits[: arguments.k]
        searches.append(ContactSheetSearch(title=title, hits=hits, **example))
        if arguments.json:
            ranks = _percentiles(opened, arguments, hits, weights)
            found = [
                asdict(hit) | {"percentile": rank} for hit, rank in zip(hits, ranks, strict=True)
            ]
            rows.append({"query": title, "hits": found})
    if arguments.json:
        print_json(rows)
    else:
        print("\n\n".join(map(_format_hits, searches)))
    if arguments.html:
        write_contact_sheet(arguments.html, opened, searches)
        print(f"{arguments.html}: open it in a browser.", file=sys.stderr)
        print_absent_folders(opened)


def find_moment_of(index: "Index", word: str) -> int | None:
    """Return the moment that ``PATH@SECONDS`` stands for, or None if the word has another form."""
    match = _MOMENT_WORD.fullmatch(word)
    if match is None or Path(word).exists():
        return None
    return index.moment_at(match["path"], float(match["seconds"]))


def require_moment(index: "Index", word: str) -> int:
    """Return the moment that ``PATH@SECONDS`` stands for.

    Raises:
        SearchError: The word has another form, or the index has no such moment.
    """
    if (moment := find_moment_of(index, word)) is None:
        raise SearchError(f"{word}: neither the number of a cluster nor PATH@SECONDS of the index.")
    return moment


def _percentiles(
    index: "Index", arguments: Namespace, hits: "Sequence[Hit]", weights: dict[str, float] | None
) -> "list[float | None]":
    """Return for each hit the share of random pairs in percent that are less alike.

    It is None in a small index, and where a model has ranked the hits again.
    """
    from slic.search import query_from_text, refine
    from slic.search.calibration import sample_moments, similarity_scale

    if arguments.rerank:
        return [None] * len(hits)
    texts = [query_from_text(index, text) for text in arguments.text]
    scale = similarity_scale(
        sample_moments(index),
        likes=len(arguments.like) or (0 if texts else 1),
        unlikes=len(arguments.unlike),
        text=refine(texts, []) if texts else None,
        weights=weights,
    )
    if scale is None:
        return [None] * len(hits)
    return list(scale.percentile_ranks([hit.score for hit in hits]).tolist())


def _check_usage(arguments: Namespace) -> None:
    words = arguments.queries
    if (arguments.start, arguments.end) != (None, None) and len(words) != 1:
        raise UsageError("--from and --to are for a single clip; give exactly one.")
    if bool(words) == bool(arguments.like or arguments.unlike or arguments.text):
        raise UsageError("give either clips, one search for each, or --like, --unlike and --text.")
    if arguments.rerank and (len(arguments.text) != 1 or arguments.like or arguments.unlike):
        raise UsageError("--rerank is for a single --text without --like and --unlike.")
    check_search_weights(arguments)


def _queries(
    index: "Index", arguments: Namespace
) -> "Iterator[tuple[str, Query, dict[str, float] | None, dict[str, Any]]]":
    """Give title, query, weights, and the example that the page shows, for each search."""
    from slic.search import query_from_text, refine

    if arguments.queries:
        weights = search_weights(index, arguments)
        for word in arguments.queries:
            query, example = _query(index, word, arguments.start, arguments.end)
            yield word, query, weights, example
        return
    words = {"": arguments.text, "like ": arguments.like, "unlike ": arguments.unlike}
    title = ", ".join(f"{kind}{', '.join(given)}" for kind, given in words.items() if given)
    texts = [query_from_text(index, text) for text in arguments.text]
    likes, unlikes = (
        [_query(index, word)[0] for word in given] for given in (arguments.like, arguments.unlike)
    )
    query = refine([*texts, *likes], unlikes)
    yield title, query, search_weights(index, arguments, likes, unlikes), {}


def _query(
    index: "Index", word: str, start: float | None = None, end: float | None = None
) -> tuple["Query", dict[str, Any]]:
    """Return the query that a word stands for, and its example."""
    from slic.search import query_from_moments, query_from_video
    from slic.videos.inspection import inspect_video

    if (moment_id := find_moment_of(index, word)) is not None:
        if (start, end) != (None, None):
            raise SearchError(f"{word} is a moment already; leave --from and --to out.")
        (moment,) = index.moments([moment_id])
        video = index.video(moment.video_id).video
        between = (moment.start_seconds, moment.end_seconds)
        query = query_from_moments(index, [moment_id])
    else:
        place = location(word)
        remote = isinstance(place, RemotePath)
        if not remote and not place.exists():
            raise SearchError(
                f"{word}: no such file or directory. A moment of the index is PATH@SECONDS."
            )
        video = inspect_video(place, str(place) if remote else word)
        between = (start or 0.0, video.end_seconds if end is None else end)
        query = query_from_video(index, video, start_seconds=start, end_seconds=end)
    return query, {"query": video, "between_seconds": between}


def _format_hits(results: "ContactSheetSearch") -> str:
    from slic.report.contact_sheet import format_clock

    lines = [f"{printable(results.title)}:"]
    for rank, hit in enumerate(results.hits, start=1):
        times = f"{format_clock(hit.start_seconds):>9} - {format_clock(hit.end_seconds):<9}"
        label = f"  [{printable(hit.label)}]" if hit.label else ""
        lines.append(f"{rank:4}  {hit.score:6.3f}  {times}  {printable(hit.path)}{label}")
    return "\n".join(lines if results.hits else [*lines, "  nothing found."])
