"""The verb that scores nearest-neighbour retrieval."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.common import (
    Verbs,
    cache_argument,
    encoder_argument,
    feature_cache,
    labels_argument,
    load_encoder,
    open_labelled,
    print_refused,
    print_table,
    require_file_paths,
    videos_argument,
)

if TYPE_CHECKING:
    from slic.embeddings import Embeddings
    from slic.evaluation.retrieval import RetrievalScores
    from slic.evaluation.scoring import Sides

PROTOCOLS = "paper, backbone, paper-centred, backbone-centred or sliding-windows"


def add_kind(kinds: Verbs) -> None:
    """Add ``retrieval`` to ``evaluate``."""
    kind = kinds.add_parser("retrieval", help="nearest neighbours of one split in another")
    kind.set_defaults(verb=retrieval)
    videos_argument(kind)
    encoder_argument(kind)
    labels_argument(kind, required=True)
    kind.add_argument("--queries", default="test", help="split of the queries (default test)")
    kind.add_argument("--gallery", default="train", help="split of the gallery (default train)")
    kind.add_argument("--protocol", default="paper", help=f"{PROTOCOLS} (default paper)")
    kind.add_argument(
        "--skip-map", action="store_true", help="leave out the mAP, slow with a million videos"
    )
    kind.add_argument("--json", type=Path, help="also write scores and confusion to this file")
    kind.add_argument(
        "--pictures", type=Path, metavar="FILE.html", help="also show queries that went well or ill"
    )
    cache_argument(kind)


def retrieval(arguments: Namespace) -> None:
    """Score nearest-neighbour retrieval by a named protocol."""
    from slic.evaluation.scoring import mean_frame_scores, named_protocol, score_retrieval, sides

    named_protocol(arguments.protocol)  # refused before any work
    require_file_paths(arguments.json, arguments.pictures)
    encoder = load_encoder(arguments.encoder)
    catalog, labels = open_labelled(
        arguments.videos,
        labels=arguments.labels,
        annotations=arguments.annotations,
        workers=arguments.workers,
    )
    print_refused(catalog.refused, file=sys.stderr)
    split = sides(catalog, labels, queries=arguments.queries, gallery=arguments.gallery)
    precise = not arguments.skip_map
    with feature_cache(arguments.cache, arguments.json or arguments.pictures) as cache:
        scores, query, gallery = score_retrieval(
            encoder,
            split,
            protocol=arguments.protocol,
            average_precision=precise,
            workers=arguments.workers,
            cache=cache,
        )
        mean_frame = mean_frame_scores(split, average_precision=precise, cache=cache)
        _tell(arguments, split, scores, mean_frame, query, gallery)


def _tell(
    arguments: Namespace,
    split: "Sides",
    scores: "RetrievalScores",
    mean_frame: "RetrievalScores",
    query: "Embeddings",
    gallery: "Embeddings",
) -> None:
    """Print the scores and write the files that were asked for."""
    from slic.evaluation.scoring import chance, named_protocol
    from slic.files import write_atomically
    from slic.report.retrieval_page import retrieval_rows, write_retrieval_page

    about = {
        "encoder": query.encoder,
        "encoder_folder": str(arguments.encoder),
        "videos": str(arguments.videos),
        "labels": arguments.labels,
        "splits": f"queries {arguments.queries}, gallery {arguments.gallery}",
        "absent_videos": len(split.absent),
    }
    baselines = {"chance": chance(split), "mean frame": mean_frame.recall[1]}
    print(f"encoder {arguments.encoder} ({query.encoder})")
    print(f"videos {arguments.videos}, labels {arguments.labels}, {about['splits']}")
    if split.absent:
        print(
            f"{len(split.absent)} videos of these splits are absent, the first: {split.absent[0]}"
        )
    print_table(scores.table())
    print(", ".join(f"{name} R@1 {100 * value:.1f}" for name, value in baselines.items()))
    if arguments.json:
        figures = scores.as_dict() | about | {"baselines_recall_at_1": baselines}
        write_atomically(arguments.json, json.dumps(figures, indent=2).encode())
    if arguments.pictures:
        write_retrieval_page(
            arguments.pictures,
            scores=scores,
            beside={"mean frame": mean_frame},
            rows=retrieval_rows(
                split, query, gallery, centre=named_protocol(arguments.protocol).centre
            ),
            split=split,
            facts=[(name.replace("_", " "), str(value)) for name, value in about.items()],
        )
        print(f"{arguments.pictures}: queries with their nearest neighbours")
