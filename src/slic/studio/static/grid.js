// A grid of moments that play: pick, like, unlike, select, and go about with the arrow keys.

import { clock, el, icon } from "./dom.js";
import { forget, loopingVideo, toggle } from "./player.js";
import { changed, isLiked, isUnliked, judge, on, select, state } from "./store.js";
import { openViewer } from "./viewer.js";

const tileOf = new WeakMap();
const grids = [];

export class Grid {
  constructor(root) {
    this.root = root;
    this.tiles = [];
    this.last = null; // where a selection with Shift begins
    grids.push(this);
    root.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("keydown", (event) => this.pressed(event));
    on("query", () => this.mark());
    on("selected", () => this.mark());
  }

  show(tiles, { append = false } = {}) {
    if (!append) {
      forget(this.root);
      this.root.replaceChildren();
      this.tiles = [];
      this.last = null;
    }
    this.tiles.push(...tiles);
    this.root.append(...tiles.map(tileElement));
    if (!append && this.root.firstChild) this.root.firstChild.tabIndex = 0;
    this.mark();
  }

  mark() {
    this.root.classList.toggle("picking", state.selected.size > 0);
    for (const item of this.root.querySelectorAll(".tile")) {
      const { moment } = tileOf.get(item);
      const selected = state.selected.has(moment);
      item.classList.toggle("selected", selected);
      item.classList.toggle("liked", isLiked(moment));
      item.classList.toggle("unliked", isUnliked(moment));
      item.querySelector(".pick").setAttribute("aria-checked", String(selected));
      item.querySelector(".like").setAttribute("aria-pressed", String(isLiked(moment)));
      item.querySelector(".unlike").setAttribute("aria-pressed", String(isUnliked(moment)));
    }
  }

  clicked(event) {
    const item = event.target.closest(".tile");
    if (!item) return;
    const tile = tileOf.get(item);
    const button = event.target.closest("button")?.dataset.act;
    if (button === "like" || button === "unlike") judge([tile], button);
    else if (button === "pick" || state.selected.size > 0 || event.shiftKey) this.pick(item, event.shiftKey);
    else openViewer(this, tile);
  }

  /** Select or leave out one, or with Shift all from the one before. */
  pick(item, wide) {
    const here = [...this.root.children].indexOf(item);
    const wanted = !state.selected.has(tileOf.get(item).moment);
    const from = wide && this.last !== null ? this.last : here;
    this.last = here;
    const [low, high] = from < here ? [from, here] : [here, from];
    select(this.tiles.slice(low, high + 1), wide ? true : wanted);
  }

  pressed(event) {
    const item = event.target.closest(".tile");
    const to = item && this.goal(item, event.key);
    if (!to) return;
    event.preventDefault();
    this.focus(to);
  }

  focus(item) {
    for (const other of this.root.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
    item.scrollIntoView({ block: "nearest" });
  }

  goal(item, key) {
    const items = [...this.root.children];
    const here = items.indexOf(item);
    const columns = items.findIndex((other) => other.offsetTop > items[0].offsetTop);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
    if (key === "Home") return items[0];
    if (key === "End") return items.at(-1);
    return step === undefined || columns < 0 && Math.abs(step) !== 1 ? undefined : items[here + step];
  }
}

/** The grid that is in sight, its tile in focus or under the pointer. */
export function current() {
  const item = document.activeElement?.closest?.(".tile") ?? document.querySelector(".tile:hover");
  const grid = grids.find((one) => (item ? one.root.contains(item) : one.root.checkVisibility() && one.tiles.length));
  return { grid, item, tile: item && tileOf.get(item) };
}

export function focusFirst() {
  const { grid } = current();
  const first = grid?.root.querySelector('.tile[tabindex="0"]') ?? grid?.root.firstElementChild;
  if (first) grid.focus(first);
}

export const pickItem = ({ grid, item }) => grid.pick(item, false);
export const toggleItem = ({ item }) => item.querySelector("video") && toggle(item.querySelector("video"));

export const baseName = (path) => path.split("/").at(-1);

/** What a person reads under a moment: its name, or that of its file. */
export function caption(tile) {
  const file = baseName(tile.path);
  return el("div", { class: "caption" },
    el("b", { text: tile.name ?? file, title: tile.path, class: tile.name ? "" : "unnamed" }),
    el("time", { text: `${clock(tile.start)}–${clock(tile.end)}` }),
    tile.name ? el("small", { text: file, title: tile.path }) : null,
  );
}

export function spoken(tile) {
  const score = tile.score === null ? "" : `, similarity ${tile.score.toFixed(2)}`;
  const name = tile.name ? `${tile.name}, ` : "";
  return `${name}${tile.path}, ${clock(tile.start)} to ${clock(tile.end)}${score}`;
}

const round = (act, label, picture, more = {}) =>
  el("button", { type: "button", class: act, "data-act": act, tabindex: "-1", "aria-label": label, title: label, ...more }, icon(picture));

function tileElement(tile) {
  const frame = el("div", { class: "frame" },
    loopingVideo(tile),
    tile.score === null ? null : el("span", { class: "score", text: tile.score.toFixed(2), title: "Cosine similarity" }),
    round("pick", "Select", "check", { role: "checkbox", "aria-checked": "false" }),
    el("div", { class: "acts" }, round("unlike", "Less like this (U)", "unlike"), round("like", "More like this (L)", "like")),
  );
  const item = el("li", { class: "tile", tabindex: "-1", "aria-label": spoken(tile), "data-moment": String(tile.moment) }, frame, caption(tile));
  tileOf.set(item, tile);
  return item;
}

/** Names have changed: show them without stopping what plays. */
export function rename(moments, name) {
  for (const grid of grids) {
    for (const item of grid.root.querySelectorAll(".tile")) {
      const tile = tileOf.get(item);
      if (!moments.has(tile.moment)) continue;
      tile.name = name;
      item.querySelector(".caption").replaceWith(caption(tile));
      item.setAttribute("aria-label", spoken(tile));
    }
  }
  changed("names");
}
