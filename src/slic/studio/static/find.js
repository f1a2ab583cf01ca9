// The view "Find": the query on the left, the moments on the right.

import { $, count, el, icon, toast } from "./dom.js";
import { postJson, thumbnailUrl } from "./api.js";
import { fileName, Grid } from "./grid.js";
import { openLabelling } from "./labelling.js";
import { stopLoading } from "./player.js";
import { changed, isSearching, on, searchRequest, state, toggleExamples } from "./store.js";
import { compare, hideComparison } from "./compare.js";
import { setText, showWeighing } from "./parts.js";
import { removeUpload } from "./upload.js";

const PAGE = 48;
const MAX_RESULTS = 1000; // limit of the server
const grid = new Grid($("grid"));
let running = null; // aborts the request that is superseded

/** Load the first page of what the query and the scope select. */
export async function refresh() {
  drawExamples();
  drawScope();
  await load(false);
}

async function load(append) {
  running?.abort();
  running = new AbortController();
  const search = searchRequest();
  const searching = isSearching();
  const before = append ? grid.tiles : [];
  const k = Math.min(before.length + PAGE, MAX_RESULTS);
  const body = searching ? { ...search, k } : { scope: search.scope, offset: before.length, limit: PAGE };
  $("grid").setAttribute("aria-busy", "true");
  if (!append) stopLoading($("grid"));
  try {
    const response = await postJson(searching ? "/api/search" : "/api/browse", body, running.signal);
    // A larger k may merge hits, so its results need not begin with those of the smaller one.
    const known = new Set(before.map(({ moment }) => moment));
    const fresh = response.moments.filter(({ moment }) => !known.has(moment));
    fresh.forEach((tile, at) => Object.assign(tile, { rank: searching ? before.length + at + 1 : null, compared_with: response.compared_with }));
    grid.show(fresh, { append });
    showWeighing(searching ? { weights: response.weights, from: response.weights_from } : null);
    const shown = grid.tiles.length;
    if (state.summary.compared && searching) compare(search, grid.tiles, k);
    else if (state.summary.compared) hideComparison();
    $("find-title").textContent = searching ? "Most similar" : "Moments";
    if (searching) $("find-status").textContent = `${count(shown, "moment")} in ${(1000 * response.seconds).toFixed(0)} ms`;
    else showTotal(response.total);
    $("more").hidden = searching ? response.moments.length < k || k === MAX_RESULTS : shown >= response.total;
    $("grid").setAttribute("aria-busy", "false");
    if (!shown) $("grid").replaceChildren(emptyHint(search));
  } catch (error) {
    if (error.name === "AbortError") return;
    grid.show([]);
    $("more").hidden = true;
    $("find-status").textContent = "";
    toast(error.message, { bad: true });
  }
}

/** Show how many moments there are to browse. */
function showTotal(total) {
  $("find-status").textContent = `${total.toLocaleString("en")} in ${count(state.summary.videos, "video")}`;
}

/** Show the numbers of a growing index, where all of it is browsed. */
export function showCounts() {
  const { where, lasso, cluster } = state.scope;
  if (!isSearching() && !where && !lasso.length && !cluster) showTotal(state.summary.moments);
}

/** Whether the first page has space for moments that are indexed meanwhile, and shows no hits of a search. */
export const hasSpace = () => (isSearching() ? !grid.tiles.length : grid.tiles.length < PAGE);

function emptyHint({ scope }) {
  const filtered = scope.where || scope.lasso.length || scope.cluster;
  if (state.summary.indexing?.running && !filtered) return el("li", { class: "empty" }, el("b", { text: "No moment is indexed yet." }), "The first ones appear here by themselves.");
  return el("li", { class: "empty" }, el("b", { text: "No moment matches." }), "Remove a filter, the lasso or the cluster.");
}

function drawExamples() {
  const groups = [["like", "Like these"], ["unlike", "Unlike these"]].filter(([kind]) => state[kind].length);
  $("examples").replaceChildren(
    ...groups.map(([kind, title]) =>
      el("div", {}, el("h2", {}, el("span", { text: title }), labelExamples(kind)), el("div", { class: "chips" }, ...state[kind].map((tile) => exampleChip(tile, kind)))),
    ),
  );
  $("clear").hidden = !(isSearching() || state.unlike.length);
}

/** A button that labels the liked moments, which are not among the results. */
function labelExamples(kind) {
  const tiles = state[kind].filter(({ range }) => !range);
  if (kind !== "like" || !tiles.length) return null;
  return el("button", { type: "button", class: "quiet", text: "Label", title: "Label the liked moments", onclick: () => openLabelling(tiles) });
}

function exampleChip(tile, kind) {
  const title = `Remove ${tile.label ?? fileName(tile.path)} from the query`;
  return el("button", { type: "button", class: `chip ${kind}`, "aria-label": title, title, onclick: () => toggleExamples([tile], kind) },
    el("img", { src: thumbnailUrl(tile), alt: "" }), icon("close"));
}

function drawScope() {
  const chips = [];
  const chip = (text, remove) =>
    el("button", { type: "button", onclick: remove, title: text, "aria-label": `Remove: ${text}` }, el("bdi", { text }), icon("close"));
  if (state.scope.lasso.length) chips.push(chip("Inside the lasso", () => setScope({ lasso: [] })));
  if (state.scope.cluster) chips.push(chip(state.clusterTitle, () => setScope({ cluster: null })));
  $("scope").replaceChildren(...chips);
}

/** Replace the given parts of the scope and load its moments. */
export function setScope(part) {
  state.scope = { ...state.scope, ...part };
  changed("query");
}

$("more").addEventListener("click", () => load(true));
$("clear").addEventListener("click", () => {
  state.like = [];
  state.unlike = [];
  setText("");
  removeUpload();
});
on("query", refresh);
on("relabelled", refresh);
