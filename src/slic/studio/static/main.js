// Entry point: the views, the keys, and the actions on selected moments.

import { $, count, toast } from "./dom.js";
import { getJson } from "./api.js";
import { openMoving, showClusters } from "./clusters.js";
import { showCurate } from "./curate.js";
import "./about.js";
import "./filter.js";
import { refresh } from "./find.js";
import { current, focusFirst, pickItem, toggleItem } from "./grid.js";
import { redoLast, startHistory, undoLast } from "./history.js";
import { followIndexing } from "./indexing.js";
import "./labelfiles.js";
import { openLabelling } from "./labelling.js";
import { showMap } from "./map.js";
import { readAddress } from "./parts.js";
import { askLabel, currentInQueue, labelHere, labelWithDigit, showQueue, skip } from "./queue.js";
import { showRuns } from "./runs.js";
import { changed, clearSelection, on, select, state, toggleExamples } from "./store.js";
import { openViewer } from "./viewer.js";

const views = { find: () => {}, label: showQueue, map: showMap, clusters: showClusters, curate: showCurate, runs: showRuns };

function showView() {
  const wanted = location.hash.slice(1);
  const view = wanted in views && (wanted !== "runs" || state.summary.runs) ? wanted : "find";
  for (const id of Object.keys(views)) $(`view-${id}`).hidden = id !== view;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = view;
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

function toggleSelected(kind) {
  const tiles = selectedTiles();
  clearSelection();
  toggleExamples(tiles, kind);
  location.hash = "find";
}

function toggleSelectedOr(here, kind) {
  if (state.selected.size) toggleSelected(kind);
  else if (here.tile) toggleExamples([here.tile], kind);
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
  t: () => state.summary.text && ((location.hash = "find"), $("text").focus()),
  "?": () => $("help").showModal(),
  l: (here) => toggleSelectedOr(here, "like"),
  u: (here) => toggleSelectedOr(here, "unlike"),
  x: (here) => here.grid && here.tile && pickItem(here),
  a: (here) => here.grid && select(here.grid.tiles, true),
  n: (here) => askLabel(state.selected.size ? selectedTiles() : here.tile ? [here.tile] : []),
  s: () => skip(),
  0: (here) => labelHere(null, here),
  Backspace: (here) => labelHere(null, here),
  z: () => undoLast(),
  Z: () => redoLast(),
  " ": (here) => here.tile && toggleItem(here),
  Enter: (here) => here.tile && openViewer(here.grid, here.tile),
  Escape: () => clearSelection(),
  f: () => (location.hash = "find"),
  q: () => (location.hash = "label"),
  m: () => (location.hash = "map"),
  c: () => (location.hash = "clusters"),
  d: () => (location.hash = "curate"),
  r: () => state.summary.runs && (location.hash = "runs"),
};

for (let digit = 1; digit <= 9; digit++) keys[digit] = (here) => labelWithDigit(digit, here);

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]") || event.target.closest("input, select, textarea")) return;
  if ((event.key === " " || event.key === "Enter") && event.target.closest("button, a")) return;
  if (event.key.startsWith("Arrow") && event.target === document.body) {
    event.preventDefault();
    focusFirst();
    return;
  }
  const shifted = event.shiftKey && event.key in keys; // Caps Lock alone does not make Z to Shift+Z
  const act = keys[shifted || event.key.length > 1 ? event.key : event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act(currentInQueue() ?? current());
}

async function start() {
  state.summary = await getJson("/api/summary");
  document.querySelector('.tabs [data-view="runs"]').hidden = !state.summary.runs;
  readAddress();
  startHistory();
  changed("summary");
  addEventListener("hashchange", showView);
  addEventListener("keydown", pressed);
  showView();
  await refresh();
  followIndexing();
  document.body.dataset.ready = "1"; // for tests and screenshots
}

on("selected", drawActions);
$("act-label").addEventListener("click", () => openLabelling(selectedTiles()));
$("act-like").addEventListener("click", () => toggleSelected("like"));
$("act-unlike").addEventListener("click", () => toggleSelected("unlike"));
$("act-move").addEventListener("click", () => openMoving(selectedTiles()).catch((error) => toast(error.message, { bad: true })));
$("act-clear").addEventListener("click", clearSelection);
$("theme").addEventListener("click", changeTheme);
$("help-open").addEventListener("click", () => $("help").showModal());
start().catch((error) => toast(error.message, { bad: true }));
