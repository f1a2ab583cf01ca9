"""The view "Label" in a real browser: one key labels, the history undoes, files come and go."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slic.search import labels_of_moments, set_label, undo_label_change
from slic.studio.projection import make_map
from tests.studio.browsing import BROWSER, TIMEOUT, Served, wait_until_playing

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if BROWSER is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)
expect = playwright.expect
expect.set_options(timeout=TIMEOUT)


@pytest.fixture
def labelled(index_folder: Path) -> Iterator[Served]:
    """Serve an index of which each test may change the labels."""
    made = Served(index_folder)
    yield made
    made.stop()


def first_in_queue(page: Any) -> int:
    return int(page.locator("#queue-list li").first.get_attribute("data-moment"))


def labels_by_moment(served: Served) -> dict[int, str]:
    return {moment: value.label for moment, value in labels_of_moments(served.studio.index).items()}


def add_label(page: Any, name: str) -> None:
    page.keyboard.press("n")
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def test_one_key_labels_moves_on_and_is_undone(
    open_page: Callable[..., Any], labelled: Served
) -> None:
    page = open_page(labelled.address + "#label")
    expect(page.locator("#queue-list li")).to_have_count(9)
    wait_until_playing(page, "#queue-list video")
    seen = []
    for name in ("walk <b>", "run"):
        seen.append(first_in_queue(page))
        add_label(page, name)
    for digit in "212":
        seen.append(first_in_queue(page))
        page.evaluate("window.next = document.querySelectorAll('#queue-list video')[1]")
        page.keyboard.press(digit)
        same = "next === document.querySelector('#queue-list video') && !next.paused"
        assert page.evaluate(same)  # its video is loaded already and plays on
    expect(page.locator("#verdict-labelled")).to_have_text("5 moments labelled")
    names = ["walk <b>", "run", "run", "walk <b>", "run"]
    assert labels_by_moment(labelled) == dict(zip(seen, names, strict=True))
    assert len({*seen, first_in_queue(page)}) == 6
    expect(page.locator("#palette .name span")).to_have_text(["walk <b>", "run"])
    expect(page.locator("#palette .name small")).to_have_text(["2", "3"])

    skipped = first_in_queue(page)
    page.keyboard.press("s")
    assert first_in_queue(page) != skipped
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone: Skipped")
    assert first_in_queue(page) == skipped
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone: 1 moment labelled “run”")
    assert first_in_queue(page) == seen[-1]
    expect(page.locator("#verdict-labelled")).to_have_text("4 moments labelled")
    assert labels_by_moment(labelled) == dict(zip(seen[:-1], names[:-1], strict=True))
    page.keyboard.press("Shift+Z")
    expect(page.locator("#verdict-labelled")).to_have_text("5 moments labelled")
    assert labels_by_moment(labelled)[seen[-1]] == "run"

    expect(page.locator("#palette .name small")).to_have_text(["2", "3"])
    page.click("#palette-sort")  # only now do the digits change, and a reload keeps them
    expect(page.locator("#palette .name span")).to_have_text(["run", "walk <b>"])
    page.reload()
    expect(page.locator("#palette .name span")).to_have_text(["run", "walk <b>"])
    page.keyboard.press("z")  # the history of the page is gone, the studio keeps the changes
    expect(page.locator(".toast")).to_contain_text("Undone: labels of 1 moment")
    assert len(labels_by_moment(labelled)) == 4
    assert page.evaluate("window.hacked") is None


def test_moments_that_the_other_labels_contradict_are_shown_and_corrected(
    open_page: Callable[..., Any], labelled: Served
) -> None:
    index = labelled.studio.index
    for video in index.videos():
        ids = index.matching(f"video_id = {video.id}").tolist()
        set_label(index, ids, "deep" if video.path.startswith(("deep", "walk")) else "other")
    page = open_page(labelled.address + "#label")
    expect(page.locator("#queue-empty")).to_be_visible()
    wrong = page.locator("#verdict-wrong")
    expect(wrong).to_have_text(re.compile(r"^[1-9]\d*$"))
    before = int(wrong.text_content())
    wrong.click()
    expect(page.locator("#checked-grid .tile")).to_have_count(before)
    tile = page.locator("#checked-grid .tile").first
    label = tile.locator(".caption b").text_content()
    guess = tile.locator(".frame > .score").last.text_content()
    assert {label, guess.split("?")[0]} == {"deep", "other"}
    tile.focus()
    names = page.locator("#palette .name span").all_text_contents()
    with page.expect_response("**/api/verdicts"):
        page.keyboard.press(str(names.index(guess.split("?")[0]) + 1))
    expect(tile.locator(".caption b")).to_have_text(guess.split("?")[0])
    page.click("#checked-back")
    expect(page.locator("#checked")).to_be_hidden()


def test_z_takes_back_whatever_was_last(open_page: Callable[..., Any], labelled: Served) -> None:
    ids = labelled.studio.index.ids().tolist()
    set_label(labelled.studio.index, ids[:1], "walk")
    page = open_page(labelled.address)
    tiles = page.locator("#grid .tile")
    total = tiles.count()
    page.keyboard.press("5")
    expect(page.locator(".toast")).to_contain_text("There is no label 5 yet")
    for tile in (0, 1):
        tiles.nth(tile).focus()
        page.keyboard.press("x")
    page.keyboard.press("1")
    expect(page.locator(".toast")).to_contain_text("2 moments labelled “walk”")
    expect(page.locator("#actions")).to_be_hidden()
    picked = [int(tiles.nth(tile).get_attribute("data-moment")) for tile in (0, 1)]
    expect(page.locator("#dock small")).to_have_text(str(len({*picked, ids[0]})))
    tiles.nth(1).focus()
    page.keyboard.press("Backspace")
    expect(page.locator(".toast")).to_contain_text("Label removed from 1 moment")
    page.keyboard.press("l")
    expect(page.locator("#find-title")).to_have_text("Most similar")
    page.fill("#filter-text", "run")
    expect(page.locator('#grid b[title="walk.mp4"]')).to_have_count(0)
    page.locator("#find-title").click()
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone: change of the filter")
    expect(page.locator("#filter-text")).to_have_value("")
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone: change of the likes")
    expect(page.locator("#find-title")).to_have_text("Moments")
    expect(tiles).to_have_count(total)
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone: Label removed from 1 moment")
    assert {labels_by_moment(labelled).get(moment) for moment in picked} == {"walk"}
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone: 2 moments labelled “walk”")
    assert labels_by_moment(labelled) == {ids[0]: "walk"}


def test_a_lasso_is_undone_and_drawn_again(open_page: Callable[..., Any], labelled: Served) -> None:
    make_map(labelled.studio.index.path)
    page = open_page(labelled.address + "#map")
    expect(page.locator("#map-status")).to_have_text(re.compile(r"^\d+ moments"))
    page.click("#tool-lasso")
    box = page.locator("#plane").bounding_box()
    corners = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()
    expect(page.locator("#map-count")).to_have_text(re.compile(r"\d+ moments?"))
    inside = page.locator("#map-count").text_content()
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Undone: change of the lasso")
    expect(page.locator("#map-lassoed")).to_be_hidden()
    page.keyboard.press("Shift+Z")
    expect(page.locator("#map-count")).to_have_text(inside)
    expect(page.locator("#map-lassoed")).to_be_visible()


def test_liked_moments_are_labelled_from_the_query(
    open_page: Callable[..., Any], labelled: Served
) -> None:
    page = open_page(labelled.address)
    liked = []
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    for number in (1, 2):
        liked.append(int(page.locator("#grid .tile").first.get_attribute("data-moment")))
        page.locator(f"#grid [data-moment='{liked[-1]}']").focus()
        page.keyboard.press("l")
        expect(page.locator("#examples .chip")).to_have_count(number)
        expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
        expect(page.locator(f"#grid [data-moment='{liked[-1]}']")).to_have_count(0)
    page.locator("#examples").get_by_role("button", name="Label", exact=True).click()
    page.fill("#labelling-input", "fall")
    with page.expect_response("**/api/labels"):  # the page shows the labels before they are stored
        page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("2 moments labelled “fall”")
    expect(page.locator("#dock-labels")).to_contain_text("fall")
    assert labels_by_moment(labelled) == dict.fromkeys(liked, "fall")


def test_labels_are_downloaded_and_imported(
    open_page: Callable[..., Any], labelled: Served, tmp_path: Path
) -> None:
    index = labelled.studio.index
    set_label(index, index.ids()[:3].tolist(), "Übung")
    page = open_page(labelled.address + "#label")
    page.click("#label-files summary")
    page.select_option("#export-format", "slic")
    with page.expect_download() as downloaded:
        page.click("#export")
    assert downloaded.value.suggested_filename.startswith("labels-index")
    file = tmp_path / "mine é.slic.json"
    downloaded.value.save_as(file)
    undo_label_change(index)
    page.set_input_files("#import-file", str(file))
    expect(page.locator(".toast")).to_contain_text("3 labels imported from mine é.slic.json")
    expect(page.locator("#verdict-labelled")).to_have_text("3 moments labelled")
    page.locator(".toast button").click()
    expect(page.locator("#verdict-labelled")).to_have_text("0 moments labelled")
    assert labels_by_moment(labelled) == {}
    (tmp_path / "words.csv").write_text("these are words")
    page.set_input_files("#import-file", str(tmp_path / "words.csv"))
    expect(page.locator(".toast.bad")).to_contain_text("words.csv")
