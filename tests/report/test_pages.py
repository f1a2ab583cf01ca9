"""Values are escaped, a missing value is an error, and names need not be valid Unicode."""

import base64
import hashlib
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from slic.report.pages import read_asset, script_hash, write_page

HIT_NAME = "<b>&\udcff.mp4"  # a file name with a byte that is not UTF-8


def test_values_are_escaped_also_if_they_are_not_unicode(tmp_path: Path) -> None:
    search: dict[str, object] = {"title": HIT_NAME, "query": None, "tiles": []}
    write_page(tmp_path / "page.html", "contact_sheet.html", index="i", searches=[search])
    assert "<h2>&lt;b&gt;&amp;?.mp4</h2>" in (tmp_path / "page.html").read_text("utf-8")


def test_a_missing_value_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError, match="'searches' is undefined"):
        write_page(tmp_path / "page.html", "contact_sheet.html", index="i")
    assert list(tmp_path.iterdir()) == []


def test_the_hash_is_that_of_the_script() -> None:
    script = read_asset("report.js")
    digest = base64.b64decode(script_hash(script).removeprefix("sha256-"))
    assert digest == hashlib.sha256(script.encode()).digest()
