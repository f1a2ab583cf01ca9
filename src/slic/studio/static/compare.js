// The results of a second index, beside those of the first.

import { $, count, el, icon, toast } from "./dom.js";
import { getJson, postJson } from "./api.js";
import { caption } from "./grid.js";
import { loopingVideo, releaseVideos } from "./player.js";
import { scoreBadge, scoreWords } from "./score.js";
import { isSearching, on, state, toggleExamples } from "./store.js";
import { openViewer } from "./viewer.js";

let running = null; // aborts the request that is superseded

/** Search the second index for `search`, which has found `tiles` in the first one. */
export async function compare(search, tiles, k) {
  running?.abort();
  running = new AbortController();
  const [here, there] = state.summary.compared;
  $("columns").classList.add("two");
  $("compared").hidden = false;
  $("column-here").textContent = title(here);
  $("column-there").textContent = title(there);
  for (const name of ["column-here", "column-there"]) $(name).title = $(name).textContent;
  try {
    const shown = tiles.slice(0, k);
    const body = { ...search, k, shown: shown.map(({ moment }) => moment), spans: shown.map(({ start, end }) => [start, end]) };
    const found = await postJson("/api/compare", body, running.signal);
    draw(found, shown);
  } catch (error) {
    if (error.name === "AbortError") return;
    clear();
    $("compared-status").textContent = "";
    $("compared-grid").replaceChildren(el("li", { class: "empty" }, el("b", { text: "No comparison." }), error.message));
  }
}

/** Show one column again. */
export function hideComparison() {
  running?.abort();
  clear();
  $("columns").classList.remove("two");
  $("compared").hidden = true;
}

const title = ({ title, encoder }) => `${title}: ${encoder}`;

function clear() {
  releaseVideos($("compared-grid"));
  $("compared-grid").replaceChildren();
  for (const mark of document.querySelectorAll("#grid .also")) mark.remove();
}

function draw(found, shown) {
  clear();
  found.moments.forEach((tile, at) => Object.assign(tile, { rank: at + 1, compared_with: found.compared_with }));
  const none = el("li", { class: "empty" }, el("b", { text: "No moment matches." }), state.scope.where ? "A filter reads the labels and clusters of each index." : "");
  $("compared-grid").replaceChildren(...(found.moments.length ? found.moments.map(tileElement) : [none]));
  drawLikes();
  shown.forEach(({ moment }, at) => {
    const frame = document.querySelector(`#grid .tile[data-moment="${moment}"] .frame`);
    if (found.also[at] && frame) frame.append(mark(found.also[at], state.summary.compared[1]));
  });
  const words = [found.k ? `overlap@${found.k} ${Math.round(100 * found.overlap)} %` : "nothing to compare"];
  if (found.skipped) words.push(`${count(found.skipped, "example")} of the query not in this index`);
  $("compared-status").textContent = words.join(" · ");
}

/** The mark of a result that both indexes have, with its rank in the other one. */
const mark = (rank, { title }) => el("span", { class: "also", text: `both · ${rank}`, title: `Also in ${title}, at rank ${rank}` });

function tileElement(tile) {
  const like = tile.twin === null ? null : el("button", { type: "button", class: "like", "aria-label": "More like this", title: "More like this", onclick: (event) => {
    event.stopPropagation();
    withTwin(tile, (twin) => toggleExamples([twin], "like"));
  } }, icon("like"));
  const frame = el("div", { class: "frame" }, loopingVideo(tile), scoreBadge(tile), tile.also ? mark(tile.also, state.summary.compared[0]) : null, like && el("div", { class: "acts" }, like));
  const open = () => withTwin(tile, (twin) => openViewer(null, { ...twin, start: tile.start, end: tile.end, score: tile.score, percentile: tile.percentile, rank: tile.rank }));
  const words = [tile.label, tile.path, scoreWords(tile)].filter(Boolean).join(", ");
  const item = el("li", { class: "tile", "aria-label": words, "data-twin": String(tile.twin), onclick: () => tile.twin !== null && open() }, frame, caption(tile));
  return item;
}

/** Call `work` with the moment of the first index at the place of a result. */
async function withTwin(tile, work) {
  try {
    work(await getJson(`/api/moments/${tile.twin}`));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function drawLikes() {
  for (const item of $("compared-grid").querySelectorAll(".tile")) item.classList.toggle("liked", state.like.some(({ moment }) => String(moment) === item.dataset.twin));
}

on("query", () => (isSearching() ? drawLikes() : hideComparison()));
