// The timeline of the opened video: scores, labels, the playhead, and a range to label or to search with.

import { clock, count, el, toast } from "./dom.js";
import { postJson } from "./api.js";
import { scoreWords } from "./score.js";
import { isSearching, searchRequest, state } from "./store.js";
import { labelRange } from "./ranges.js";
import { AXIS, barHeights, drawTimeline, LANE, labelRuns, SCORES } from "./timeline_canvas.js";

const MAX_SECOND_PIXELS = 400; // at the greatest zoom
const LISTED = 200;
const BEST = 10;
const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark";

export class Timeline {
  /**
   * `player` has `time()`, `seek(seconds)`, `loop(start, end)`, `pause()` and `toggle()`; `search(tile)` searches with
   * a range.
   */
  constructor(tile, player, search) {
    this.tile = tile;
    this.player = player;
    this.search = search;
    this.zoom = 1;
    this.range = null; // { start, end }
    this.anchor = null; // where a range with Shift begins
    this.data = { starts: [], ends: [], heights: null, runs: [], codes: new Map(), current: -1 };
    this.seconds = tile.seconds;
    this.build();
    this.load().catch((error) => this.element.isConnected && toast(error.message, { bad: true }));
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.scroller);
  }

  build() {
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.head = el("i", { class: "playhead" });
    this.chosen = el("i", { class: "chosen", hidden: true });
    this.track = el("div", { class: "track", role: "slider", tabindex: "0", "aria-label": "Position in the video", "aria-valuemin": "0", "aria-describedby": "timeline-keys" }, this.canvas, this.chosen, this.head);
    this.scroller = el("div", { class: "scroller" }, this.track);
    this.status = el("p", { class: "hint", role: "status" });
    this.rangeText = el("output", { class: "range-text" });
    this.input = el("input", { type: "text", list: "timeline-labels", placeholder: "Label", "aria-label": "Label of the range", autocomplete: "off", maxlength: "200" });
    this.options = el("datalist", { id: "timeline-labels" });
    const button = (text, title, act, more = {}) => el("button", { type: "button", text, title, onclick: act, ...more });
    this.form = el("form", { class: "range", hidden: true },
      this.rangeText, this.input, this.options, el("button", { class: "primary", text: "Label" }),
      button("Remove labels", "Remove the labels that lie in the range", () => this.label(null)),
      button("More like this range", "Search with the moments of the range", () => this.searchRange()),
      button("Clear", "Clear the range (Esc)", () => this.setRange(null), { class: "quiet" }));
    this.list = el("details", { class: "as-list" }, el("summary", { text: "As a list" }));
    const tools = el("div", { class: "timeline-tools" },
      this.status,
      button("Start here", "The range starts at the playhead ([)", () => this.mark("start")),
      button("End here", "The range ends at the playhead (])", () => this.mark("end")),
      button("−", "Zoom out (-)", () => this.zoomBy(0.5), { "aria-label": "Zoom out" }),
      button("+", "Zoom in (+)", () => this.zoomBy(2), { "aria-label": "Zoom in" }));
    const keys = el("p", { id: "timeline-keys", class: "unseen", text: "Arrow keys go to the next moment, with Shift they choose a range. [ and ] set its start and end." });
    this.element = el("section", { class: "timeline", "aria-label": "Timeline" }, tools, this.scroller, keys, this.form, this.list);
    this.listen();
  }

  listen() {
    this.scroller.addEventListener("scroll", () => this.draw());
    this.scroller.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    this.track.addEventListener("pointerdown", (event) => this.down(event));
    this.track.addEventListener("pointermove", (event) => this.dragged(event));
    this.track.addEventListener("pointerup", (event) => this.up(event));
    this.track.addEventListener("pointercancel", () => (this.pressed = null));
    this.track.addEventListener("keydown", (event) => this.key(event));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.input.value.trim()) this.label(this.input.value.trim());
    });
  }

  /** Load moments, labels, and the scores of the current search. */
  async load() {
    const search = isSearching() ? searchRequest() : null;
    const found = await postJson(`/api/videos/${this.tile.video}/timeline`, { search });
    this.found = found;
    this.seconds = Math.max(found.seconds, 0.1);
    this.data = {
      starts: found.starts,
      ends: found.ends,
      heights: barHeights(found),
      runs: labelRuns(found.labels),
      codes: new Map(state.summary.labels.map(({ label }, code) => [label, code])),
      current: found.ids.indexOf(this.tile.moment),
    };
    const scored = found.scores ? "the taller the bar, the more similar" : "search to see scores here";
    this.status.textContent = `${count(found.ids.length, "moment")}; ${scored}`;
    this.options.replaceChildren(...state.summary.labels.map(({ label }) => el("option", { value: label })));
    this.track.setAttribute("aria-valuemax", this.seconds.toFixed(1));
    this.drawList();
    this.draw();
    this.follow();
  }

  // --- time and pixels ------------------------------------------------------------------------

  at(event) {
    const box = this.track.getBoundingClientRect();
    return Math.min(this.seconds, Math.max(0, ((event.clientX - box.left) / box.width) * this.seconds));
  }

  draw() {
    const lanes = Math.max(1, ...this.data.runs.map(({ lane }) => lane + 1));
    const height = AXIS + SCORES + 6 + lanes * LANE;
    this.track.style.width = `${100 * this.zoom}%`;
    this.track.style.height = `${height}px`;
    const [width, whole] = [this.scroller.clientWidth, this.track.clientWidth];
    if (!width || !this.element.isConnected) return;
    const from = (this.scroller.scrollLeft / whole) * this.seconds;
    const view = { from, to: from + (width / whole) * this.seconds, width, height };
    drawTimeline(this.canvas, view, { ...this.data, dark: isDark() });
  }

  zoomBy(factor, seconds = this.player.time()) {
    const [width, before] = [this.scroller.clientWidth, this.track.clientWidth];
    const most = Math.max(1, (MAX_SECOND_PIXELS * this.seconds) / width);
    const offset = (seconds / this.seconds) * before - this.scroller.scrollLeft; // it stays where it is, if it is in sight
    this.zoom = Math.min(most, Math.max(1, this.zoom * factor));
    this.draw();
    const inSight = offset >= 0 && offset <= width ? offset : width / 2;
    this.scroller.scrollLeft = (seconds / this.seconds) * this.track.clientWidth - inSight;
    this.draw();
  }

  wheeled(event) {
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) return; // scrolls
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY * 0.002), this.at(event));
  }

  /** Move the playhead to where the video is. Called for every frame that is drawn. */
  follow() {
    const time = Math.min(this.seconds, this.player.time());
    this.head.style.left = `${(100 * time) / this.seconds}%`;
    const tenth = time.toFixed(1);
    if (this.track.getAttribute("aria-valuenow") === tenth) return;
    this.track.setAttribute("aria-valuenow", tenth);
    this.track.setAttribute("aria-valuetext", this.spoken(time));
  }

  spoken(time) {
    const words = [`${clock(time)} of ${clock(this.seconds)}`];
    const place = this.placeAt(time);
    if (place >= 0 && this.found?.scores) words.push(scoreWords(this.scored(place)));
    for (const { start, end, label } of this.data.runs) if (start <= time && time < end) words.push(label);
    return words.join(", ");
  }

  scored(place) {
    const { scores, percentiles } = this.found;
    return { score: scores[place], percentile: percentiles?.[place] ?? null };
  }

  /** The last moment that has begun, or -1. */
  placeAt(time) {
    const { starts } = this.data;
    let [low, high] = [0, starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= time + 1e-3) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  seek(time) {
    const seconds = Math.min(this.seconds, Math.max(0, time));
    this.player.seek(seconds);
    const place = (seconds / this.seconds) * this.track.clientWidth;
    const { scrollLeft, clientWidth } = this.scroller;
    if (place < scrollLeft || place > scrollLeft + clientWidth) this.scroller.scrollLeft = place - clientWidth / 2;
    this.follow();
  }

  // --- pointer and keys -----------------------------------------------------------------------

  down(event) {
    if (event.button > 0) return;
    if (event.pointerType !== "touch") this.track.setPointerCapture(event.pointerId); // a finger scrolls
    this.pressed = { x: event.clientX, time: this.at(event), dragging: false };
  }

  dragged(event) {
    if (!this.pressed || event.pointerType === "touch") return;
    if (Math.abs(event.clientX - this.pressed.x) > 4) this.pressed.dragging = true;
    if (this.pressed.dragging) this.setRange([this.pressed.time, this.at(event)], { final: false });
  }

  up(event) {
    const pressed = this.pressed;
    this.pressed = null;
    if (!pressed) return;
    if (pressed.dragging) return this.setRange([pressed.time, this.at(event)]);
    const run = this.runAt(event);
    if (run) this.setRange([run.start, run.end], { label: run.label });
    this.seek(run ? run.start : pressed.time);
  }

  runAt(event) {
    const y = event.clientY - this.track.getBoundingClientRect().top - AXIS - SCORES - 4;
    const time = this.at(event);
    return y < 0 ? null : this.data.runs.find(({ start, end, lane }) => lane === Math.floor(y / LANE) && start <= time && time <= end);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const time = this.player.time();
    const target = this.timeOfKey(event.key, time);
    const acts = { "[": () => this.mark("start"), "]": () => this.mark("end"), "+": () => this.zoomBy(2), "=": () => this.zoomBy(2), "-": () => this.zoomBy(0.5), " ": () => this.player.toggle(), Escape: this.range && (() => this.setRange(null)) };
    if (target === null && !acts[event.key]) return;
    event.preventDefault(); // the dialog closes with Escape and goes to the next moment with arrows
    event.stopPropagation();
    if (target === null) return acts[event.key]();
    this.player.pause(); // or the playhead would run away from where the key put it
    if (event.shiftKey) {
      this.anchor ??= time;
      this.setRange([this.anchor, target]);
    } else this.anchor = null;
    this.seek(target);
  }

  timeOfKey(key, time) {
    const { starts } = this.data;
    const place = this.placeAt(time);
    const begun = place >= 0 && time - starts[place] > 0.25; // then ArrowLeft goes to its start
    const times = { Home: 0, End: this.seconds, PageUp: time - this.seconds / 10, PageDown: time + this.seconds / 10, ArrowRight: starts[place + 1] ?? this.seconds, ArrowLeft: starts[begun ? place : place - 1] ?? 0 };
    return key in times ? Math.min(this.seconds, Math.max(0, times[key])) : null;
  }

  // --- the range ------------------------------------------------------------------------------

  mark(edge) {
    const now = this.player.time();
    const { start, end } = this.range ?? { start: now, end: this.seconds };
    this.setRange(edge === "start" ? [now, end > now ? end : this.seconds] : [start < now ? start : 0, now]);
  }

  /** Choose a range, or none. `final` tells that it is no longer dragged. */
  setRange(ends, { final = true, label = "" } = {}) {
    const rounded = ends?.map((time) => Math.round(time * 100) / 100).sort((a, b) => a - b);
    const range = rounded && rounded[1] - rounded[0] >= 0.05 ? { start: rounded[0], end: rounded[1] } : null;
    this.range = range;
    this.chosen.hidden = this.form.hidden = !range;
    if (!range) this.anchor = null;
    if (range) {
      this.chosen.style.left = `${(100 * range.start) / this.seconds}%`;
      this.chosen.style.width = `${(100 * (range.end - range.start)) / this.seconds}%`;
      this.rangeText.textContent = `${clock(range.start)}–${clock(range.end)}`;
      if (final) this.input.value = label;
    }
    if (!final) return;
    if (range) this.player.loop(range.start, range.end);
    else this.player.loop(0, Infinity);
  }

  async label(label) {
    const body = { ...this.range, label };
    try {
      await labelRange(this.tile.video, body, () => this.element.isConnected && this.load());
      this.setRange(null);
      this.track.focus();
    } catch (error) {
      toast(error.message, { bad: true });
    }
  }

  searchRange() {
    const { start, end } = this.range;
    const moment = `range ${this.tile.video} ${start} ${end}`; // a key, as the id of a moment is
    this.search({ ...this.tile, moment, range: true, start, end, score: null });
  }

  // --- the list -------------------------------------------------------------------------------

  drawList() {
    const row = (start, end, text, label) => el("li", {}, el("button", { type: "button", class: "quiet", text: `${clock(start)}–${clock(end)} ${text}`, onclick: () => {
      if (label !== undefined) this.setRange([start, end], { label });
      this.seek(start);
    } }));
    const { starts, ends, runs } = this.data;
    const lists = [];
    const add = (title, rows) => rows.length && lists.push(el("div", {}, el("h3", { text: title }), el("ul", { "aria-label": title }, ...rows)));
    if (this.found.scores) {
      const best = this.found.scores.map((_, i) => i).sort((a, b) => this.found.scores[b] - this.found.scores[a]).slice(0, BEST);
      add("Most similar moments", best.map((i) => row(starts[i], ends[i], scoreWords(this.scored(i)))));
    }
    add(runs.length > LISTED ? `First ${LISTED} labels` : "Labels", runs.slice(0, LISTED).map(({ start, end, label }) => row(start, end, label, label)));
    this.list.replaceChildren(this.list.firstChild, ...(lists.length ? lists : [el("p", { class: "hint", text: "No labels yet." })]));
  }

  close() {
    this.resizing.disconnect();
  }
}
