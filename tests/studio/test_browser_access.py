"""The page in a real browser: its token, and a file that was swapped."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slic.studio.opening import BrowserLink
from tests.studio.browsing import BROWSER, TIMEOUT, Served, wait_until_playing

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if BROWSER is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)
expect = playwright.expect
expect.set_options(timeout=TIMEOUT)


@pytest.fixture
def own(shared_index: Path, tmp_path: Path) -> Iterator[Served]:
    """Return a served studio of videos that the test may change."""
    shutil.copytree(shared_index, tmp_path / "index")
    shutil.copytree(shared_index.parent / "videos", tmp_path / "videos")
    with sqlite3.connect(tmp_path / "index" / "index.sqlite") as database:
        database.execute("UPDATE videos SET root = ?", (str(tmp_path / "videos"),))
    database.close()
    made = Served(tmp_path / "index")
    yield made
    made.stop()


def test_the_file_that_leads_to_the_page_gives_the_token(
    browser: Any, own: Served, tmp_path: Path
) -> None:
    """A file is another site, so a cookie with SameSite=Strict must not be needed to enter."""
    link = BrowserLink(own.address, tmp_path)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(TIMEOUT)
    page.goto(link.path.as_uri())
    page.wait_for_selector("body[data-ready]")
    assert page.evaluate("location.search") == ""  # the token is no longer on view
    page.reload()
    page.wait_for_selector("body[data-ready]")
    wait_until_playing(page, "#grid video")
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    context.clear_cookies()
    page.reload()
    expect(page.locator("h1")).to_have_text("This page needs the token of the studio")
    context.close()
    link.close()


def test_a_file_that_was_swapped_is_a_note(
    open_page: Callable[..., Any], own: Served, tmp_path: Path
) -> None:
    walk = tmp_path / "videos" / "walk.mp4"
    secret = shutil.move(walk, tmp_path / "secret.mp4")
    walk.symlink_to(shutil.copy(tmp_path / "videos" / "deep/down/wave.mp4", secret))
    page = open_page(own.address)
    tile = page.locator("#grid .tile", has_text="walk.mp4").first
    tile.scroll_into_view_if_needed()
    expect(tile.locator(".gone")).to_contain_text("this is not the file that was indexed")
    tile.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer .empty")).to_contain_text("this is not the file that was indexed")
    other = page.locator("#grid .tile video").first
    expect(other).to_be_attached()
