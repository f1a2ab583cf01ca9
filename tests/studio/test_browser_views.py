"""Timeline, map, clusters and curation in a real browser."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slic.search import Index, cluster_of, clusters_per_level, labels_of_moments, list_labels
from slic.search.repository.labels import Segment
from slic.studio.projection import make_map
from tests.studio.browsing import BROWSER, TIMEOUT, Served, wait_until_playing

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if BROWSER is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)
expect = playwright.expect
expect.set_options(timeout=TIMEOUT)

OpenPage = Callable[..., Any]


@pytest.fixture
def own(index_folder: Path) -> Iterator[Served]:
    """Serve an index that the test may change."""
    made = Served(index_folder)
    yield made
    made.stop()


def ranges(index: Index) -> list[tuple[Segment, str]]:
    return [
        (Segment(one.content_id, one.start_seconds, one.end_seconds), one.label)
        for one in list_labels(index)
    ]


def searches_by_two_examples(response: Any) -> bool:
    """Return whether a response is that to two examples: a new label repeats the search before."""
    is_search: bool = response.url.endswith("/api/search")
    return is_search and len(response.request.post_data_json["like"]) == 2


def test_a_range_of_the_timeline_is_labelled_and_searched(open_page: OpenPage, own: Served) -> None:
    page = open_page(own.address)
    page.locator("#grid .tile", has_text="run.webm").first.focus()
    page.keyboard.press("l")
    walk = page.locator("#grid .tile", has_text="walk.mp4").first
    walk.focus()
    page.keyboard.press("Enter")
    wait_until_playing(page, "#viewer video")
    slider = page.get_by_role("slider", name="Position in the video")
    expect(page.locator("#viewer .timeline-tools .hint")).to_contain_text("the taller the bar")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"of 0:03, .*similarity"))

    box = slider.bounding_box()
    y = box["y"] + 30
    page.mouse.move(box["x"] + box["width"] / 3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, y, steps=3)
    page.mouse.move(box["x"] + box["width"] * 2 / 3, y, steps=3)
    page.mouse.up()
    expect(page.locator("#viewer .range-text")).to_have_text("0:01\u20130:02")
    page.get_by_label("Label of the range").fill("turn <b>")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer .as-list li")).to_contain_text(["turn <b>"])
    ((segment, label),) = ranges(own.studio.index)
    assert label == "turn <b>"
    assert (segment.start_seconds, segment.end_seconds) == pytest.approx((1.0, 2.0), abs=0.05)
    assert labels_of_moments(own.studio.index)

    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("[")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#viewer .range-text")).to_have_text(re.compile("0:00.5\u20130:01"))
    with page.expect_response(searches_by_two_examples) as answered:
        page.get_by_role("button", name="More like this range").click()
    example = answered.value.request.post_data_json["like"][1]
    assert (example["start"], example["end"]) == pytest.approx((0.5, 1.0), abs=0.05)
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(".chip.like")).to_have_count(2)
    page.keyboard.press("z")  # the search
    page.keyboard.press("z")  # the label
    expect(page.locator(".toast")).to_contain_text("labelled “turn <b>”")
    assert ranges(own.studio.index) == []


def test_the_timeline_of_a_file_that_no_browser_plays_seeks_in_previews(
    open_page: OpenPage, own: Served
) -> None:
    page = open_page(own.address)
    page.locator("#grid .tile", has_text="jump.avi").first.focus()
    page.keyboard.press("Enter")
    wait_until_playing(page, "#viewer video")
    slider = page.get_by_role("slider", name="Position in the video")
    expect(page.locator("#viewer .timeline-tools .hint")).to_contain_text("moments")
    slider.focus()
    with page.expect_response("**/preview.mp4*start=2.9*"):
        page.keyboard.press("End")
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", re.compile(r"^[01]\."))
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def test_clusters_are_merged_split_and_undone(open_page: OpenPage, own: Served) -> None:
    index = own.studio.index
    before = [cluster_of(index, level=level) for level in range(len(clusters_per_level(index)))]
    page = open_page(own.address + "#clusters")
    page.get_by_role("button", name=re.compile("^Level 0:")).click()
    cards = page.locator("#wall > li")
    total = clusters_per_level(index)[0]
    expect(cards).to_have_count(total)
    for card in range(2):
        cards.nth(card).locator(".pick").click()
    expect(page.locator("#cluster-count")).to_have_text("2 clusters")
    page.get_by_role("button", name="Merge").click()
    expect(cards).to_have_count(total - 1)
    expect(page.locator("#cluster-actions")).to_be_hidden()
    cards.first.locator(".pick").click()
    page.get_by_label("into").fill("3")
    page.locator("#cluster-split").click()
    expect(cards).to_have_count(total + 1)

    cards.first.locator(".cluster").click()
    page.locator("#grid .tile").first.focus()
    page.keyboard.press("x")
    page.get_by_role("button", name="Move", exact=True).click()
    with page.expect_response("**/api/clusters/move"):
        page.locator("#moving").get_by_role("button", name="Move").click()
    expect(page.locator(".toast")).to_contain_text("1 moment moved to a new cluster")
    assert clusters_per_level(index)[0] == total + 2
    page.keyboard.press("c")
    expect(cards).to_have_count(total + 2)
    for number in (total + 1, total - 1, total):
        page.evaluate("document.activeElement.blur()")
        with page.expect_response("**/api/clusters/undo"):
            page.locator("#undo").click()
            if page.locator(".toast", has_text="change of").count():
                page.locator("#undo").click()  # the scope that the cluster was opened with
        expect(cards).to_have_count(number)
    after = [cluster_of(index, level=level) for level in range(len(clusters_per_level(index)))]
    assert after == before


def test_duplicates_are_kept_or_labelled_and_outliers_listed(
    open_page: OpenPage, own: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(  # starting a process takes longer than all the rest
        own.studio.jobs._worker, "follow", lambda _, function, *args: function(*args)
    )
    page = open_page(own.address)
    page.keyboard.press("d")
    with page.expect_response("**threshold=0.8") as answered:
        page.get_by_label("Similarity from").fill("0.8")
    groups = answered.value.json()["total"]
    heads = page.locator("#curate-grid .group-head")
    expect(heads).to_have_count(groups)
    size = int((heads.first.locator("h2").text_content() or "0").split()[0])
    with page.expect_response("**/api/labels"):
        page.locator(".keep").first.click()
    expect(heads).to_have_count(groups - 1)
    expect(page.locator(".toast")).to_contain_text("labelled “duplicate”")
    assert len(list_labels(own.studio.index)) == size - 1
    page.locator("#undo").click()
    expect(heads).to_have_count(groups)
    assert list_labels(own.studio.index) == []
    heads.first.get_by_role("button", name="Hide").click()
    expect(heads).to_have_count(groups - 1)

    page.get_by_role("button", name="Outliers", exact=True).click()
    tiles = page.locator("#curate-grid .tile")
    expect(tiles).to_have_count(min(60, own.studio.index.count))
    page.get_by_role("button", name="Copies").click()
    expect(page.locator("#curate-empty")).to_contain_text("No file has a copy.")


def test_a_preliminary_map_becomes_the_computed_one(
    open_page: OpenPage, own: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def slow(_made: object, folder: Path, **more: Any) -> Any:
        assert go.wait(60)
        return make_map(folder, **more)

    monkeypatch.setattr(own.studio._map_worker, "call", slow)
    page = open_page(own.address + "#map")
    total = own.studio.index.count
    expect(page.locator("#map-status")).to_have_text(
        f"Preliminary (PCA): {total} moments; the map follows…"
    )
    expect(page.locator("#legend button").first).to_be_visible()
    expect(page.locator("#tool-lasso")).to_be_disabled()
    box = page.locator("#plane").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    go.set()
    expect(page.locator("#map-status")).to_have_text(f"{total} moments")
    expect(page.locator("#tool-lasso")).to_be_enabled()
    expect(page.locator("#legend button").first).to_be_visible()
