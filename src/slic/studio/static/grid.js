// A grid of playing moments: select, like, unlike, open, and move with the arrow keys.

import { clock, el, icon } from "./dom.js";
import { loopingVideo, releaseVideos, togglePlaying } from "./player.js";
import { scoreBadge, scoreWords } from "./score.js";
import { changed, isLiked, isUnliked, on, select, state, toggleExamples } from "./store.js";
import { openViewer } from "./viewer.js";

const tileOf = new WeakMap();
const grids = [];

export class Grid {
  /** `foot` returns what stands under the caption of a tile, or null. */
  constructor(root, { foot = () => null } = {}) {
    this.root = root;
    this.foot = foot;
    this.tiles = [];
    this.anchor = null; // position where a selection with Shift begins
    grids.push(this);
    root.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("keydown", (event) => this.pressed(event));
    on("query", () => this.drawState());
    on("selected", () => this.drawState());
  }

  /** Show tiles; `heads` has, for the position of a tile, an element that stands before it. */
  show(tiles, { append = false, heads = new Map() } = {}) {
    if (!append) {
      releaseVideos(this.root);
      this.root.replaceChildren();
      this.tiles = [];
      this.anchor = null;
    }
    this.tiles.push(...tiles);
    for (const [position, tile] of tiles.entries()) {
      const item = tileElement(tile);
      const foot = this.foot(tile);
      if (foot) item.append(foot);
      this.root.append(...(heads.has(position) ? [heads.get(position)] : []), item);
    }
    if (!append && tiles.length) this.items()[0].tabIndex = 0;
    this.drawState();
  }

  items() {
    return [...this.root.querySelectorAll(".tile")];
  }

  drawState() {
    this.root.classList.toggle("picking", state.selected.size > 0);
    for (const item of this.items()) {
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
    if (button === "like" || button === "unlike") toggleExamples([tile], button);
    else if (button === "pick" || state.selected.size > 0 || event.shiftKey) this.pick(item, event.shiftKey);
    else openViewer(this, tile);
  }

  /** Select or deselect a tile; with `range`, select all from the anchor to it. */
  pick(item, range) {
    const here = this.items().indexOf(item);
    const wanted = !state.selected.has(tileOf.get(item).moment);
    const from = range && this.anchor !== null ? this.anchor : here;
    this.anchor = here;
    const [low, high] = from < here ? [from, here] : [here, from];
    select(this.tiles.slice(low, high + 1), range ? true : wanted);
  }

  pressed(event) {
    const item = event.target.closest(".tile");
    const target = item && this.neighbour(item, event.key);
    if (!target) return;
    event.preventDefault();
    this.focus(target);
  }

  focus(item) {
    for (const other of this.root.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
    item.scrollIntoView({ block: "nearest" });
  }

  /** Return the tile that a key leads to; up and down, the nearest one of the next row. */
  neighbour(item, key) {
    const items = this.items();
    const here = items.indexOf(item);
    if (key === "Home") return items[0];
    if (key === "End") return items.at(-1);
    if (key === "ArrowLeft") return items[here - 1];
    if (key === "ArrowRight") return items[here + 1];
    if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
    const others = key === "ArrowDown" ? items.slice(here + 1) : items.slice(0, Math.max(here, 0)).reverse();
    const next = others.find((other) => other.offsetTop !== item.offsetTop);
    const row = others.filter((other) => other.offsetTop === next?.offsetTop);
    const away = (other) => Math.abs(other.offsetLeft - item.offsetLeft);
    return row.reduce((best, other) => (best && away(best) <= away(other) ? best : other), undefined);
  }
}

/** Return the visible grid, and its tile that has the focus or the pointer. */
export function current() {
  const item = document.activeElement?.closest?.(".tile") ?? document.querySelector(".tile:hover");
  const grid = grids.find((one) => (item ? one.root.contains(item) : one.root.checkVisibility() && one.tiles.length));
  return { grid, item, tile: item && tileOf.get(item) };
}

export function focusFirst() {
  const { grid } = current();
  const first = grid?.root.querySelector('.tile[tabindex="0"]') ?? grid?.items()[0];
  if (first) grid.focus(first);
}

export const pickItem = ({ grid, item }) => grid.pick(item, false);
export const toggleItem = ({ item }) => item.querySelector("video") && togglePlaying(item.querySelector("video"));

export const fileName = (path) => path.split("/").at(-1);

/** Return the text under a moment: its label or else its file, and its time. */
export function caption(tile) {
  const file = fileName(tile.path);
  return el("div", { class: "caption" },
    el("b", { text: tile.label ?? file, title: tile.path, class: tile.label ? "" : "unlabelled" }),
    el("time", { text: `${clock(tile.start)}–${clock(tile.end)}` }),
    tile.label ? el("small", { text: file, title: tile.path }) : null,
  );
}

function spokenText(tile) {
  const score = tile.score === null ? "" : `, ${scoreWords(tile)}`;
  const label = tile.label ? `${tile.label}, ` : "";
  return `${label}${tile.path}, ${clock(tile.start)} to ${clock(tile.end)}${score}`;
}

const roundButton = (act, title, iconId, more = {}) =>
  el("button", { type: "button", class: act, "data-act": act, tabindex: "-1", "aria-label": title, title, ...more }, icon(iconId));

function tileElement(tile) {
  const frame = el("div", { class: "frame" },
    loopingVideo(tile),
    scoreBadge(tile),
    roundButton("pick", "Select", "check", { role: "checkbox", "aria-checked": "false" }),
    el("div", { class: "acts" }, roundButton("unlike", "Less like this (U)", "unlike"), roundButton("like", "More like this (L)", "like")),
  );
  const item = el("li", { class: "tile", tabindex: "-1", "aria-label": spokenText(tile), "data-moment": String(tile.moment) }, frame, caption(tile));
  tileOf.set(item, tile);
  return item;
}

/** Show a new label of moments in all grids, without reloading their videos. */
export function relabel(moments, label) {
  for (const grid of grids) {
    for (const item of grid.root.querySelectorAll(".tile")) {
      const tile = tileOf.get(item);
      if (!moments.has(tile.moment)) continue;
      tile.label = label;
      item.querySelector(".caption").replaceWith(caption(tile));
      item.setAttribute("aria-label", spokenText(tile));
    }
  }
}
