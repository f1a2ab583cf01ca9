// The view "Curate": near duplicates and copies side by side, and outliers.

import { $, count, debounce, el, toast } from "./dom.js";
import { getJson } from "./api.js";
import { Grid } from "./grid.js";
import { record, undoAction } from "./history.js";
import { labelTiles, tell } from "./labelling.js";
import { on, select, state } from "./store.js";

const POLL_MILLISECONDS = 700;
const DUPLICATE = "duplicate";
const KINDS = {
  duplicates: { title: "Near duplicates", what: "group", hint: "Moments of different files that are nearly equal. Keep one, and the others get the label “duplicate”." },
  copies: { title: "Copies", what: "group", hint: "Files with the same content under several paths. Labels belong to the content, so copies share them." },
  everything: { title: "Outliers", what: "moment", hint: "Moments to which nothing is similar, the most isolated first." },
  cluster: { title: "Outliers of clusters", what: "moment", hint: "Moments that are least similar to the mean of their cluster." },
};
const grid = new Grid($("curate-grid"), { foot });
const groupOf = new Map(); // moment -> its group
const hidden = new Set(); // keys of groups that are not duplicates to the user
let kind = "duplicates";
let shown = 0; // groups or moments that were loaded
let asked = 0; // the latest request; answers to older ones are dropped
let waiting = 0;

export async function showCurate() {
  drawKinds();
  await load(false);
}

const isGroups = () => kind === "duplicates" || kind === "copies";
const keyOf = (group) => group.moments.map(({ moment }) => moment).join();

function address(offset) {
  if (!isGroups()) return `/api/curation/outliers?by=${kind}&offset=${offset}`;
  return `/api/curation/${kind}?offset=${offset}${kind === "duplicates" ? `&threshold=${$("threshold").value}` : ""}`;
}

async function load(append) {
  clearTimeout(waiting);
  const mine = ++asked;
  const found = await getJson(address(append ? shown : 0));
  if (mine !== asked || $("view-curate").hidden) return;
  if (found.progress) return wait(found.progress);
  if (!append) reset();
  $("curate-progress").hidden = true;
  if (found.unclustered) return draw([], 0, "There are no clusters yet.");
  if (isGroups()) showGroups(found, append);
  else showMoments(found, append);
}

function reset() {
  shown = 0;
  groupOf.clear();
}

/** Show how far the search is, and ask again. */
function wait({ done, total }) {
  grid.show([]);
  $("curate-more").hidden = $("curate-empty").hidden = true;
  const bar = $("curate-progress");
  bar.hidden = false;
  bar.firstElementChild.max = total || 1;
  if (total) bar.firstElementChild.value = done;
  else bar.firstElementChild.removeAttribute("value");
  $("curate-status").textContent = total ? `Comparing ${done.toLocaleString("en")} of ${count(total, "moment")}` : "Opening the index…";
  waiting = setTimeout(() => $("view-curate").hidden || load(false).catch(fail), POLL_MILLISECONDS);
}

function showGroups({ groups, total }, append) {
  const heads = new Map();
  const tiles = [];
  shown += groups.length;
  for (const group of groups.filter((one) => !hidden.has(keyOf(one)))) {
    heads.set(tiles.length, groupHead(group));
    for (const tile of group.moments) groupOf.set(tile.moment, group);
    tiles.push(...group.moments);
  }
  draw(tiles, total, kind === "copies" ? "No file has a copy." : "No two moments are so similar.", { append, heads });
}

function showMoments({ moments, total }, append) {
  shown += moments.length;
  draw(moments, total, "There are no moments yet.", { append });
}

function draw(tiles, total, empty, { append = false, heads } = {}) {
  grid.show(tiles, { append, heads });
  $("curate-grid").classList.toggle("grouped", isGroups());
  $("curate-status").textContent = count(total, KINDS[kind].what);
  $("curate-more").hidden = shown >= total;
  $("curate-empty").hidden = grid.tiles.length > 0;
  $("curate-empty").replaceChildren(el("b", { text: total && !tiles.length ? "All of these are hidden." : empty }), emptyAdvice());
}

function emptyAdvice() {
  if (kind === "duplicates") return "Lower the threshold to see more.";
  if (kind === "cluster") return `Run slic cluster ${state.summary.title} first.`;
  return "";
}

function groupHead(group) {
  const more = group.size - group.moments.length;
  const words = kind === "copies" ? `${count(group.size, "file")} with the same content` : `${count(group.size, "moment")}, similarity ${group.similarity.toFixed(3)}`;
  const head = el("li", { class: "group-head" },
    el("h2", { text: words }),
    more > 0 ? el("span", { class: "hint", text: `${group.moments.length} shown` }) : null,
    el("button", { type: "button", class: "quiet", text: "Select all", onclick: () => select(group.moments, true) }),
    el("button", { type: "button", class: "quiet", text: "Hide", title: "Not duplicates: hide this group", onclick: () => hide(group) }));
  head.group = group;
  return head;
}

/** The button under a near duplicate. Copies share their labels, so one cannot be kept. */
function foot(tile) {
  if (kind !== "duplicates") return null;
  const act = (event) => {
    event.stopPropagation(); // a click on the tile opens it
    keepOnly(tile);
  };
  return el("button", { type: "button", class: "keep", text: "Keep only this", title: `Give the others the label “${DUPLICATE}”`, onclick: act });
}

function keepOnly(tile) {
  const group = groupOf.get(tile.moment);
  const others = group.moments.filter(({ moment }) => moment !== tile.moment);
  const back = () => $("view-curate").hidden || load(false).catch(fail);
  const action = labelTiles(others, DUPLICATE, { undone: back, redone: () => remove(group) });
  shown -= 1; // the studio no longer counts the group
  remove(group);
  if (action) tell(action);
}

function hide(group) {
  const key = keyOf(group);
  const again = () => {
    hidden.add(key);
    remove(group);
  };
  const action = record({
    text: `Group of ${count(group.size, "moment")} hidden`,
    undo: () => {
      hidden.delete(key);
      return showCurateIfVisible();
    },
    redo: again,
  });
  again();
  toast(`${action.text}.`, { action: "Undo", run: () => undoAction(action) });
}

const showCurateIfVisible = () => ($("view-curate").hidden ? null : load(false));

/** Take a group out of the page, and put the focus on what follows. */
function remove(group) {
  const gone = new Set(group.moments.map(({ moment }) => String(moment)));
  const items = grid.items();
  const first = items.findIndex((item) => gone.has(item.dataset.moment));
  const next = items.slice(Math.max(first, 0)).find((item) => !gone.has(item.dataset.moment));
  for (const item of items) if (gone.has(item.dataset.moment)) item.remove();
  for (const head of $("curate-grid").querySelectorAll(".group-head")) if (head.group === group) head.remove();
  grid.tiles = grid.tiles.filter(({ moment }) => !gone.has(String(moment)));
  select(group.moments, false);
  if (next) grid.focus(next);
  else load(false).catch(fail);
}

function drawKinds() {
  const button = (name) => el("button", { type: "button", text: KINDS[name].title, "aria-pressed": String(name === kind), onclick: () => {
    kind = name;
    showCurate().catch(fail);
  } });
  $("curate-kinds").replaceChildren(...Object.keys(KINDS).map(button));
  $("curate-hint").textContent = KINDS[kind].hint;
  $("threshold-label").hidden = kind !== "duplicates";
  $("threshold-value").textContent = Number($("threshold").value).toFixed(3);
}

const fail = (error) => toast(error.message, { bad: true });

$("threshold").addEventListener("input", () => ($("threshold-value").textContent = Number($("threshold").value).toFixed(3)));
$("threshold").addEventListener("input", debounce(250, () => load(false).catch(fail)));
$("curate-more").addEventListener("click", () => load(true).catch(fail));
on("relabelled", () => $("view-curate").hidden || load(false).catch(fail));
