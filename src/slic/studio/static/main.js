// Where the page begins: its views, its keys, and what happens with selected moments.

import { $, count, toast } from "./dom.js";
import { get } from "./api.js";
import { current, focusFirst, pickItem, toggleItem } from "./grid.js";
import { changed, clearSelection, judge, on, select, state } from "./store.js";
import { openNaming, undo } from "./naming.js";
import { openViewer } from "./viewer.js";
import { refresh } from "./find.js";
import "./filter.js";
import { showMap } from "./map.js";
import { showClusters } from "./clusters.js";
import { showRuns } from "./runs.js";

const views = { find: () => {}, map: showMap, clusters: showClusters, runs: showRuns };

function showView() {
  const wanted = location.hash.slice(1);
  const view = wanted in views && (wanted !== "runs" || state.about.runs) ? wanted : "find";
  for (const name of Object.keys(views)) $(`view-${name}`).hidden = name !== view;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  Promise.resolve(views[view]()).catch((error) => toast(error.message, { bad: true }));
}

function drawActions() {
  const number = state.selected.size;
  $("actions").hidden = number === 0;
  $("actions-count").textContent = `${number.toLocaleString("en")} selected`;
  $("actions").setAttribute("aria-label", count(number, "selected moment"));
}

const selectedTiles = () => [...state.selected.values()];

function judgeSelected(kind) {
  const tiles = selectedTiles();
  clearSelection();
  judge(tiles, kind);
  location.hash = "find";
}

function judgeOne(here, kind) {
  if (state.selected.size) judgeSelected(kind);
  else if (here.tile) judge([here.tile], kind);
}

function changeTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("slic-theme", root.dataset.theme);
  changed("theme");
}

const keys = {
  "/": () => $("filter-text").focus(),
  "?": () => $("help").showModal(),
  l: (here) => judgeOne(here, "like"),
  u: (here) => judgeOne(here, "unlike"),
  x: (here) => here.tile && pickItem(here),
  a: (here) => here.grid && select(here.grid.tiles, true),
  n: (here) => openNaming(state.selected.size ? selectedTiles() : here.tile ? [here.tile] : []),
  z: () => undo(),
  " ": (here) => here.tile && toggleItem(here),
  Enter: (here) => here.tile && openViewer(here.grid, here.tile),
  Escape: () => clearSelection(),
  1: () => (location.hash = "find"),
  2: () => (location.hash = "map"),
  3: () => (location.hash = "clusters"),
  4: () => state.about.runs && (location.hash = "runs"),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]") || event.target.closest("input, select, textarea")) return;
  if ((event.key === " " || event.key === "Enter") && event.target.closest("button, a")) return;
  if (event.key.startsWith("Arrow") && event.target === document.body) {
    event.preventDefault();
    focusFirst();
    return;
  }
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act(current());
}

async function begin() {
  state.about = await get("/api/about");
  document.querySelector('.tabs [data-view="runs"]').hidden = !state.about.runs;
  changed("about");
  addEventListener("hashchange", showView);
  addEventListener("keydown", pressed);
  showView();
  await refresh();
  document.body.dataset.ready = "1";
}

on("selected", drawActions);
$("act-name").addEventListener("click", () => openNaming(selectedTiles()));
$("act-like").addEventListener("click", () => judgeSelected("like"));
$("act-unlike").addEventListener("click", () => judgeSelected("unlike"));
$("act-clear").addEventListener("click", clearSelection);
$("theme").addEventListener("click", changeTheme);
$("help-open").addEventListener("click", () => $("help").showModal());
begin().catch((error) => toast(error.message, { bad: true }));
