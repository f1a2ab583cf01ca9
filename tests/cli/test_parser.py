"""Arguments that several verbs share."""

from argparse import ArgumentTypeError

import pytest

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
