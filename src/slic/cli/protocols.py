"""Score an encoder by a protocol; the constructor of a protocol class becomes its options."""

import inspect
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from slic.cli.common import (
    feature_cache,
    keep_freed_memory,
    load_encoder,
    open_labelled,
    require_file_paths,
)
from slic.cli.output import (
    STDOUT,
    exit_with_error,
    format_command,
    json_writer,
    print_refused,
    print_table,
)
from slic.cli.parser import CommandParser

if TYPE_CHECKING:
    from slic.evaluation import LabelledSplit, Scores
    from slic.evaluation.base import AnyProtocol, EvaluationProtocol
    from slic.models.encoder import VideoEncoder

OPTION_TYPES = (int, float, str, Path)


def score_by_protocol(name: str, words: Sequence[str]) -> None:
    """Score an encoder by a protocol of `slic.evaluation.PROTOCOLS` or of an import path."""
    from slic.evaluation import find_protocol
    from slic.signals import StopRequested, exit_code

    part = find_protocol(name)
    arguments = build_protocol_parser(name, part).parse_args(words)
    output = arguments.json if arguments.json != STDOUT else None
    require_file_paths(output)
    protocol = _build_protocol(part, arguments)
    encoder = load_encoder_to_score(arguments, seed=getattr(protocol, "seed", 0))
    split = open_split(arguments, require_usable=True)
    keep_freed_memory()
    try:
        with (
            json_writer(arguments.json) as write,
            feature_cache(arguments.cache, output) as cache,
        ):
            scores = protocol.score(encoder, split, workers=arguments.workers, cache=cache)
            write(_print_and_describe(scores, protocol, encoder, arguments))
    except StopRequested as stop:
        resume = format_command("evaluate", name, *(w for w in words if w != "--resume"))
        exit_with_error(f"stopped and saved. Continue with: {resume} --resume", exit_code(stop))


def add_evaluation_arguments(parser: CommandParser) -> None:
    """Add the videos, the encoder, the labels with their two splits, and ``--json``."""
    parser.add_videos()
    parser.add_encoder()
    parser.add_labels(required=True)
    text = "split of the training videos, the gallery (default: train)"
    parser.add_argument("--train-split", "--gallery", default="train", metavar="SPLIT", help=text)
    text = "split of the test videos, the queries (default: test)"
    parser.add_argument("--test-split", "--queries", default="test", metavar="SPLIT", help=text)
    parser.add_json_file()


def load_encoder_to_score(arguments: Namespace, *, seed: int) -> "VideoEncoder":
    """Return the encoder, or one of its architecture with random weights, on the GPU if any."""
    from slic.evaluation.classification.classifier import random_encoder

    encoder = load_encoder(arguments.encoder)
    if not arguments.from_scratch:
        return encoder
    return random_encoder(encoder.config, seed=seed).eval().to(next(encoder.parameters()).device)


def open_split(arguments: Namespace, *, require_usable: bool = False) -> "LabelledSplit":
    """Return the training and test videos, and print the refused files to stderr.

    Args:
        arguments: See `add_evaluation_arguments`.
        require_usable: Fail if more than 10 % of the files were refused.
    """
    from slic.evaluation.base import split_by_labels

    catalog, labels = open_labelled(arguments, workers=arguments.workers)
    print_refused(catalog.refused)
    if require_usable:
        catalog.require_usable()
    return split_by_labels(catalog, labels, train=arguments.train_split, test=arguments.test_split)


def protocol_summary(name: str, part: "AnyProtocol") -> str:
    """Return a protocol in one line: its description, or the first line of its docstring."""
    from slic.cli.settings_help import docstring_summary

    described = getattr(part, "description", None)
    summary = described if isinstance(described, str) else docstring_summary(part)
    return summary.removeprefix(f"{name}: ")


def add_constructor_options(parser: ArgumentParser, constructor: type) -> None:
    """Add an option for each constructor argument that is a number, word, path, switch or choice.

    The help is the description in the docstrings of the class and its bases. An option that is not
    given is not in the namespace.
    """
    from slic.cli.settings_help import argument_meanings

    meanings = argument_meanings(constructor)
    for name, parameter in inspect.signature(constructor, eval_str=True).parameters.items():
        kind, default = _without_none(parameter.annotation), parameter.default
        options: dict[str, Any] = {"dest": name, "default": SUPPRESS}
        flag = f"--{name.replace('_', '-')}"
        hint = "" if default is None or isinstance(default, bool) else f" (default: {default})"
        if kind is bool:
            flag = flag if not default else flag.replace("--", "--no-", 1)
            options["action"] = "store_false" if default else "store_true"
        elif get_origin(kind) is Literal:
            options["choices"] = get_args(kind)
        elif kind in OPTION_TYPES:
            options |= {"type": kind, "metavar": name.upper()}
        else:
            continue
        if default is parameter.empty:
            options["required"], hint = True, ""
        help_ = meanings.get(name, "").replace("%", "%%") + hint
        parser.add_argument(flag, help=help_, **options)


def _without_none(annotation: Any) -> Any:
    """Return ``X`` for ``X | None``, and anything else as it is."""
    if not isinstance(annotation, UnionType):
        return annotation
    others = [kind for kind in get_args(annotation) if kind is not type(None)]
    return others[0] if len(others) == 1 else annotation


def build_protocol_parser(name: str, part: "AnyProtocol") -> CommandParser:
    """Return the parser of ``slic evaluate NAME``, with the options of the protocol."""
    parser = CommandParser(f"slic evaluate {name}", description=protocol_summary(name, part))
    add_evaluation_arguments(parser)
    parser.add_switch("--from-scratch", "random weights, in the encoder's architecture")
    parser.set_defaults(cache=None)
    if isinstance(part, type):
        add_constructor_options(parser, part)
    if not hasattr(part, "resumed"):  # such a protocol keeps a run folder of its own
        parser.add_cache()
    return parser


def _build_protocol(part: "AnyProtocol", arguments: Namespace) -> "EvaluationProtocol":
    """Construct the protocol with the options that were given; a resumed run has its own."""
    if not isinstance(part, type):
        return part  # type: ignore[return-value]  # `find_protocol` checked it
    parameters = inspect.signature(part).parameters
    given = {name: value for name, value in vars(arguments).items() if name in parameters}
    if given.pop("resume", False):
        out = given.pop("out", parameters["out"].default)
        resumed: EvaluationProtocol = part.resumed(out, **given)  # type: ignore[attr-defined]
        return resumed
    built: EvaluationProtocol = part(**given)
    return built


def _print_and_describe(
    scores: "Scores", protocol: "EvaluationProtocol", encoder: "VideoEncoder", arguments: Namespace
) -> dict[str, Any]:
    """Print the table; return what the JSON file has."""
    weights = "from scratch" if arguments.from_scratch else str(arguments.encoder)
    print_table(scores.table())
    print(f"encoder {encoder.fingerprint()} ({weights})")
    figures = scores.as_dict() | {
        "encoder": encoder.fingerprint(),
        "from_scratch": arguments.from_scratch,
        "labels": arguments.labels,
        "splits": f"train {arguments.train_split}, test {arguments.test_split}",
    }
    if is_dataclass(protocol) and not isinstance(protocol, type):
        figures["settings"] = asdict(protocol)
    return figures
