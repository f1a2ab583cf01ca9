"""File names do not steer the terminal."""

from slic.cli.common import printable


def test_what_would_steer_a_terminal_is_replaced() -> None:
    assert printable("a\x1b[31mX\nY.mp4") == "a\ufffd[31mX\ufffdY.mp4"
    assert printable("Ünï cödé 動画.mp4") == "Ünï cödé 動画.mp4"
