"""Every view and dialog of the studio, as what to do on a fresh page to reach it.

`docs/make_screenshots.py` takes a picture of each, and the tests check each for accessibility.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from playwright.sync_api import Page

Prepare: TypeAlias = Callable[["Page"], None]

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
AXE = 'async () => await axe.run(document, { resultTypes: ["violations"] })'
SERIOUS = ("serious", "critical")
_ANSWERED = "() => document.querySelector('#grid').getAttribute('aria-busy') === 'false'"


class Scene(NamedTuple):
    """A view or dialog.

    Attributes:
        view: The part of the address after ``#``.
        prepare: What to do there first.
    """

    view: str
    prepare: Prepare


def scenes(clip: Path) -> dict[str, Scene]:
    """Return every view and dialog by name.

    Args:
        clip: A video to drop on the page.
    """
    return {
        "find": Scene("find", wait_until_ready),
        "find-search": Scene("find", like_two),
        "find-clip": Scene("find", lambda page: drop(page, clip)),
        "find-filters": Scene("find", then(wait_until_ready, click("#filter-more"))),
        "find-selected": Scene("find", select_three),
        "find-nothing": Scene("find", filter_all),
        "label": Scene("label", wait_until_ready),
        "label-files": Scene("label", then(wait_until_ready, click("#label-files summary"))),
        "map": Scene("map", wait_for_map),
        "map-hover": Scene("map", hover_the_map),
        "map-lasso": Scene("map", draw_lasso),
        "clusters": Scene("clusters", wait_until_ready),
        "clusters-selected": Scene("clusters", select_clusters),
        "curate": Scene("curate", curate("Near duplicates")),
        "curate-copies": Scene("curate", curate("Copies")),
        "curate-outliers": Scene("curate", curate("Outliers")),
        "runs": Scene("runs", wait_until_ready),
        "timeline": Scene("find", open_timeline),
        "timeline-range": Scene("find", choose_range),
        "timeline-list": Scene("find", then(open_timeline, click("#viewer .as-list summary"))),
        "labelling": Scene("find", then(select_three, press("n"))),
        "moving": Scene("find", then(select_three, click("#act-move"))),
        "help": Scene("find", then(wait_until_ready, press("?"))),
        "about": Scene("find", then(wait_until_ready, click("#about-open"))),
    }


def open_scene(page: "Page", address: str, scene: Scene) -> None:
    """Load the page anew and prepare a scene."""
    page.goto("about:blank")
    page.goto(f"{address}#{scene.view}")
    scene.prepare(page)


def find_violations(page: "Page", axe: str) -> list[str]:
    """Return what axe-core finds serious or critical on the page, one line each.

    Args:
        page: The page.
        axe: Source of axe-core.
    """
    page.evaluate(axe)
    found = page.evaluate(AXE)["violations"]
    return [
        f"{rule['impact']}: {rule['id']}: {node['html'][:160]} {node['failureSummary']!r}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]


def then(*steps: Prepare) -> Prepare:
    """Return a function that does one step after the other."""

    def do(page: "Page") -> None:
        for step in steps:
            step(page)

    return do


def click(selector: str) -> Prepare:
    """Return a function that clicks the first element that a selector finds."""
    return lambda page: page.locator(selector).first.click()


def press(key: str) -> Prepare:
    """Return a function that presses a key."""
    return lambda page: page.keyboard.press(key)


def wait_until_ready(page: "Page") -> None:
    """Wait until the page has loaded its first data."""
    page.wait_for_selector("body[data-ready]")


def like(page: "Page", tile: int) -> None:
    """Press the heart of a tile, and wait for the answer."""
    page.locator("#grid .tile").nth(tile).hover()
    with page.expect_response("**/api/search"):
        page.locator("#grid .tile").nth(tile).locator(".like").click()
    page.wait_for_function(_ANSWERED)


def like_two(page: "Page") -> None:
    """Search by two moments."""
    wait_until_ready(page)
    for _ in range(2):
        like(page, 0)
    page.mouse.move(0, 0)


def drop(page: "Page", clip: Path) -> None:
    """Search by a clip."""
    wait_until_ready(page)
    with page.expect_response("**/api/search"):
        page.set_input_files("#file", str(clip))


def select_three(page: "Page") -> None:
    """Select three moments."""
    wait_until_ready(page)
    for tile in range(3):
        page.locator("#grid .tile").nth(tile).focus()
        page.keyboard.press("x")


def filter_all(page: "Page") -> None:
    """Filter with words that nothing matches."""
    wait_until_ready(page)
    page.fill("#filter-text", "a text that no file has")
    page.wait_for_selector("#grid .empty")


def wait_for_map(page: "Page") -> None:
    """Wait until the computed map is coloured."""
    page.wait_for_function(
        "() => /^[\\d,]+ moments?$/.test(document.querySelector('#map-status').textContent)",
        timeout=600_000,
    )
    page.wait_for_selector("#legend button")


def hover_the_map(page: "Page") -> None:
    """Move the pointer along a spiral until it hovers over a point."""
    wait_for_map(page)
    box = _box_of(page, "#plane")
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for step in range(400):
        turn, far = step * 2.4, step**0.5 * 12
        x = middle[0] + far * (1 if step % 2 else -1) * abs(turn % 2 - 1)
        page.mouse.move(x, middle[1] + far * (turn % 1.7 - 0.85))
        page.wait_for_timeout(140)
        if page.locator("#hover-card").is_visible():
            return


def draw_lasso(page: "Page") -> None:
    """Draw a lasso around the middle of the map."""
    wait_for_map(page)
    page.click("#tool-lasso")
    box = _box_of(page, "#plane")
    corners = [(0.3, 0.3), (0.6, 0.25), (0.7, 0.6), (0.45, 0.75), (0.28, 0.55)]
    for number, (across, down) in enumerate(corners):
        x, y = box["x"] + across * box["width"], box["y"] + down * box["height"]
        page.mouse.move(x, y, steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#map-lassoed:visible")


def select_clusters(page: "Page") -> None:
    """Select two clusters."""
    wait_until_ready(page)
    for card in range(2):
        page.locator("#wall > li").nth(card).hover()
        page.locator("#wall > li .pick").nth(card).click()


def curate(kind: str) -> Prepare:
    """Return a function that shows a kind of the view Curate, and waits for the search."""

    def show(page: "Page") -> None:
        wait_until_ready(page)
        page.get_by_role("button", name=kind, exact=True).click()
        finished = "() => document.querySelector('#curate-grid .tile, #curate-empty:not([hidden])')"
        page.wait_for_function(finished, timeout=600_000)

    return show


def open_timeline(page: "Page") -> None:
    """Search by a moment, and open a moment that was found: of a recording if there is one."""
    wait_until_ready(page)
    like(page, 0)
    found = page.locator("#grid .tile")
    recorded = found.filter(has=page.locator('.caption [title^="recordings/"]'))
    tile = recorded.first if recorded.count() else found.nth(2)
    tile.focus()
    page.keyboard.press("Enter")
    loaded = "() => /moment/.test(document.querySelector('#viewer .timeline .hint').textContent)"
    page.wait_for_function(loaded)


def choose_range(page: "Page") -> None:
    """Choose a range of the timeline."""
    open_timeline(page)
    box = _box_of(page, "#viewer .scroller")
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 40, steps=5)
    page.mouse.up()


def _box_of(page: "Page", selector: str) -> dict[str, float]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return {name: box[name] for name in ("x", "y", "width", "height")}
