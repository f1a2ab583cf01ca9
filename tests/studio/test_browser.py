"""The studio in a real browser, from an uploaded video to a label that outlives a restart."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slic.models.encoder import VideoEncoder
from slic.search import (
    Index,
    create_index,
    set_label,
    undo_label_change,
    update_index,
)
from slic.search.repository.videos import delete_video
from slic.studio.indexing import INDEX_NAME, BackgroundIndexing
from slic.studio.projection import make_map
from slic.videos.catalog import Catalog
from tests.studio.browsing import BROWSER, TIMEOUT, Served, moments, wait_until_playing

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if BROWSER is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)
expect = playwright.expect
expect.set_options(timeout=TIMEOUT)


def test_a_video_is_uploaded_trimmed_found_and_refined(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    video = next(v for v in served.studio.index.videos() if v.path == "jump.avi")
    page.set_input_files("#file", str(video.file))
    expect(page.locator("#find-title")).to_have_text("Most similar")
    wait_until_playing(page, "#upload video")  # as a preview, because no browser plays the file
    wait_until_playing(page, "#grid .tile video")

    start = page.get_by_label("Start of the query")
    with page.expect_response("**/api/search") as answered:
        start.fill("0.95")
    assert answered.value.request.post_data_json["like"][0]["start"] == 0.95
    with page.expect_response("**/api/search"):
        start.press("ArrowRight")
    expect(page.locator("#grid")).to_have_attribute(
        "aria-busy", "false"
    )  # after this the focus stays
    expect(page.locator(".times span").first).to_have_text("0:01")
    expect(page.locator("#grid .caption b").first).to_have_text("jump.avi")
    score = page.locator("#grid .score").first
    expect(score).to_have_attribute(
        "title", re.compile(r"^Rank 1, more alike than .* %.* cosine similarity (1\.000|0\.9\d\d)$")
    )

    other = page.locator("#grid .tile", has_text="run.webm").first
    moment = other.get_attribute("data-moment")
    other.focus()
    page.keyboard.press("u")
    expect(page.locator(".chip.unlike")).to_have_count(1)
    expect(page.locator(f'#grid [data-moment="{moment}"]')).to_have_count(0)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#find-title")).to_have_text("Moments")
    expect(page.locator("#upload")).to_be_hidden()


def test_a_file_that_is_not_a_video_or_too_large_is_refused(
    open_page: Callable[..., Any], served: Served, tmp_path: Path
) -> None:
    page = open_page(served.address)
    (tmp_path / "words.mp4").write_text("these are words")
    page.set_input_files("#file", str(tmp_path / "words.mp4"))
    expect(page.locator(".toast.bad")).to_contain_text("cannot be read as a video")

    with (tmp_path / "three gigabytes.mp4").open("wb") as file:
        file.truncate(3 << 30)
    page.set_input_files("#file", str(tmp_path / "three gigabytes.mp4"))
    expect(page.locator(".toast.bad")).to_contain_text(
        "has 3,072 MB. At most 500 MB can be uploaded"
    )
    page.locator("#grid .tile").first.focus()
    page.keyboard.press("l")
    expect(page.locator("#find-title")).to_have_text("Most similar")


def test_the_map_plays_the_hovered_moment_and_a_lasso_selects(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address + "#map")
    total = served.studio.index.count
    expect(page.locator("#map-status")).to_have_text(f"{total} moments")
    page.wait_for_selector("#legend button")
    drawn = make_map(served.studio.index.path)
    box = page.locator("#plane").bounding_box()
    side = 0.9 * min(box["width"], box["height"])
    left, bottom = (box["width"] - side) / 2, (box["height"] + side) / 2
    x, y = drawn.positions[0] / 65535
    page.mouse.move(box["x"] + left + x * side, box["y"] + bottom - y * side)
    wait_until_playing(page, "#hover-card video")

    page.get_by_role("button", name="Lasso").click()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.5), (0.5, 0.98), (0.02, 0.98), (0.02, 0.02)]
    for number, (across, down) in enumerate(corners):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    expect(page.locator("#map-count")).to_have_text(re.compile(r"\d+ moments?"))
    inside = int((page.locator("#map-count").text_content() or "0").split()[0])
    assert 0 < inside <= total
    page.keyboard.press("f")
    expect(page.locator("#scope")).to_contain_text("Inside the lasso")
    expect(page.locator("#grid .tile")).to_have_count(inside)


def test_a_lasso_holds_more_moments_than_the_page_draws(
    open_page: Callable[..., Any], served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slic.studio.routes.moment_map.MAX_SHOWN_POINTS", 4)
    make_map(served.studio.index.path)
    total = served.studio.index.count
    page = open_page(served.address + "#map")
    expect(page.locator("#map-status")).to_have_text(f"4 of {total} moments")
    page.wait_for_selector("#legend button")
    page.get_by_role("button", name="Lasso").click()
    box = page.locator("#plane").bounding_box()
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.01)]
    for number, (across, down) in enumerate(corners):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    expect(page.locator("#map-count")).to_have_text(f"{total} moments")
    page.keyboard.press("f")
    expect(page.locator("#grid .tile")).to_have_count(total)


def test_the_label_of_a_cluster_outlives_a_restart(
    open_page: Callable[..., Any], served: Served, folder: Path
) -> None:
    page = open_page(served.address + "#clusters")
    wait_until_playing(page, "#wall video")
    page.locator('#wall button[aria-label^="Label "]').first.click()
    hostile = "wave <b onclick='hacked=1'>"
    page.locator("#labelling").get_by_label("Label", exact=True).fill(hostile)
    page.keyboard.press("Enter")
    expect(page.locator("#wall .cluster-foot b").first).to_have_text(hostile)
    page.context.close()

    again = Served(folder)
    try:
        page = open_page(again.address + "#clusters")
        expect(page.locator("#wall .cluster-foot b").first).to_have_text(hostile)
        page.keyboard.press("/")
        page.keyboard.type("wave <b")
        expect(page.locator("#grid .caption b").first).to_have_text(hostile)
        assert page.evaluate("window.hacked") is None
    finally:
        again.stop()


def test_file_names_are_shown_as_text(open_page: Callable[..., Any], served: Served) -> None:
    page = open_page(served.address)
    shown = page.locator("#grid .caption b").all_text_contents()
    for video in served.studio.index.videos():
        assert video.path.split("/")[-1] in shown
    assert page.evaluate("window.hacked") is None
    assert page.locator("#grid img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_filter_without_matches_can_be_changed(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    page.keyboard.press("/")
    page.keyboard.type("there is no such text")
    expect(page.locator("#grid .empty")).to_be_visible()
    page.fill("#filter-text", "WALK")
    expect(page.locator('#grid b[title="walk.mp4"]').first).to_be_visible()
    expect(page.locator("#grid .empty")).to_have_count(0)
    set_label(served.studio.index, served.studio.index.ids()[:1].tolist(), "Übung")
    page.fill("#filter-text", "Übung")
    expect(page.locator("#grid .caption b")).to_have_text(["Übung"])
    undo_label_change(served.studio.index)


def test_the_filter_keeps_a_label_that_no_moment_has_any_more(
    open_page: Callable[..., Any], served: Served
) -> None:
    set_label(served.studio.index, served.studio.index.ids()[:3].tolist(), "Schritt")
    page = open_page(served.address)
    page.click("#filter-more")
    page.select_option("#filter-label", "=Schritt")
    expect(page.locator("#grid .tile")).to_have_count(3)
    page.click("#find-title")
    page.keyboard.press("a")
    page.keyboard.press("n")
    with page.expect_response("**/api/summary") as answered:
        page.click("#labelling-remove")
    assert "Schritt" not in [entry["label"] for entry in answered.value.json()["labels"]]
    expect(page.locator(".toast")).to_contain_text("Label removed from 3 moments")
    assert page.input_value("#filter-label") == "=Schritt"


def test_a_toast_undoes_only_its_own_change(open_page: Callable[..., Any], served: Served) -> None:
    index = served.studio.index
    page = open_page(served.address)
    page.locator("#grid .tile:has(b.unlabelled)").first.focus()
    page.keyboard.press("n")
    page.click("#labelling-remove")
    expect(page.locator(".toast")).to_contain_text("Label removed from 0 moments")
    expect(page.locator(".toast button")).to_have_count(0)
    page.keyboard.press("n")
    page.fill("#labelling-input", "mine")
    with page.expect_response("**/api/labels"):  # the page shows the label before it is stored
        page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("1 moment labelled")
    theirs = set_label(index, index.ids()[-1:].tolist(), "theirs")
    page.locator(".toast button").click()
    expect(page.locator(".toast.bad")).to_contain_text("Labels have changed since")
    undo_label_change(index, change_id=theirs.id)
    undo_label_change(index)


def test_show_more_keeps_results_and_adds_new_ones(
    open_page: Callable[..., Any], served: Served
) -> None:
    """A search for more results may order them differently, or drop some."""
    page = open_page(served.address)
    tiles = page.evaluate(
        """async () => (await (await fetch("/api/browse", { method: "POST", body: '{"limit": 500}',
            headers: { "Content-Type": "application/json", "X-Slic-Token":
                document.querySelector('meta[name="slic-token"]').content } })).json()).moments"""
    )
    many = [tiles[0] | {"moment": number} for number in range(98)]
    first, more = many[:48], [*many[48:], *many[:46]]  # two are dropped, 50 are new

    def answer(route: Any) -> None:
        k = route.request.post_data_json["k"]
        route.fulfill(json={"moments": first if k == 48 else more[:k], "seconds": 0.0})

    page.route("**/api/search", answer)
    page.locator("#grid .tile").first.focus()
    page.keyboard.press("l")
    expect(page.locator("#grid .tile")).to_have_count(48)
    page.click("#more")
    expect(page.locator("#grid .tile")).to_have_count(98)
    assert sorted(map(int, moments(page))) == list(range(98))
    page.click("#more")
    expect(page.locator("#more")).to_be_hidden()


def test_the_viewer_falls_back_to_a_preview_and_stops_it_when_closed(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    junk = {"status": 200, "body": b"junk", "content_type": "video/mp4"}
    page.route(re.compile(r"/media/videos/\d+(\?|$)"), lambda route: route.fulfill(**junk))
    page.reload()
    page.locator("#grid .tile", has_text="walk.mp4").first.focus()
    page.keyboard.press("Enter")
    wait_until_playing(page, "#viewer video")
    video = page.query_selector("#viewer video")
    assert "preview.mp4" in video.get_attribute("src")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    stopped = "video => video.paused && !video.getAttribute('src')"
    page.wait_for_function(stopped, arg=video)  # the close event comes after the dialog is hidden


def test_media_addresses_name_the_content(open_page: Callable[..., Any], served: Served) -> None:
    page = open_page(served.address)
    wait_until_playing(page, "#grid .tile video")
    requested = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    contents = {str(v.id): v.content_id[:12] for v in served.studio.index.videos()}
    media = [
        re.search(r"/media/videos/(\d+)[^?]*\?content=(\w*)", a)
        for a in requested
        if "/media/" in a
    ]
    assert media
    assert all(found and contents[found[1]] == found[2] for found in media)


def test_the_map_is_reloaded_when_moments_are_removed(
    open_page: Callable[..., Any], index_folder: Path
) -> None:
    make_map(index_folder)
    served = Served(index_folder)
    try:
        page = open_page(served.address + "#map")
        page.wait_for_selector("#legend button")
        index = served.studio.index
        with index.database.transaction() as connection:
            delete_video(connection, index.videos()[0].id)
        make_map(index_folder)
        page.select_option("#colours", "cluster:0")
        expect(page.locator("#map-status")).to_have_text(f"{index.count} moments")
        expect(page.locator(".toast")).to_have_count(0)
    finally:
        served.stop()


def test_everything_can_be_reached_with_the_keyboard(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skip the bar
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.moment") == moments(page)[0]
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")  # to the first tile
    page.keyboard.press("ArrowRight")
    second = moments(page)[1]
    assert page.evaluate("document.activeElement.dataset.moment") == second
    page.keyboard.press("x")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    expect(page.locator("#actions-count")).to_have_text("2 selected")
    page.keyboard.press("n")
    page.keyboard.type("same kind")
    page.keyboard.press("Enter")
    expect(page.locator("#grid .caption b", has_text="same kind")).to_have_count(2)
    expect(page.locator("#actions")).to_be_hidden()
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#grid .caption b", has_text="same kind")).to_have_count(0)
    page.locator("#grid .tile").first.focus()
    page.keyboard.press("Enter")
    wait_until_playing(page, "#viewer video")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1000, 700), (375, 740)])
def test_no_view_is_wider_than_the_screen(
    open_page: Callable[..., Any], served: Served, width: int, height: int, scheme: str
) -> None:
    page = open_page(served.address, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    for view in ("find", "label", "map", "clusters", "runs"):
        page.evaluate("view => { location.hash = view }", view)
        expect(page.locator(f"#view-{view}")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 380) == (scheme == "light")
    without_name = page.evaluate(
        """[...document.querySelectorAll('button, a, input, select')].filter(e =>
            e.checkVisibility() && !e.textContent.trim()
            && !e.getAttribute('aria-label') && !e.labels?.length
        ).map(e => e.outerHTML)"""
    )
    assert without_name == []


@pytest.fixture
def of_parts(tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path) -> Iterator[Served]:
    """Serve an index of the parts motion and text."""
    made = create_index(tmp_path / "parts", colour_encoder, window_seconds=1.0)
    catalog = Catalog.from_folder(colour_videos, workers=1, cache=False, progress=False)
    update_index(made, catalog, workers=0, progress=False)
    made.close()
    served = Served(tmp_path / "parts")
    yield served
    served.stop()


def test_text_and_the_balance_search_and_are_kept_in_the_address(
    open_page: Callable[..., Any], of_parts: Served
) -> None:
    page = open_page(of_parts.address)
    expect(page.locator("#weights input")).to_have_count(1)  # two parts have one slider
    expect(page.locator("#weights output")).to_have_text(["50 %", "50 %"])
    page.get_by_label("Describe what to find").fill("something blue")
    expect(page.locator("#find-title")).to_have_text("Most similar")
    expect(page.locator("#grid .caption b").first).to_have_text("blue.mp4")
    expect(page.locator("#weights-source")).to_have_text("equal")

    page.locator("#grid .tile", has_text="green.mp4").first.focus()
    with page.expect_response("**/api/search") as answered:
        page.keyboard.press("l")
    assert answered.value.request.post_data_json["text"] == "something blue"
    with page.expect_response("**/api/search") as answered:
        page.get_by_label("Balance between motion and text").fill("1")
    assert answered.value.request.post_data_json["weights"] == {"motion": 0, "text": 1}
    assert answered.value.json()["weights_from"] == "you"
    expect(page.locator("#weights output")).to_have_text(["0 %", "100 %"])
    expect(page.locator("#weights-source")).to_have_text("set by you")
    address = page.evaluate("location.href")
    assert address.endswith("?text=something+blue&weights=motion:0,text:1#find")

    again = open_page(f"{of_parts.address}&{address.partition('?')[2]}")
    expect(again.locator("#grid .caption b").first).to_have_text("blue.mp4")
    expect(again.get_by_label("Balance between motion and text")).to_have_value("1")
    expect(again.get_by_label("Describe what to find")).to_have_value("something blue")
    with again.expect_response("**/api/search") as answered:
        again.get_by_role("button", name="Automatic").click()
    assert answered.value.request.post_data_json["weights"] is None
    expect(again.locator("#weights output")).to_have_text(["50 %", "50 %"])
    expect(again.get_by_role("button", name="Automatic")).to_be_hidden()
    again.get_by_role("button", name="Start over").click()
    expect(again.locator("#find-title")).to_have_text("Moments")
    assert again.evaluate("location.search") == ""


def test_the_balance_shows_the_weights_that_three_likes_set_until_it_is_moved(
    open_page: Callable[..., Any], of_parts: Served
) -> None:
    page = open_page(of_parts.address)
    tiles = page.locator("#grid .tile")
    expect(tiles).to_have_count(9)
    expect(page.locator("#weights-source")).to_have_text("automatic")
    page.keyboard.press("a")
    for tile in range(6):  # of nine, three stay selected
        tiles.nth(tile).focus()
        page.keyboard.press("x")
    with page.expect_response("**/api/search") as answered:
        page.keyboard.press("l")
    assert answered.value.request.post_data_json["weights"] is None
    weights = answered.value.json()["weights"]
    percents = [f"{round(100 * weights[name])} %" for name in ("motion", "text")]
    assert percents != ["50 %", "50 %"]
    expect(page.locator("#weights output")).to_have_text(percents)
    expect(page.locator("#weights-source")).to_have_text("from your 3 likes")
    slider = page.get_by_label("Balance between motion and text")
    assert float(slider.input_value()) == pytest.approx(weights["text"], abs=0.026)
    assert page.evaluate("location.search") == ""

    with page.expect_response("**/api/search") as answered:
        slider.fill("0.25")
    sent = answered.value.request.post_data_json["weights"]
    assert sent == {"motion": 0.75, "text": 0.25}
    with page.expect_response("**/api/search"):
        page.get_by_role("button", name="Automatic").click()
    expect(page.locator("#weights output")).to_have_text(percents)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#weights output")).to_have_text(["50 %", "50 %"])


def test_three_parts_have_sliders_of_which_the_last_stays_above_zero(
    open_page: Callable[..., Any], of_parts: Served
) -> None:
    page = open_page(of_parts.address)

    def add_a_part(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"parts": ["sound", "motion", "text"]})

    page.route("**/api/summary", add_a_part)
    page.goto(of_parts.address + "&weights=sound:0,motion:0,text:1")
    page.reload()
    expect(page.locator("#weights input")).to_have_count(3)
    page.get_by_label("Weight of text").fill("0")
    expect(page.get_by_label("Weight of text")).to_have_value("0.05")
    expect(page.locator("#weights output")).to_have_text(["0 %", "0 %", "100 %"])


def test_an_index_without_text_says_what_to_do(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address + "&text=red&weights=motion:1")
    expect(page.locator("#find-title")).to_have_text("Moments")
    expect(page.get_by_label("Describe what to find")).to_be_disabled()
    expect(page.locator("#no-text")).to_contain_text("an encoder with text, such as X-CLIP")
    expect(page.locator("#weights")).to_be_hidden()


def test_a_folder_is_shown_while_it_is_indexed(
    open_page: Callable[..., Any], tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path
) -> None:
    videos = Path(shutil.copytree(colour_videos, tmp_path / "videos"))
    (videos / "broken.mp4").write_bytes(b"no video")
    create_index(videos / INDEX_NAME, colour_encoder, window_seconds=1.0).close()
    indexing = BackgroundIndexing(videos / INDEX_NAME, videos, workers=0)
    served = Served(videos / INDEX_NAME, indexing=indexing)
    page = open_page(served.address)
    expect(page.locator("#indexing")).to_contain_text("Looking for videos")
    expect(page.locator("#grid")).to_contain_text("No moment is indexed yet")
    expect(page.locator(".toast")).to_contain_text("All videos are indexed: 9 moments.")
    expect(page.locator("#grid .tile")).to_have_count(9)
    expect(page.locator("#indexing span")).to_have_text("Indexed")
    page.locator("#indexing").get_by_role("button", name="1 file cannot be used").click()
    expect(page.locator("#about .refused")).to_contain_text("broken.mp4")
    page.keyboard.press("Escape")
    expect(page).to_have_title("videos · slic studio")
    page.keyboard.press("c")
    expect(page.locator("#wall .cluster").first).to_be_visible()
    page.keyboard.press("m")
    text = "9 moments"  # after a process of low priority, which a busy machine delays
    expect(page.locator("#map-status")).to_have_text(text, timeout=150_000)
    served.stop()
    assert Index.open(videos / INDEX_NAME).count == 9
