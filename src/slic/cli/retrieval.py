"""``slic evaluate retrieval``: score nearest-neighbour retrieval beside two baselines."""

import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from slic.cli.common import feature_cache, load_encoder, require_file_paths
from slic.cli.output import STDOUT, json_writer, print_table
from slic.cli.parser import CommandParser
from slic.cli.protocols import add_evaluation_arguments, open_split, protocol_summary
from slic.errors import ProtocolError

if TYPE_CHECKING:
    from slic.evaluation import LabelledSplit
    from slic.evaluation.retrieval import RetrievalScores
    from slic.evaluation.retrieval_protocols import RetrievalProtocol


def score_by_retrieval(name: str, words: Sequence[str]) -> None:
    """Score an encoder by a retrieval protocol.

    Args:
        name: The protocol, or ``"retrieval"`` to choose one with ``--protocol``.
        words: The other words of the command.
    """
    from slic.evaluation.mean_frame import score_mean_frames

    arguments = build_retrieval_parser(name).parse_args(words)
    if arguments.protocol:
        _retrieval_protocol(arguments.protocol)  # a wrong name is told before anything is loaded
    page, workers = arguments.pictures, arguments.workers
    output = arguments.json if arguments.json != STDOUT else None
    require_file_paths(output, page)
    encoder = load_encoder(arguments.encoder)
    chosen = arguments.protocol or ("paper" if encoder.has_head else "backbone")
    protocol = replace(_retrieval_protocol(chosen), vector=arguments.vector).of(encoder)
    split = open_split(arguments)
    average_precision = not arguments.skip_map
    with (
        json_writer(arguments.json) as write,
        feature_cache(arguments.cache, output or page) as cache,
    ):
        embedded = protocol.embed_split(encoder, split, workers=workers, cache=cache)
        queries, gallery = map(protocol.selected, embedded)
        scores = protocol.compare(split, queries, gallery, average_precision=average_precision)
        mean_frame = score_mean_frames(split, average_precision=average_precision, cache=cache)
        conditions = {
            "encoder": queries.encoder,
            "encoder_folder": str(arguments.encoder),
            "videos": str(arguments.videos),
            "labels": arguments.labels,
            "splits": f"queries {arguments.test_split}, gallery {arguments.train_split}",
            "absent_videos": len(split.absent),
        }
        alone = {
            name: one.compare(
                split, *map(one.selected, embedded), average_precision=average_precision
            )
            for name, one in ((name, replace(protocol, vector=name)) for name in protocol.parts)
        }
        write(_print_scores(arguments, split, scores, mean_frame, alone, conditions))
        if page:
            from slic.report.retrieval_page import retrieval_rows, write_retrieval_page

            rows = retrieval_rows(split, queries, gallery, centre=protocol.centre)
            facts = [(key.replace("_", " "), str(value)) for key, value in conditions.items()]
            beside = {"mean frame": mean_frame}
            write_retrieval_page(
                page, scores=scores, beside=beside, rows=rows, split=split, facts=facts
            )
            print(f"{page}: queries with their nearest neighbours")


def build_retrieval_parser(name: str) -> CommandParser:
    """Return the parser of ``slic evaluate retrieval``, or of a retrieval protocol by its name."""
    parser = CommandParser(f"slic evaluate {name}")
    add_evaluation_arguments(parser)
    if name == "retrieval":
        from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS

        parser.description = "Find the labels of test videos among their nearest neighbours."
        names = ", ".join(RETRIEVAL_PROTOCOLS)
        text = (
            f"{names}, or an import path (default: paper; backbone for an encoder without a head)"
        )
        parser.add_argument("--protocol", metavar="NAME", help=text)
    else:
        parser.description = protocol_summary(name, _retrieval_protocol(name))
        parser.set_defaults(protocol=name)
    text = (
        "compare this vector of an encoder that has several, such as motion (default: all of them, "
        "with equal weights)"
    )
    parser.add_argument("--vector", metavar="NAME", help=text)
    text = "leave out the mean average precision, which is slow with a million videos"
    parser.add_switch("--skip-map", text)
    text = "also write a page of queries with their nearest neighbours"
    parser.add_path("--pictures", text, metavar="FILE.html")
    parser.add_cache()
    return parser


def _retrieval_protocol(name: str) -> "RetrievalProtocol":
    from slic.evaluation import find_protocol
    from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS, RetrievalProtocol

    found = find_protocol(name)
    if not isinstance(found, RetrievalProtocol):
        raise ProtocolError(
            f"protocol {name!r} is not one of retrieval: {', '.join(RETRIEVAL_PROTOCOLS)}. "
            f"Run it with `slic evaluate {name}`."
        )
    return found


def _print_scores(
    arguments: Namespace,
    split: "LabelledSplit",
    scores: "RetrievalScores",
    mean_frame: "RetrievalScores",
    alone: Mapping[str, "RetrievalScores"],
    conditions: dict[str, object],
) -> dict[str, object]:
    """Print the scores beside the baselines and those of each vector; return all figures."""
    from slic.evaluation.retrieval import chance_recall

    baselines = {"chance": chance_recall(split), "mean frame": mean_frame.recall[1]}
    print(f"encoder {arguments.encoder} ({conditions['encoder']})")
    print(f"videos {arguments.videos}, labels {arguments.labels}, {conditions['splits']}")
    if split.absent:
        absent, first = len(split.absent), split.absent[0]
        print(f"{absent} videos of these splits are absent, the first: {first}")
    print_table(scores.table())
    print(", ".join(f"{name} R@1 {100 * value:.1f}" for name, value in baselines.items()))
    for name, one in alone.items():
        precision = one.mean_average_precision
        also = "" if math.isnan(precision) else f", mAP {100 * precision:.1f}"
        print(f"vector {name} alone: R@1 {100 * one.recall[1]:.1f}{also}")
    figures = scores.as_dict() | conditions | {"baselines_recall_at_1": baselines}
    if alone:
        figures["vectors"] = {name: one.as_dict() for name, one in alone.items()}
    return figures
