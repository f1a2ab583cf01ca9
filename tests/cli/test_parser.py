"""Arguments that several verbs share."""

from argparse import ArgumentParser, ArgumentTypeError, _SubParsersAction
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from slic.cli import build_parser, main
from slic.cli.completion import build_evaluation_parser
from slic.cli.parser import CommandParser, at_least
from slic.datasets import DATASETS


def test_the_help_of_labels_names_every_data_set() -> None:
    parser = CommandParser()
    parser.add_labels(required=True, use="; they are evaluated")
    text = " ".join(parser.format_help().split())
    assert "ucf101:1|2|3, hmdb51:1|2|3, kinetics400, table:FILE.csv, tree" in text
    assert all(name in text for name in DATASETS)
    assert "; they are evaluated" in text


def test_numbers_are_whole_and_have_a_minimum() -> None:
    convert = at_least(1)
    assert convert("7") == 7
    for word in ("0", "-1", "1.5", "many", str(2**31)):
        with pytest.raises(ArgumentTypeError, match=f"{word!r} is not a whole number from 1 to"):
            convert(word)


def test_the_help_of_a_number_ends_with_its_default() -> None:
    parser = CommandParser()
    parser.add_count("--clips", "clips per video", default=10)
    parser.add_count("--workers", "processes (default: all cores)")
    text = " ".join(parser.format_help().split())
    assert "--clips N clips per video (default: 10)" in text
    assert text.endswith("--workers N processes (default: all cores)")
    assert vars(parser.parse_args([])) == {"clips": 10, "workers": None}


@pytest.fixture
def parser() -> CommandParser:
    parser = CommandParser()
    parser.add_path("--out", "file")
    parser.add_switch("--again", "again")
    parser.add_argument("--like", action="append", default=[])
    parser.add_argument("place", nargs="?", metavar="PLACE")
    parser.only_with("--out", "--again", "PLACE")
    return parser


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--again --again", "argument --again: given more than once."),
        ("--again --out a --out=a", "argument --out: given more than once."),
        ("--aga", "unrecognized arguments: --aga"),
        ("--out a", "--out is for --again or PLACE, which is not given."),
    ],
)
def test_what_would_be_ignored_is_wrong_usage(
    parser: CommandParser, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(words.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"error: {said}")


@pytest.mark.parametrize("words", ["--again --out a", "here --out a", "--like a --like b", ""])
def test_what_belongs_together_is_taken(parser: CommandParser, words: str) -> None:
    parsed = parser.parse_args(words.split())
    assert parsed.like == (["a", "b"] if "like" in words else [])
    assert parser.parse_args([]).place is None  # nothing is kept from the words before


def _verbs(parser: ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the words of every verb that does something."""
    inner = [a for a in parser._actions if isinstance(a, _SubParsersAction)]
    if not inner:
        yield path
    for name, verb in (pair for action in inner for pair in action.choices.items()):
        yield from _verbs(verb, (*path, name))


def _parser_of(path: tuple[str, ...]) -> ArgumentParser:
    found: ArgumentParser = build_evaluation_parser() if path[0] == "evaluate" else build_parser()
    for name in path[1:] if path[0] == "evaluate" else path:
        (inner,) = (a for a in found._actions if isinstance(a, _SubParsersAction))
        found = inner.choices[name]
    return found


VERBS = [path for path in _verbs(build_parser()) if path != ("evaluate",)]
VERBS += [("evaluate", *path) for path in _verbs(build_evaluation_parser())]


def _needed(parser: ArgumentParser) -> list[str]:
    """Return words that give what a verb needs."""
    words = []
    for action in parser._actions:
        value = str(next(iter(action.choices))) if action.choices else "0"
        if action.option_strings and action.required:
            words += [action.option_strings[0], value]
        elif not action.option_strings and action.nargs in (None, "+"):
            words += [value]
    groups = [group for group in parser._mutually_exclusive_groups if group.required]
    return words + [group._group_actions[0].option_strings[0] for group in groups]


def _usage_error(
    run: Callable[[Sequence[str]], object],
    words: Sequence[str],
    capsys: pytest.CaptureFixture[str],
) -> str:
    """Parse words or run the command, and return the line of an error of usage."""
    with pytest.raises(SystemExit) as ended:
        run(words)
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, ""), (words, err)
    *usage, line = err.splitlines()
    assert all(text.startswith(("usage: ", " ")) for text in usage), (words, err)
    return line


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_no_verb_ignores_what_it_does_not_know(
    path: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # no videos, no run
    words = [*path, *_needed(_parser_of(path))]
    assert "nonsense" in _usage_error(main, [*words, "--nonsense=3"], capsys)
    if path not in (("pretrain",), ("prepare",)):
        assert "train.epochs" in _usage_error(main, [*words, "--train.epochs=3"], capsys)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_option_is_written_out_and_given_once(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = _parser_of(path)
    words, parse = _needed(parser), parser.parse_args
    for action in parser._actions:
        option = next((name for name in action.option_strings if name.startswith("--")), "")
        if option == "--help" or len(option) < 4:
            continue
        value = [] if action.nargs == 0 else [str(next(iter(action.choices or ["1"])))]
        _usage_error(parse, [*words, option[:-1], *value], capsys)
        if type(action).__name__ in ("_AppendAction", "_ExtendAction"):
            continue
        line = _usage_error(parse, [*words, option, *value, option, *value], capsys)
        assert option in line or "one of the arguments" in line
        if "at_least" in str(action.type):
            for wrong in ("-1", "1.5", "many", str(2**31)):
                line = _usage_error(parse, [*words, f"{option}={wrong}"], capsys)
                assert "is not a whole number" in line or "more than once" in line
