"""``slic evaluate NAME``: score an encoder by a protocol, or clusters against labels."""

import sys
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from typing import Any

from slic.cli.clusters import score_clusters
from slic.cli.parser import Verbs, add_verb
from slic.cli.protocols import protocol_summary, score_by_protocol
from slic.cli.retrieval import score_by_retrieval


def add_verbs(verbs: Verbs) -> None:
    """Add ``evaluate``; the words after its name are parsed when the protocol is known."""
    summary = "score an encoder against labels"
    verb = add_verb(verbs, "evaluate", evaluate_by_name, summary, add_help=False)
    verb.add_argument("-h", "--help", action=_PrintProtocols, nargs=0, help=SUPPRESS)
    verb.add_argument(
        "name",
        metavar="NAME",
        help="retrieval, clusters, a protocol, or an import path such as my_module.MyProtocol",
    )
    verb.add_argument("words", metavar="...", nargs="...", help="see slic evaluate NAME --help")


def evaluate_by_name(arguments: Namespace) -> None:
    """Score an encoder by the protocol of a name, or clusters."""
    from slic.evaluation import find_protocol
    from slic.evaluation.retrieval_protocols import RetrievalProtocol

    name, words = arguments.name, arguments.words
    if name == "clusters":
        score_clusters(words)
    elif name == "retrieval" or isinstance(find_protocol(name), RetrievalProtocol):
        score_by_retrieval(name, words)
    else:
        score_by_protocol(name, words)


class _PrintProtocols(Action):
    """Print the help with the table of protocols, which is imported only now: it loads torch."""

    def __call__(self, parser: ArgumentParser, *_: Any) -> None:
        from slic.evaluation import PROTOCOLS

        parser.print_help()
        print("\nprotocols:")
        for name, protocol in PROTOCOLS.items():
            print(f"  {name:<18}{protocol_summary(name, protocol)}")
        sys.exit(0)
