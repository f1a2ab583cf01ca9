// The view "Find": what is looked for at the left, the moments at the right.

import { $, count, el, icon, toast } from "./dom.js";
import { post, still } from "./api.js";
import { dropClip } from "./clip.js";
import { baseName, Grid } from "./grid.js";
import { stopLoading } from "./player.js";
import { changed, judge, on, query, state } from "./store.js";

const PAGE = 48;
const MOST_FOUND = 1000; // the studio ranks no more
const grid = new Grid($("grid"));
let asking = null;

/** Ask anew for what is to be seen. */
export async function refresh() {
  drawExamples();
  drawScope();
  await load(false);
}

async function load(append) {
  asking?.abort();
  asking = new AbortController();
  const asked = query();
  const searching = asked.like.length > 0;
  const before = append ? grid.tiles : [];
  const k = Math.min(before.length + PAGE, MOST_FOUND);
  const body = searching ? { ...asked, k } : { within: asked.within, offset: before.length, limit: PAGE };
  $("grid").setAttribute("aria-busy", "true");
  if (!append) stopLoading($("grid"));
  try {
    const answer = await post(searching ? "/api/search" : "/api/browse", body, asking.signal);
    const there = new Set(before.map(({ moment }) => moment)); // more need not begin with what fewer were
    grid.show(answer.moments.filter(({ moment }) => !there.has(moment)), { append });
    const shown = grid.tiles.length;
    $("find-title").textContent = searching ? "Most alike" : "Moments";
    $("find-status").textContent = searching
      ? `${count(shown, "moment")} in ${(1000 * answer.seconds).toFixed(0)} ms`
      : `${answer.total.toLocaleString("en")} in ${count(state.about.videos, "video")}`;
    $("more").hidden = searching ? answer.moments.length < k || k === MOST_FOUND : shown >= answer.total;
    $("grid").setAttribute("aria-busy", "false");
    if (!shown) $("grid").replaceChildren(nothing());
  } catch (error) {
    if (error.name === "AbortError") return;
    grid.show([]);
    $("more").hidden = true;
    $("find-status").textContent = "";
    toast(error.message, { bad: true });
  }
}

function nothing() {
  return el("li", { class: "empty" }, el("b", { text: "No moment passes." }), "Take something off the filter, or clear the lasso.");
}

function drawExamples() {
  const groups = [["like", "Like these"], ["unlike", "Unlike these"]].filter(([kind]) => state[kind].length);
  $("examples").replaceChildren(
    ...groups.map(([kind, title]) =>
      el("div", {}, el("h2", { text: title }), el("div", { class: "chips" }, ...state[kind].map((tile) => chip(tile, kind)))),
    ),
  );
  $("clear").hidden = !(state.clip || state.like.length || state.unlike.length);
}

function chip(tile, kind) {
  const label = `Leave out ${tile.name ?? baseName(tile.path)}`;
  return el("button", { type: "button", class: `chip ${kind}`, "aria-label": label, title: label, onclick: () => judge([tile], kind) },
    el("img", { src: still(tile), alt: "" }), icon("close"));
}

function drawScope() {
  const chips = [];
  const off = (text, without) =>
    el("button", { type: "button", onclick: without, "aria-label": `Take off: ${text}` }, el("span", { text }), icon("close"));
  if (state.within.lasso.length) chips.push(off("Inside the lasso", () => narrow({ lasso: [] })));
  if (state.within.cluster) chips.push(off(state.clusterTitle, () => narrow({ cluster: null })));
  $("scope").replaceChildren(...chips);
}

/** Look at other moments than before. */
export function narrow(part) {
  state.within = { ...state.within, ...part };
  changed("query");
}

$("more").addEventListener("click", () => load(true));
$("clear").addEventListener("click", () => {
  state.like = [];
  state.unlike = [];
  dropClip();
});
on("query", refresh);
on("renamed", refresh);
