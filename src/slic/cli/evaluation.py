"""``slic evaluate``: score an encoder, or what came out of it, against labels."""

from slic.cli import classification, clusters, retrieval
from slic.cli.common import Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add ``evaluate`` and what it can score."""
    verb = verbs.add_parser("evaluate", help="score an encoder against labels")
    kinds = verb.add_subparsers(required=True, metavar="WHAT")
    retrieval.add_kind(kinds)
    clusters.add_kind(kinds)
    classification.add_kinds(kinds)
