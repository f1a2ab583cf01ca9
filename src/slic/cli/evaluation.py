"""Verbs that score an encoder against labels."""

import json
import sys
from argparse import Namespace
from pathlib import Path

from slic.cli.common import Verbs, encoder_argument, open_catalog, print_refused, videos_argument


def add_verbs(verbs: Verbs) -> None:
    """Add ``evaluate`` and what it can score."""
    verb = verbs.add_parser("evaluate", help="score an encoder against labels")
    kinds = verb.add_subparsers(required=True, metavar="WHAT")
    kind = kinds.add_parser("retrieval", help="nearest neighbours of one split in another")
    kind.set_defaults(verb=retrieval)
    videos_argument(kind)
    encoder_argument(kind)
    kind.add_argument("--labels", type=Path, required=True, help="CSV path,label,split")
    kind.add_argument("--queries", default="test", help="split of the queries (default test)")
    kind.add_argument("--gallery", default="train", help="split of the gallery (default train)")
    kind.add_argument("--protocol", default="paper", help="paper, backbone, ... (default paper)")
    kind.add_argument("--json", type=Path, help="also write the scores to this file")


def retrieval(arguments: Namespace) -> None:
    """Score nearest-neighbour retrieval by a named protocol."""
    from slic.encoders.encoder import VideoEncoder
    from slic.evaluation.scoring import chance, mean_frame_scores, score_retrieval, sides
    from slic.files import write_atomically
    from slic.labels import read_labels

    labels = read_labels(arguments.labels)
    encoder = VideoEncoder.from_pretrained(arguments.encoder)
    catalog = open_catalog(arguments.videos, arguments.workers)
    print_refused(catalog, file=sys.stderr)
    split = sides(catalog, labels, queries=arguments.queries, gallery=arguments.gallery)
    scores, _, _ = score_retrieval(
        encoder, split, protocol=arguments.protocol, workers=arguments.workers
    )
    baselines = {"chance": chance(split), "mean frame": mean_frame_scores(split).recall[1]}
    print(scores.table())
    print(", ".join(f"{name} R@1 {100 * value:.1f}" for name, value in baselines.items()))
    if arguments.json:
        figures = scores.as_dict() | {
            "encoder": encoder.fingerprint(),
            "baselines_recall_at_1": baselines,
        }
        write_atomically(arguments.json, json.dumps(figures, indent=2).encode())
