"""Labelling with the studio's queue, against a random order. It is not part of `make bench`.

    python benchmarks/labelling.py VIDEOS --split split.csv --scratch FOLDER [--browser]

``split.csv`` has the columns path, label and split. Labels are given to moments of the training
videos only. The classifier of these labels then classifies the moments of all other videos; each
counts as right if the guess is the label of its video.

Without ``--browser``, the queue's own code gives the order. Each seed leaves out a random tenth of
the training videos. With it, a simulated user labels in Chromium: it presses the digit of the true
label, or types the label when it is new. A latency is the time from a key to the first frame after
the next moment is on view and its video can play.
"""

import argparse
import csv
import shutil
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from slic.models.default import default_encoder
from slic.search import Index, MomentClassifier, create_index, set_label, update_index
from slic.search.classifier import given_labels
from slic.search.label_queue import LabelQueue
from slic.studio.access import AccessPolicy
from slic.studio.app import create_app
from slic.studio.state import Studio
from slic.videos.catalog import Catalog

BUDGETS = (10, 20, 50, 100, 200)
LEFT_OUT = 0.1  # of the training videos, by each seed
WATCH = """() => {
    window.latencies = [];
    addEventListener("keydown", (event) => {
        if (!/^[1-9]$/.test(event.key) || event.target.closest("input")) return;
        const pressed = performance.now();
        const first = () => document.querySelector("#queue-list li");
        const before = first();
        const look = () => {
            if (first() !== before && first().querySelector("video").readyState >= 2)
                requestAnimationFrame(() => latencies.push(performance.now() - pressed));
            else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    }, true);
}"""


class Truth:
    """The labels and the split of a collection."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.label = {row["path"]: row["label"] for row in rows}
        self.train = {row["path"] for row in rows if row["split"] == "train"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--window", type=float, default=1.0, help="seconds of a moment")
    parser.add_argument("--browser", action="store_true", help="label 200 moments in Chromium")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between two keys")
    parser.add_argument("--plot", type=Path, help="SVG file of the accuracies")
    arguments = parser.parse_args()
    truth = Truth(arguments.split)
    indexes = make_indexes(arguments.videos, truth, arguments.scratch, window=arguments.window)
    scores = compare_orders(*indexes, truth, seeds=arguments.seeds, scratch=arguments.scratch)
    print_scores(scores)
    if arguments.plot:
        plot(scores, arguments.plot)
    if arguments.browser:
        label_in_browser(*indexes, truth, arguments.scratch, pause=arguments.pause)


def make_indexes(
    videos: Path, truth: Truth, scratch: Path, *, window: float
) -> tuple[Index, Index]:
    """Return an index of the training videos and one of the others, with the built-in encoder."""
    catalog = Catalog.from_folder(videos)
    indexes = []
    for name, train in (("train", True), ("test", False)):
        index = create_index(scratch / name, default_encoder(), window_seconds=window)
        chosen = [v.id for v in catalog if v.id in truth.label and (v.id in truth.train) == train]
        update_index(index, catalog.subset(chosen), progress=False)
        clear_labels(index)
        print(f"{name}: {index.count} moments of {window:g} s in {len(chosen)} videos", flush=True)
        indexes.append(index)
    return indexes[0], indexes[1]


def compare_orders(
    train: Index, test: Index, truth: Truth, *, seeds: int, scratch: Path
) -> dict[str, np.ndarray]:
    """Return the accuracy of each order, by seed and budget."""
    scores: dict[str, list[list[float]]] = {"queue": [], "random": []}
    videos = [video.id for video in train.videos()]
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        kept = rng.permutation(videos)[: round((1 - LEFT_OUT) * len(videos))]
        moments = train.moments(train.ids())
        among = np.array([m.id for m in moments if m.video_id in kept])
        orders = {"queue": order_by_queue, "random": order_at_random}
        for name, order_by in orders.items():
            index = fresh_copy(train, scratch / "copy")
            order = order_by(index, truth, among, rng)
            scores[name].append(accuracies(index, test, truth, order))
            index.close()
    return {name: np.array(rows) for name, rows in scores.items()}


def order_by_queue(
    index: Index, truth: Truth, among: np.ndarray, rng: np.random.Generator
) -> list[int]:
    """Label as the studio's page does, but ask for the next moment after each label."""
    del rng
    queue, order = LabelQueue(index), list[int]()
    for _ in range(min(max(BUDGETS), len(among))):
        given = given_labels(index)
        classifier = MomentClassifier.from_index(index) if len(given) > 1 else None
        if not (found := queue.next_moments(given, classifier, k=1, among=among)):
            break  # a label also holds for moments that it covers
        (moment,) = found
        set_label(index, [moment], label_of(index, truth, moment))
        order.append(moment)
    return order


def order_at_random(
    index: Index, truth: Truth, among: np.ndarray, rng: np.random.Generator
) -> list[int]:
    del index, truth
    order: list[int] = rng.permutation(among)[: max(BUDGETS)].tolist()
    return order


def accuracies(index: Index, test: Index, truth: Truth, order: Sequence[int]) -> list[float]:
    """Return the share of right guesses on the test moments after each budget of an order."""
    ids = test.ids()
    wanted = np.array([label_of(test, truth, moment) for moment in ids.tolist()])
    found = []
    for budget in BUDGETS:
        clear_labels(index)
        by_label: defaultdict[str, list[int]] = defaultdict(list)
        for moment in order[:budget]:
            by_label[label_of(index, truth, moment)].append(moment)
        for label, moments in by_label.items():
            set_label(index, moments, label)
        predictions = MomentClassifier.from_index(index).predict(test.vectors(ids))
        found.append(float(np.mean([p.guess for p in predictions] == wanted)))
    return found


def label_of(index: Index, truth: Truth, moment: int) -> str:
    return truth.label[index.moments([moment])[0].path]


def clear_labels(index: Index) -> None:
    set_label(index, index.ids().tolist(), None)


def fresh_copy(index: Index, folder: Path) -> Index:
    """Return a copy of an index, without labels."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(index.path, folder)
    copied = Index.open(folder)
    clear_labels(copied)
    return copied


def print_scores(scores: dict[str, np.ndarray]) -> None:
    print("accuracy on the test moments in per cent, mean ± standard deviation over the seeds")
    print(f"{'labels':>8}" + "".join(f"{budget:>14}" for budget in BUDGETS))
    for name, rows in scores.items():
        cells = [f"{100 * m:8.1f} ± {100 * s:3.1f}" for m, s in zip(rows.mean(0), rows.std(0))]  # noqa: B905
        print(f"{name:>8}" + "".join(cells), flush=True)
    better = (scores["queue"] - scores["random"]).mean(0)
    print("queue - random: " + ", ".join(f"{100 * d:+.1f}" for d in better), flush=True)


# --- the browser --------------------------------------------------------------------------------


def label_in_browser(
    train: Index, test: Index, truth: Truth, scratch: Path, *, pause: float
) -> None:
    """Label in Chromium by keys, and print actions, latencies and accuracies."""
    index = fresh_copy(train, scratch / "browser")
    labels = min(max(BUDGETS), index.count)
    with served(index) as address, opened(address) as page:
        page.wait_for_selector("#queue-list li")
        page.evaluate(WATCH)
        watched = page.context.new_cdp_session(page)
        watched.send("Performance.enable", {"timeDomain": "threadTicks"})
        busy = busy_seconds(watched)
        started, names, order, presses = time.perf_counter(), list[str](), list[int](), 0
        for _ in range(labels):
            path, moment = page.evaluate(
                "[document.querySelector('#queue-list b').title,"
                " Number(document.querySelector('#queue-list li').dataset.moment)]"
            )
            order.append(moment)
            presses += press_label(page, names, truth.label[path])
            time.sleep(pause)
        seconds = time.perf_counter() - started
        page.wait_for_function(f"latencies.length === {labels - len(names)}")
        latencies, busy = page.evaluate("latencies"), busy_seconds(watched) - busy
        while missing := set(order) - set(given_labels(index)):
            assert time.perf_counter() - started < seconds + 30, f"not labelled: {missing}"
            time.sleep(0.1)  # the page sends one label after the other
    middle, high = np.percentile(latencies, [50, 95])
    print(
        f"{labels} labels in {seconds:.0f} s with pauses of {pause} s: {presses} key presses, "
        f"{presses / labels:.2f} a label ({len(names)} new names were typed); from a key to the "
        f"next moment {middle:.0f} ms, 95 % within {high:.0f} ms, at most {max(latencies):.0f} ms; "
        f"the page was busy for {1000 * busy / labels:.0f} ms a label"
    )
    found = accuracies(index, test, truth, order)
    pairs = zip(BUDGETS, found, strict=True)
    print("in the browser: " + ", ".join(f"{b} labels {100 * a:.1f} %" for b, a in pairs))


def busy_seconds(watched: Any) -> float:
    """Return the time that the page's main thread has worked, whatever else the machine does."""
    metrics = watched.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def press_label(page: Any, names: list[str], label: str) -> int:
    """Press the digit of a label, or type it if it is new; return the number of key presses."""
    if label in names:
        page.keyboard.press(str(names.index(label) + 1))
        return 1
    names.append(label)
    page.keyboard.press("n")
    page.keyboard.type(label)
    page.keyboard.press("Enter")
    return len(label) + 2


@contextmanager
def served(index: Index) -> Iterator[str]:
    """Serve the studio of an index, and give the address of the view Label."""
    policy = AccessPolicy()
    app = create_app(Studio(index), policy)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"{policy.address(listener.getsockname()[1])}#label"
        server.should_exit = True
        thread.join(20)


@contextmanager
def opened(address: str) -> Iterator[Any]:
    """Open a page in Chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=program, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        yield page
        browser.close()


# --- the picture --------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, BOTTOM = 560, 300, 46, 40
COLOURS = {"queue": "#2f5fc4", "random": "#8b9097"}


def plot(scores: dict[str, np.ndarray], path: Path) -> None:
    """Write an SVG of mean accuracies, with bands of one standard deviation."""
    low = 100 * min((r.mean(0) - r.std(0)).min() for r in scores.values()) // 10 * 10
    high = 100 * max((r.mean(0) + r.std(0)).max() for r in scores.values()) // 10 * 10 + 10
    steps = len(BUDGETS) - 1

    def x_of(place: float) -> float:
        return LEFT + place * (WIDTH - LEFT - 90) / steps

    def y_of(percent: float) -> float:
        return float(14 + (high - percent) / (high - low) * (HEIGHT - BOTTOM - 14))

    parts = list(axes(x_of, y_of, low, high))
    for name, rows in scores.items():
        parts += curve(name, 100 * rows.mean(0), 100 * rows.std(0), x_of, y_of)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    text = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"
    path.write_text(text)


Scale = Callable[[float], float]


def axes(x_of: Scale, y_of: Scale, low: float, high: float) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    for percent in np.arange(low, high + 1, 10):
        y = y_of(percent)
        yield f'<path d="M{LEFT} {y:.1f}H{x_of(len(BUDGETS) - 1):.1f}" stroke="#e3e1dc"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent:.0f} %</text>'
    for place, budget in enumerate(BUDGETS):
        x = x_of(place)
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{budget}</text>'
    middle = (LEFT + x_of(len(BUDGETS) - 1)) / 2
    yield f'<text x="{middle:.0f}" y="{HEIGHT - 4}" text-anchor="middle">labelled moments</text>'


def curve(
    name: str, mean: np.ndarray, spread: np.ndarray, x_of: Scale, y_of: Scale
) -> Iterator[str]:
    colour, places = COLOURS[name], range(len(BUDGETS))
    above = [f"{x_of(i):.1f},{y_of(mean[i] + spread[i]):.1f}" for i in places]
    below = [f"{x_of(i):.1f},{y_of(mean[i] - spread[i]):.1f}" for i in reversed(places)]
    line = " ".join(f"{x_of(i):.1f},{y_of(mean[i]):.1f}" for i in places)
    yield f'<polygon points="{" ".join(above + below)}" fill="{colour}" opacity=".14"/>'
    yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
    x, y = x_of(places[-1]) + 8, y_of(mean[-1]) + (-4 if name == "queue" else 12)
    yield f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{name}</text>'


if __name__ == "__main__":
    main()
