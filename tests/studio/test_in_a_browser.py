"""The studio in a real browser, from a dropped clip to a name that is there after a restart."""

import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from slic.search import Index, assign_name, undo
from slic.search.reconcile import remove_video
from slic.studio.app import create_app
from slic.studio.guard import Access
from slic.studio.projection import make_map
from slic.studio.state import Studio

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SLOW = 30_000  # milliseconds: two busy cores

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if BROWSER is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)
expect = playwright.expect
expect.set_options(timeout=SLOW)


class Served:
    """A studio that is served from a thread."""

    def __init__(self, folder: Path, *, runs: Path | None = None) -> None:
        self.studio = Studio(Index.open(folder), runs=runs)
        config = uvicorn.Config(create_app(self.studio, Access()), log_level="warning")
        self.server = uvicorn.Server(config)
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}/"
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.listening]}, daemon=True
        )
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        self.listening.close()


@pytest.fixture(scope="module")
def folder(index_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copied = tmp_path_factory.mktemp("browser") / "index"
    shutil.copytree(index_made, copied)
    make_map(copied)
    return copied


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    made = Served(folder, runs=folder.parent)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens the studio; errors on the page fail the test."""
    problems: list[str] = []
    contexts = []

    def open_at(address: str, **more: Any) -> Any:
        context = browser.new_context(viewport={"width": 1000, "height": 700}, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if foreign(request) else 0)

        def foreign(request: Any) -> bool:
            return not request.url.startswith((address.split("#")[0], "blob:"))

        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert problems == []


def plays(page: Any, video: str) -> None:
    """Wait until a video moves on by itself."""
    page.wait_for_function(
        """(which) => { const video = document.querySelector(which);
            if (!video || video.readyState < 2 || video.paused) return false;
            const before = video.dataset.seen; video.dataset.seen = video.currentTime;
            return before !== undefined && Number(before) !== video.currentTime; }""",
        arg=video,
        polling=60,
    )


def moments(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "#grid .tile", "tiles => tiles.map(tile => tile.dataset.moment)"
    )
    return found


def test_a_clip_is_sent_trimmed_found_and_refined(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    video = next(v for v in served.studio.index.videos() if v.path == "jump.avi")
    page.set_input_files("#file", str(video.file))
    expect(page.locator("#find-title")).to_have_text("Most alike")
    plays(page, "#clip video")  # which no browser plays as it is
    plays(page, "#grid .tile video")

    start = page.get_by_label("Start of the part")
    with page.expect_response("**/api/search") as answered:
        start.fill("0.95")
    assert answered.value.request.post_data_json["like"][0]["start"] == 0.95
    with page.expect_response("**/api/search"):
        start.press("ArrowRight")
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")  # focus stays from here
    expect(page.locator(".times span").first).to_have_text("0:01")
    expect(page.locator("#grid .caption b").first).to_have_text("jump.avi")
    expect(page.locator("#grid .score").first).to_have_text(re.compile(r"^1\.00$|^0\.9\d$"))

    other = page.locator("#grid .tile", has_text="run.webm").first
    moment = other.get_attribute("data-moment")
    other.focus()
    page.keyboard.press("u")
    expect(page.locator(".chip.unlike")).to_have_count(1)
    expect(page.locator(f'#grid [data-moment="{moment}"]')).to_have_count(0)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#find-title")).to_have_text("Moments")
    expect(page.locator("#clip")).to_be_hidden()


def test_what_is_no_video_or_too_much_is_said_and_the_studio_lives(
    open_page: Callable[..., Any], served: Served, tmp_path: Path
) -> None:
    page = open_page(served.address)
    (tmp_path / "words.mp4").write_text("these are words")
    page.set_input_files("#file", str(tmp_path / "words.mp4"))
    expect(page.locator(".toast.bad")).to_contain_text("not a video we can read")

    with (tmp_path / "three gigabytes.mp4").open("wb") as file:
        file.truncate(3 << 30)
    begun = time.monotonic()
    page.set_input_files("#file", str(tmp_path / "three gigabytes.mp4"))
    expect(page.locator(".toast.bad")).to_contain_text("has 3,072 MB; at most 500 MB are taken")
    assert time.monotonic() - begun < 10
    page.locator("#grid .tile").first.focus()
    page.keyboard.press("l")
    expect(page.locator("#find-title")).to_have_text("Most alike")


def test_the_map_plays_under_the_pointer_and_a_lasso_filters(
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
    x, y = drawn.places[0] / 65535
    page.mouse.move(box["x"] + left + x * side, box["y"] + bottom - y * side)
    plays(page, "#peek video")

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
    page.keyboard.press("1")
    expect(page.locator("#scope")).to_contain_text("Inside the lasso")
    expect(page.locator("#grid .tile")).to_have_count(inside)


def test_a_cluster_is_named_and_the_name_is_there_after_a_restart(
    open_page: Callable[..., Any], served: Served, folder: Path
) -> None:
    page = open_page(served.address + "#clusters")
    plays(page, "#wall video")
    page.locator('#wall button[aria-label^="Name "]').first.click()
    hostile = "wave <b onclick='hacked=1'>"
    page.get_by_label("Name", exact=True).fill(hostile)
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


def test_names_of_files_are_only_ever_text(open_page: Callable[..., Any], served: Served) -> None:
    page = open_page(served.address)
    shown = page.locator("#grid .caption b").all_text_contents()
    for video in served.studio.index.videos():
        assert video.path.split("/")[-1] in shown
    assert page.evaluate("window.hacked") is None
    assert page.locator("#grid img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_filter_that_nothing_passes_is_taken_off_again(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    page.keyboard.press("/")
    page.keyboard.type("nothing is called so")
    expect(page.locator("#grid .empty")).to_be_visible()
    page.fill("#filter-text", "WALK")
    expect(page.locator('#grid b[title="walk.mp4"]').first).to_be_visible()
    expect(page.locator("#grid .empty")).to_have_count(0)
    assign_name(served.studio.index, served.studio.index.ids()[:1].tolist(), "Übung")
    page.fill("#filter-text", "Übung")
    expect(page.locator("#grid .caption b")).to_have_text(["Übung"])
    undo(served.studio.index)


def test_the_filter_keeps_its_name_when_the_last_of_it_is_undone(
    open_page: Callable[..., Any], served: Served
) -> None:
    assign_name(served.studio.index, served.studio.index.ids()[:3].tolist(), "Schritt")
    page = open_page(served.address)
    page.click("#filter-more")
    page.select_option("#filter-name", "=Schritt")
    expect(page.locator("#grid .tile")).to_have_count(3)
    page.click("#find-title")
    page.keyboard.press("z")
    expect(page.locator("#grid .empty")).to_be_visible()
    assert page.input_value("#filter-name") == "=Schritt"


def test_only_what_changed_is_undone_from_a_toast(
    open_page: Callable[..., Any], served: Served
) -> None:
    index = served.studio.index
    page = open_page(served.address)
    page.locator("#grid .tile:has(b.unnamed)").first.focus()
    page.keyboard.press("n")
    page.click("#naming-remove")
    expect(page.locator(".toast")).to_contain_text("of 0 moments is taken away")
    expect(page.locator(".toast button")).to_have_count(0)
    page.keyboard.press("n")
    page.fill("#naming-input", "mine")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("1 moment named")
    theirs = assign_name(index, index.ids()[-1:].tolist(), "theirs")
    page.locator(".toast button").click()
    expect(page.locator(".toast.bad")).to_contain_text("Names have changed since")
    undo(index, batch=theirs.batch)
    undo(index)


def test_show_more_shows_all_that_more_were_found(
    open_page: Callable[..., Any], served: Served
) -> None:
    """More results need not begin with those that fewer were: the first may come later, or not."""
    page = open_page(served.address)
    tiles = page.evaluate(
        """async () => (await (await fetch("/api/browse", { method: "POST", body: '{"limit": 500}',
            headers: { "Content-Type": "application/json", "X-Slic-Token":
                document.querySelector('meta[name="slic-token"]').content } })).json()).moments"""
    )
    many = [tiles[0] | {"moment": number} for number in range(98)]
    first, more = many[:48], [*many[48:], *many[:46]]  # two of the first have gone, 50 have come

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


def test_a_file_that_does_not_play_after_all_is_a_film_in_the_viewer_and_stops_with_it(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    junk = {"status": 200, "body": b"junk", "content_type": "video/mp4"}
    page.route(re.compile(r"/media/videos/\d+(\?|$)"), lambda route: route.fulfill(**junk))
    page.reload()
    page.locator("#grid .tile", has_text="walk.mp4").first.focus()
    page.keyboard.press("Enter")
    plays(page, "#viewer video")
    video = page.query_selector("#viewer video")
    assert "film.mp4" in video.get_attribute("src")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    stopped = "video => video.paused && !video.getAttribute('src')"
    page.wait_for_function(stopped, arg=video)  # a dialog tells of its closing after it has gone


def test_the_browser_is_told_which_content_it_keeps(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    plays(page, "#grid .tile video")
    asked = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    marks = {str(v.id): v.fingerprint[:12] for v in served.studio.index.videos()}
    media = [re.search(r"/media/videos/(\d+)[^?]*\?of=(\w*)", a) for a in asked if "/media/" in a]
    assert media
    assert all(found and marks[found[1]] == found[2] for found in media)


def test_the_map_is_drawn_anew_when_moments_have_gone(
    open_page: Callable[..., Any], index_folder: Path
) -> None:
    make_map(index_folder)
    served = Served(index_folder)
    try:
        page = open_page(served.address + "#map")
        page.wait_for_selector("#legend button")
        index = served.studio.index
        with index.database.transaction() as connection:
            remove_video(connection, index.videos()[0].id)
        make_map(index_folder)
        page.select_option("#colours", "cluster:0")
        expect(page.locator("#map-status")).to_have_text(f"{index.count} moments")
        expect(page.locator(".toast")).to_have_count(0)
    finally:
        served.stop()


def test_everything_is_reached_by_keys(open_page: Callable[..., Any], served: Served) -> None:
    page = open_page(served.address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skips the bar
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.moment") == moments(page)[0]
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")  # from nowhere to the first
    page.keyboard.press("ArrowRight")
    second = moments(page)[1]
    assert page.evaluate("document.activeElement.dataset.moment") == second
    page.keyboard.press("x")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    expect(page.locator("#actions-count")).to_have_text("2 selected")
    page.keyboard.press("n")
    page.keyboard.type("two of a kind")
    page.keyboard.press("Enter")
    expect(page.locator("#grid .caption b", has_text="two of a kind")).to_have_count(2)
    expect(page.locator("#actions")).to_be_hidden()
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#grid .caption b", has_text="two of a kind")).to_have_count(0)
    page.locator("#grid .tile").first.focus()
    page.keyboard.press("Enter")
    plays(page, "#viewer video")
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
    for view in ("find", "map", "clusters", "runs"):
        page.evaluate("view => { location.hash = view }", view)
        expect(page.locator(f"#view-{view}")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 380) == (scheme == "light")
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, a, input, select')].filter(e =>
            e.checkVisibility() && !e.textContent.trim()
            && !e.getAttribute('aria-label') && !e.labels?.length
        ).map(e => e.outerHTML)"""
    )
    assert unnamed == []
